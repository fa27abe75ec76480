"""The moments in which an event loop has nothing to do."""

import asyncio
import math
import time
from collections.abc import Callable

EMPTY_TURN_S = 0.0001
"""A turn of the loop that took less than this found nobody to serve: the least of calls takes longer."""


class Lull:
    """Calls `then` once after each `await_next`, as soon as the event loop has had a turn with nothing in it.

    While the loop is busy it takes turn after turn with it, and costs a microsecond at each.
    """

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self._look: asyncio.Handle | None = None
        self._began_at = -math.inf

    def await_next(self) -> None:
        """Begins to look, unless it does already. The turn that is under way does not count."""
        if self._look is None:
            self._look_after(-math.inf)

    def forget(self) -> None:
        """Looks no more."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _look_after(self, began_at: float) -> None:
        """Looks when the turn is over that began then."""
        self._began_at = began_at
        self._look = asyncio.get_running_loop().call_soon(self._turned)

    def _turned(self) -> None:
        now = time.perf_counter()
        if now - self._began_at > EMPTY_TURN_S:
            self._look_after(now)
        else:
            self._look = None
            self._then()
