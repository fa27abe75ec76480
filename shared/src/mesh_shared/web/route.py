"""The route class of every service: strict JSON in, idempotency where it is declared."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from mesh_shared.canonical import read_json
from mesh_shared.errors import Conflict
from mesh_shared.web import idempotency

_NUL_ESCAPE = b"\\u0000"


class NulInText(Conflict, title="NUL in text"):
    """The body fits the schema and has NUL in a text; PostgreSQL has no such text, and nobody means it."""

    def __init__(self) -> None:
        super().__init__("A text in the body contains NUL.")


class StrictRequest(Request):
    """Reads JSON that means one thing only; see `read_json`."""

    async def json(self) -> Any:
        try:
            return read_json(await self.body())
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from None


class MeshRoute(APIRoute):
    """Give it to every `APIRouter` as `route_class`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        reads_json = self.body_field is not None
        is_idempotent = any(p.alias == idempotency.HEADER for p in self.dependant.header_params)

        async def run(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            if reads_json and not says_json(request) and await request.body():
                raise HTTPException(415)
            if reads_json and _NUL_ESCAPE in await request.body() and await _contains_nul(request):
                raise NulInText
            if is_idempotent and idempotency.HEADER in request.headers:
                return await request.app.state.platform.idempotency.once(request, handle)
            return await handle(request)

        return run


async def _contains_nul(request: StrictRequest) -> bool:
    try:
        return has_nul(await request.json())
    except json.JSONDecodeError:
        return False  # said with the other faults of the body


def has_nul(value: object) -> bool:
    match value:
        case str():
            return "\0" in value
        case list():
            return any(has_nul(item) for item in cast("list[object]", value))
        case dict():
            items = cast("dict[str, object]", value).items()
            return any(has_nul(key) or has_nul(item) for key, item in items)
        case _:
            return False


def media_type(request: Request, otherwise: str = "") -> str:
    """What the request says that its body is, in small letters and without parameters."""
    return request.headers.get("content-type", otherwise).partition(";")[0].strip().lower()


def says_json(request: Request) -> bool:
    said = media_type(request)
    return said == "application/json" or (said.startswith("application/") and said.endswith("+json"))
