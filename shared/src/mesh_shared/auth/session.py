"""How a service proves itself to the others: an API key in a file, exchanged for short tokens."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx
from pydantic import BaseModel

from mesh_shared.errors import Unavailable

EARLY_S = 60


class _SessionBody(BaseModel):
    """The two fields we read of the gateway's answer."""

    token: str
    expires_at: int


@dataclass(slots=True)
class Sessions:
    """Tokens for our own calls, one per audience, renewed a minute before they end.

    The key file may appear after we start: whoever mints it may start after us.
    """

    http: httpx.AsyncClient
    gateway_url: str
    key_file: Path
    _tokens: dict[str, _SessionBody] = field(default_factory=dict[str, _SessionBody])
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self, audience: str) -> str:
        """A token that only `audience` accepts. Raises `Unavailable` while the gateway cannot be asked."""
        async with self._turn:
            known = self._tokens.get(audience)
            if known is None or known.expires_at - EARLY_S < time.time():
                known = self._tokens[audience] = await self._open(audience)
            return known.token

    def forget(self, audience: str) -> None:
        """Makes the next call ask for a new token."""
        self._tokens.pop(audience, None)

    def auth(self, audience: str) -> httpx.Auth:
        """Authenticates an httpx request to `audience`."""
        return _SessionAuth(self, audience)

    async def _open(self, audience: str) -> _SessionBody:
        try:
            key = self.key_file.read_text().strip()
            response = await self.http.post(
                f"{self.gateway_url}/v1/sessions", headers={"X-API-Key": key}, json={"audiences": [audience]}
            )
            response.raise_for_status()
        except (OSError, httpx.HTTPError):
            raise Unavailable("security-gateway") from None
        return _SessionBody.model_validate_json(response.content)


class _SessionAuth(httpx.Auth):
    def __init__(self, sessions: Sessions, audience: str) -> None:
        self._sessions = sessions
        self._audience = audience

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {await self._sessions.token(self._audience)}"
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            # The gateway may have changed its keys since; one fresh token settles it.
            self._sessions.forget(self._audience)
            request.headers["Authorization"] = f"Bearer {await self._sessions.token(self._audience)}"
            yield request
