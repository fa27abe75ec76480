"""What is refused before any route sees it."""

from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh_shared.errors import BodyTooLarge, MalformedRequest, Unavailable
from mesh_shared.web import problems
from mesh_shared.web.health import Checks

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class WriteGate:
    """Refuses unsafe methods with 503 while a dependency is down, so that nothing is accepted and then lost.

    `always_open` are path prefixes that it lets pass.
    """

    def __init__(self, app: ASGIApp, checks: Checks, always_open: Sequence[str]) -> None:
        self._app = app
        self._checks = checks
        self._always_open = tuple(always_open)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_write(scope) and (down := await self._checks.down()):
            await problems.render(scope["path"], Unavailable(*down))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_write(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] in SAFE:
            return False
        return not (self._always_open and scope["path"].startswith(self._always_open))


class NulGate:
    """Refuses NUL in the address: PostgreSQL has no text for it, and nobody means it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and b"%00" in scope["raw_path"] + b"?" + scope["query_string"]:
            error = MalformedRequest("The address contains NUL.")
            await problems.render(scope["path"], error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class BodyGate:
    """Bounds every request body to `limit` bytes; `by_path` has other limits for path prefixes."""

    def __init__(self, app: ASGIApp, limit: int, by_path: Mapping[str, int]) -> None:
        self._app = app
        self._limit = limit
        self._by_path = by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > limit:
            await problems.render(scope["path"], BodyTooLarge(limit))(scope, receive, send)
            return
        await self._app(scope, _counting(receive, limit), send)

    def _limit_of(self, path: str) -> int:
        return next(
            (limit for prefix, limit in self._by_path.items() if path.startswith(prefix)), self._limit
        )


def _counting(receive: Receive, limit: int) -> Receive:
    """`receive` that fails once more than `limit` bytes have come."""
    total = 0

    async def count() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            # FastAPI lets only this kind through from the reading of a body.
            raise HTTPException(413)
        return message

    return count
