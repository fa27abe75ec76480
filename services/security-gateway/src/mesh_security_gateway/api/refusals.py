"""Marks every problem document of ours, so that it cannot be taken for an upstream's answer."""

from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from mesh_shared.agents.gateway import MARK
from mesh_shared.framing import Framed
from mesh_shared.web.problems import MEDIA_TYPE
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh_security_gateway.api.proxy import RELAYED

_STARTS = ("http.response.start", "websocket.http.response.start")


def install(app: FastAPI, public_url: str) -> None:
    """Marks the refusals of all routes, and the answer to a bug, which the framework sends by itself."""
    app.add_middleware(Refusals, metadata_url=f"{public_url}/.well-known/oauth-protected-resource")
    on_bug: Any = app.exception_handlers[Exception]

    async def marked(request: Request, raised: Exception) -> Response:
        response: Response = await on_bug(request, raised)
        response.headers[MARK] = "internal_error"
        return response

    app.add_exception_handler(Exception, marked)


class Marked(Framed):
    """One connection to the gateway: what it refuses before there is a request is marked as well."""

    def fields(self, code: str) -> dict[str, str]:
        return super().fields(code) | {MARK: _spelled(code)}


class Refusals:
    """Adds `X-Mesh-Gateway-Error` with the problem's code, spelled with underscores, and to every challenge
    where it is written how to be let in (RFC 9728 §5.1).
    """

    def __init__(self, app: ASGIApp, metadata_url: str) -> None:
        self._app = app
        self._hint = f', resource_metadata="{metadata_url}"'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        waiting: Message | None = None

        async def mark(message: Message) -> None:
            nonlocal waiting
            if message["type"] in _STARTS and _is_ours(scope, message):
                waiting = message  # the code is in the body, which comes in one piece
                return
            if waiting is not None:
                code: str = orjson.loads(message["body"])["code"]
                field = (MARK.encode(), _spelled(code).encode())
                waiting["headers"] = [*map(self._hinted, waiting["headers"]), field]
                await send(waiting)
                waiting = None
            await send(message)

        await self._app(scope, receive, mark)

    def _hinted(self, field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        name, value = field
        return (name, value + self._hint) if name.lower() == b"www-authenticate" else field


def _spelled(code: str) -> str:
    return code.replace("-", "_")


def _is_ours(scope: Scope, message: Message) -> bool:
    return RELAYED not in scope and Headers(raw=message["headers"]).get("content-type") == MEDIA_TYPE
