"""Marks every problem document of ours, so that it cannot be taken for an upstream's answer."""

import orjson
from mesh_shared.web.problems import MEDIA_TYPE
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh_security_gateway.api.proxy import RELAYED

FIELD = b"x-mesh-gateway-error"


class Refusals:
    """Adds `X-Mesh-Gateway-Error` with the problem's code, spelled with underscores."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        waiting: Message | None = None

        async def mark(message: Message) -> None:
            nonlocal waiting
            if message["type"] == "http.response.start" and _is_ours(scope, message):
                waiting = message  # the code is in the body, which comes in one piece
                return
            if waiting is not None:
                code: str = orjson.loads(message["body"])["code"]
                field = (FIELD, code.replace("-", "_").encode())
                waiting["headers"] = [*waiting["headers"], field]
                await send(waiting)
                waiting = None
            await send(message)

        await self._app(scope, receive, mark)


def _is_ours(scope: Scope, message: Message) -> bool:
    return RELAYED not in scope and Headers(raw=message["headers"]).get("content-type") == MEDIA_TYPE
