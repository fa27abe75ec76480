"""The data path over HTTP: streams in, streams out."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import BodyTooLarge, MeshError
from mesh_shared.web import problems
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow, authorize
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh_security_gateway.domain.paths import canonical_path, checked_query
from mesh_security_gateway.errors import Interrupted, PathRefused, UploadTimeout
from mesh_security_gateway.schemas.fields import NAME
from mesh_security_gateway.service.calls import Exchange
from mesh_security_gateway.service.gateway import Gateway
from mesh_security_gateway.service.sending import Asked
from mesh_security_gateway.settings import Settings

PREFIX = "/v1/proxy"
LEASE = "X-Mesh-Lease"
SCOPE = "gateway:proxy"
_VALIDATED = frozenset({b"x-mesh-approval", LEASE.lower().encode()})
RELAYED = "mesh.relayed"
"""Key in the ASGI scope of an answer that is the upstream's and not ours."""


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# RFC 9110 §8.6; what a GET would have been answered with, which HEAD asks for too, is not known here.
_WITHOUT_LENGTH = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_DIRECT = re.compile(f"{PREFIX}/({NAME.strip('^$')})(?:/.*)?", re.DOTALL)


class Express:
    """Takes calls past the framework's routing, which takes longer than the call, where there is nothing to
    validate. All gates stand before it.

    A call that names an approval or a lease, or a connection that cannot be one, goes the usual way.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (connection := _direct(scope)) is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        request = Request(scope, receive)
        try:
            response = await proxy(request, connection, "", await authorize(request, SCOPE))
        except MeshError as refusal:
            response = problems.render(scope["path"], refusal)
        await response(scope, receive, send)


def _direct(scope: Scope) -> str | None:
    """The connection that is called, if the call can go the short way."""
    if scope["type"] != "http" or scope["method"] not in METHODS:
        return None
    found = _DIRECT.fullmatch(scope["path"])
    if found is None or any(name in _VALIDATED for name, _ in scope["headers"]):
        return None
    return found[1]


router = APIRouter(prefix=PREFIX, tags=["proxy"], route_class=MeshRoute)

# Only the document has this pattern: clients that fill in templates would percent-encode a slash, which is
# refused.
PathRest = Annotated[
    str,
    Path(
        description="Percent-encoded; further segments may follow.",
        examples=["user"],
        json_schema_extra={"pattern": "^[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]{0,99}$"},
    ),
]
Caller = Annotated[Principal, allow(SCOPE)]
Approval = Annotated[
    UUID | None,
    Header(alias="X-Mesh-Approval", description="A person's word on this request; see `/v1/approvals`."),
]
Lease = Annotated[
    UUID | None, Header(alias=LEASE, description="What the call is made under; see `/v1/leases`.")
]
NamePath = Annotated[str, Path(pattern=NAME, examples=["github"])]


class Upload:
    """The request's body; `done` when all of it was read, so that nobody else waits for messages before."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.done = asyncio.Event()
        self.is_there = "transfer-encoding" in request.headers or self.length not in (None, 0)
        if not self.is_there:
            self.done.set()

    @property
    def length(self) -> int | None:
        """What the caller declared, in bytes."""
        declared = self._request.headers.get("content-length")
        return None if declared is None else int(declared)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            has_more = True
            while has_more:
                message = await self._next()
                has_more = message.get("more_body", False)
                if piece := message.get("body", b""):
                    yield piece
        finally:
            self.done.set()

    async def _next(self) -> Message:
        settings: Settings = self._request.app.state.platform.settings
        try:
            async with asyncio.timeout(settings.upload_idle_s):
                message = await self._request.receive()
        except TimeoutError:
            raise UploadTimeout from None
        except HTTPException:  # the body gate's only one
            raise BodyTooLarge(settings.max_proxied_body_bytes) from None
        if message["type"] == "http.disconnect":
            raise Interrupted
        return message


class Relay(Response):
    """Streams an exchange to the caller. A stream that breaks is aborted, never ended as if it were whole."""

    def __init__(self, exchange: Exchange, upload: Upload) -> None:
        self.status_code, self.background = exchange.status, None
        self.raw_headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in exchange.fields()]
        self._exchange = exchange
        self._upload = upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[RELAYED] = True

        async def send_whole(body: bytes) -> None:
            if scope["method"] != "HEAD" and self.status_code not in _WITHOUT_LENGTH:
                self.raw_headers.append((b"content-length", b"%d" % len(body)))
            await self._start(send)
            await send({"type": "http.response.body", "body": body})

        if not await self._exchange.pass_on(send_whole):  # else there is nothing to watch the caller for
            async with self._exchange.answer() as pieces:
                await self._watch(self._stream(pieces, send), receive)

    async def _watch(self, streaming: Coroutine[Any, Any, None], receive: Receive) -> None:
        """Streams until that is done or the caller has gone."""
        stream, gone = asyncio.create_task(streaming), asyncio.create_task(self._gone(receive))
        try:
            await asyncio.wait((stream, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            stream.cancel()
            await asyncio.gather(stream, gone, return_exceptions=True)
        if not stream.cancelled():
            stream.result()

    async def _stream(self, pieces: AsyncIterator[bytes], send: Send) -> None:
        await self._start(send)
        try:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except MeshError:
            return  # the server closes a connection whose answer has no end
        await send({"type": "http.response.body", "body": b""})

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _gone(self, receive: Receive) -> None:
        await self._upload.done.wait()
        while (await receive())["type"] != "http.disconnect":
            pass


async def proxy(
    request: Request,
    connection: NamePath,
    path: PathRest,
    caller: Caller,
    approval: Approval = None,
    lease: Lease = None,
) -> Response:
    """Passes the request on under the connection's credential, and the answer back without it.

    Answers of the gateway itself carry `X-Mesh-Gateway-Error`; all others are the upstream's, redirects
    included.
    """
    gateway: Gateway = request.app.state.service
    upload = Upload(request)
    asked = Asked(
        action="proxy",
        connection=connection,
        method=request.method,
        path=canonical_path(rest_of(request.scope["raw_path"], connection)),
        query=checked_query(request.scope["query_string"]),
        fields=tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in request.headers.raw),
        body=upload.pieces() if upload.is_there else None,
        length=upload.length if upload.is_there else None,
        approval=approval,
        lease=lease,
    )
    return Relay(await gateway.calls.open(caller, asked), upload)


async def proxy_root(
    request: Request, connection: NamePath, caller: Caller, approval: Approval = None, lease: Lease = None
) -> Response:
    """The connection's base path itself."""
    return await proxy(request, connection, "", caller, approval, lease)


def rest_of(raw: bytes, connection: str) -> bytes:
    """What follows the connection in the raw path, whose beginning must be spelled plainly."""
    prefix = f"{PREFIX}/{connection}".encode()
    if not raw.startswith(prefix):
        raise PathRefused
    return raw.removeprefix(prefix) or b"/"


_ANYTHING: dict[str, Any] = {"*/*": {"schema": {}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    "2XX": {"description": "The upstream's answer", "content": _ANYTHING},
    "3XX": {"description": "The upstream's answer; it is not followed", "content": _ANYTHING},
    "4XX": {"description": "The upstream's answer", "content": _ANYTHING},
    "5XX": {"description": "The upstream's answer", "content": _ANYTHING},
    202: {"description": "The upstream's answer, or a person must approve this first", "content": _ANYTHING},
    400: {"description": "The upstream's answer, or a spelling that is not forwarded", "content": _ANYTHING},
    401: {"description": "The upstream's answer, or not authenticated here", "content": _ANYTHING},
    403: {"description": "The upstream's answer, or no live grant covers this", "content": _ANYTHING},
    404: {"description": "The upstream's answer, or no such connection", "content": _ANYTHING},
    502: {"description": "The upstream's answer, or the upstream failed", "content": _ANYTHING},
    503: {"description": "The upstream's answer, or the audit cannot be written", "content": _ANYTHING},
    504: {"description": "The upstream's answer, or the upstream took too long", "content": _ANYTHING},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {"application/json": {"schema": {}}, "application/octet-stream": {"schema": {}}}
    }
}

for method in METHODS:
    router.add_api_route(
        "/{connection}/{path:path}",
        proxy,
        methods=[method],
        operation_id=f"proxy_{method.lower()}",
        summary=f"{method} through a connection",
        response_class=Response,
        response_model=None,
        responses=_ANSWERS,
        include_in_schema=method != "HEAD",
        openapi_extra=_BODY if method in ("POST", "PUT", "PATCH") else None,
    )
    router.add_api_route("/{connection}", proxy_root, methods=[method], include_in_schema=False)

_ROUTE = next(route for route in router.routes if isinstance(route, APIRoute))
"""What metrics, logs and traces call a call."""
