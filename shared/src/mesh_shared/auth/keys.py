"""Where verifiers find the gateway's public keys."""

import asyncio
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx
from joserfc.jwk import KeySet, OKPKey

from mesh_shared.errors import Unauthenticated, Unavailable


class StaticKeys:
    """Keys at hand: the gateway's own, or a test's."""

    def __init__(self, keys: Iterable[OKPKey]) -> None:
        self._keys = {key.thumbprint(): key for key in keys}

    async def key(self, kid: str) -> OKPKey:
        if kid not in self._keys:
            raise Unauthenticated("The token is not valid here.")
        return self._keys[kid]


@dataclass(slots=True)
class RemoteKeys:
    """The gateway's JWK Set, kept for `fresh_s` and asked for again when a token names an unknown key.

    It is asked every `retry_s` at most, whatever tokens come. A gateway that is down does not invalidate what
    it signed: known keys go on being used.
    """

    http: httpx.AsyncClient
    url: str
    fresh_s: float = 300.0
    retry_s: float = 2.0
    _keys: dict[str, OKPKey] = field(default_factory=dict[str, OKPKey])
    _asked_at: float = -math.inf
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def key(self, kid: str) -> OKPKey:
        if kid not in self._keys or time.monotonic() - self._asked_at > self.fresh_s:
            await self._refresh(kid)
        if kid not in self._keys:
            raise Unauthenticated("The token is not valid here.")
        return self._keys[kid]

    async def ping(self) -> None:
        """Raises `Unavailable` when no key was ever seen and none can be had."""
        if not self._keys:
            await self._fetch()

    async def _refresh(self, kid: str) -> None:
        async with self._turn:
            if time.monotonic() - self._asked_at < self.retry_s:
                return
            try:
                await self._fetch()
            except Unavailable:
                if kid not in self._keys:
                    raise

    async def _fetch(self) -> None:
        self._asked_at = time.monotonic()
        try:
            response = await self.http.get(self.url)
            response.raise_for_status()
        except httpx.HTTPError:
            raise Unavailable("security-gateway") from None
        keys = KeySet.import_key_set(response.json()).keys
        self._keys = {key.thumbprint(): key for key in keys if isinstance(key, OKPKey)}
