"""Sessions of the gateway. An API key that opened one renews it, and is in memory alone meanwhile."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mesh_console.adapters.mesh import Mesh
from mesh_console.domain.session import Session
from mesh_console.errors import ConsoleError

GATEWAY = "security-gateway"
MOST = 10_000
"""Keys at a time, some hundred bytes each. Who comes when it is full is let in, and not renewed."""


@dataclass(frozen=True, slots=True)
class _Held:
    key: str = field(repr=False)
    end: asyncio.TimerHandle


@dataclass(slots=True)
class Sessions:
    """Opens, renews and ends them. A key is forgotten when its session is over, or is ended."""

    most: int = MOST
    _held: dict[str, _Held] = field(default_factory=dict[str, _Held])

    async def by_key(self, mesh: Mesh, key: str) -> Session:
        """Whoever has an API key. Raises `Refused` and `Unreachable`."""
        opened = await mesh.post(GATEWAY, "/v1/sessions", headers=_carrying(key))
        new = _new(opened)
        return replace(new, held=self._hold(key, new)) if len(self._held) < self.most else new

    async def by_wallet(self, mesh: Mesh, proof: Mapping[str, str]) -> Session:
        """An agent, by its owner's signature, which is good for this once. Raises as `by_key` does."""
        return _new(await mesh.post(GATEWAY, "/v1/sessions", {"proof": proof}))

    async def renewed(self, mesh: Mesh, session: Session) -> Session:
        """The same session for longer when it is due; as it is when the gateway does not renew it now."""
        held = self._held.get(session.held)
        if held is None or not session.is_due(time.time()):
            return session
        try:
            opened = await mesh.post(GATEWAY, "/v1/sessions", headers=_carrying(held.key))
        except ConsoleError:  # what is left of it is good, and the next page asks again
            return session
        if session.held not in self._held:  # signed out meanwhile
            return session
        renewed = replace(session, **_said(opened))
        self._hold(held.key, renewed)
        return renewed

    def end(self, session: Session) -> None:
        """Forgets the key. The token is good until it ends by itself: the gateway takes none back."""
        self._forget(session.held)

    def _hold(self, key: str, session: Session) -> str:
        name = session.held or secrets.token_urlsafe(16)
        self._forget(name)
        end = asyncio.get_running_loop().call_later(session.left_s(time.time()), self._forget, name)
        self._held[name] = _Held(key, end)
        return name

    def _forget(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held:
            held.end.cancel()


def _carrying(key: str) -> dict[str, str]:
    """The header that shows a key; one that no header can carry is none."""
    return {"X-API-Key": key} if key.isascii() and key.isprintable() else {}


def _new(opened: Mapping[str, Any]) -> Session:
    return Session(csrf=secrets.token_urlsafe(16), opened_at=int(time.time()), **_said(opened))


def _said(opened: Mapping[str, Any]) -> dict[str, Any]:
    """What the gateway says of a session that it opened."""
    return {name: opened[name] for name in ("token", "subject", "expires_at")} | {
        "scopes": tuple(opened["scopes"])
    }
