"""An API key exchanged for short sessions, one for each service."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import msgspec

from mesh_client.problems import Problem, Unreachable

EARLY_S = 60
"""How long before its end a session is replaced."""


class _Session(msgspec.Struct):
    token: str
    expires_at: int


@dataclass(slots=True)
class Sessions:
    """Opens sessions at the security gateway with an API key, or with the file that holds one.

    A file is read when a session is opened, so its key may change meanwhile.
    """

    http: httpx.AsyncClient
    gateway_url: str
    key: str | Path
    _open: dict[str, _Session] = field(default_factory=dict[str, _Session])
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self, audience: str) -> str:
        """A token that only `audience` takes. Raises `Problem` for a key that does not do, `Unreachable`."""
        async with self._turn:
            known = self._open.get(audience)
            if known is None or known.expires_at - EARLY_S < time.time():
                known = self._open[audience] = await self._exchange(audience)
            return known.token

    def forget(self, audience: str) -> None:
        """Makes the next call open a new session."""
        self._open.pop(audience, None)

    async def _exchange(self, audience: str) -> _Session:
        key = self.key if isinstance(self.key, str) else self.key.read_text().strip()
        try:
            response = await self.http.post(
                f"{self.gateway_url}/v1/sessions", headers={"X-API-Key": key}, json={"audiences": [audience]}
            )
        except httpx.TransportError as error:
            raise Unreachable(f"{self.gateway_url} does not answer: {type(error).__name__}.") from error
        if response.is_error:
            raise Problem.of(response)
        return msgspec.json.decode(response.content, type=_Session)


class SessionAuth(httpx.Auth):
    """Sends the session of one service along; opens another once when the service no longer takes it."""

    def __init__(self, sessions: Sessions, audience: str) -> None:
        self._sessions = sessions
        self._audience = audience

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Raises RuntimeError: sessions are opened asynchronously."""
        raise RuntimeError("This client is asynchronous.")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, Any]:
        request.headers["Authorization"] = f"Bearer {await self._sessions.token(self._audience)}"
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._sessions.forget(self._audience)
            request.headers["Authorization"] = f"Bearer {await self._sessions.token(self._audience)}"
            yield request
