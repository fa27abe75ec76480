"""Sparing callers the wait for an upstream that is not there: it is left alone for a while."""

import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
from mesh_shared import dial

from mesh_security_gateway.errors import CircuitOpen

TRIES = 5
"""Dials in a row that failed, after which nobody dials for `OPEN_S` seconds, and then one caller."""
OPEN_S = 10.0

DialledT = TypeVar("DialledT")
_UNDIALLED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class Circuit:
    """Of one upstream under one secret; `clock` is in seconds.

    Dials alone count, and with them the wait for one of the sockets that it may have: what an upstream
    answers, or fails to, its caller may have brought about, and would shut others out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0

    async def through(self, dialling: Callable[[], Awaitable[DialledT]]) -> DialledT:
        """What `dialling` gives. Raises `CircuitOpen` in stead of dialling, and what that raises."""
        if self._failures >= TRIES:
            if (left := self._open_until - self._clock()) > 0:
                raise CircuitOpen(math.ceil(left))
            self._open_until = self._clock() + OPEN_S  # the others wait for what comes of this one
        try:
            dialled = await dialling()
        except Exception as failure:
            self._failures = self._failures + 1 if _is_undialled(failure) else 0
            self._open_until = self._clock() + OPEN_S
            raise
        self._failures = 0
        return dialled


def _is_undialled(failure: Exception) -> bool:
    """Not so where we refuse the address: that costs nobody any time."""
    is_refused = isinstance(getattr(failure, "os_error", None), dial.AddressRefused)
    return isinstance(failure, _UNDIALLED) and not is_refused
