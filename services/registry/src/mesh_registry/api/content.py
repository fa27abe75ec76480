"""Bytes under their CID."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import conditional
from mesh_shared.web.route import MeshRoute, media_type
from mesh_shared.web.security import allow
from mesh_shared.wire import Cid

from mesh_registry.api.answers import InRegistry
from mesh_registry.schemas.content import ContentView
from mesh_registry.service import WRITE

PREFIX = "/v1/content"
OCTETS = "application/octet-stream"
_BINARY = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}
# What is under a CID can never change.
_FOR_EVER = "public, max-age=31536000, immutable"

router = APIRouter(prefix=PREFIX, tags=["content"], route_class=MeshRoute)


@router.post(
    "",
    status_code=201,
    operation_id="add_content",
    summary="Store bytes",
    openapi_extra={"requestBody": {"required": False, "content": _BINARY}},  # no body is no bytes
)
async def add_content(
    request: Request, response: Response, caller: Annotated[Principal, allow(WRITE)], registry: InRegistry
) -> ContentView:
    """Stores and pins up to 64 MiB under their CIDv1. Storing the same bytes again changes nothing."""
    if media_type(request, OCTETS) != OCTETS:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    stored = await registry.keep(request.stream())
    response.headers["Location"] = f"{PREFIX}/{stored.cid}"
    return ContentView(cid=stored.cid, size=stored.size)


@router.get(
    "/{cid}",
    operation_id="get_content",
    summary="Get bytes",
    response_class=StreamingResponse,
    responses={200: {"content": _BINARY}, 502: {"description": "The stored bytes do not match their CID."}},
)
async def get_content(cid: Cid, request: Request, registry: InRegistry) -> Response:
    """The bytes, streamed; each block is checked against its CID before a byte of it is sent.

    A block that does not match ends the answer before its end: 502 when it is the first.
    """
    etag = f'"{cid}"'
    headers = {"ETag": etag, "Cache-Control": _FOR_EVER}
    parts = registry.content(cid)
    first = await anext(parts, b"")
    if conditional.is_known(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return StreamingResponse(_all(first, parts), headers=headers, media_type=OCTETS)


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part
