"""The data path over WebSockets (RFC 6455): opened like a call, checked message by message."""

import re
from functools import partial
from uuid import UUID

from fastapi import APIRouter, WebSocket
from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import MeshError, NotFound
from mesh_shared.web import problems
from mesh_shared.web.security import authorize
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect, WebSocketState

from mesh_security_gateway.api.proxy import LEASE, PREFIX, rest_of
from mesh_security_gateway.domain.paths import canonical_path, checked_query
from mesh_security_gateway.errors import ConnectionNotFound, Interrupted, LeaseEnded, PathRefused
from mesh_security_gateway.ports import Closing, Message
from mesh_security_gateway.schemas.fields import NAME
from mesh_security_gateway.service.gateway import Gateway
from mesh_security_gateway.service.sending import WEBSOCKET, Asked

MOST_PROTOCOLS = 8
_PROTOCOL = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_BROKEN = (1002, 1006, 1007, 1009, 1011, 1012)
"""What our server says in the place of an agent that broke the protocol, or when it stops itself."""

router = APIRouter(prefix=PREFIX)


class AgentSocket:
    """Implements `ports.Socket` for the agent's end."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    @property
    def protocol(self) -> str | None:
        return None

    async def accept(self, protocol: str | None) -> None:
        try:
            await self._websocket.accept(protocol)
        except (WebSocketDisconnect, RuntimeError):
            raise Interrupted from None

    async def receive(self) -> Message | Closing:
        """Raises `Interrupted` for an agent that is just gone, and when the gateway stops."""
        came = await self._websocket.receive()
        if came["type"] == "websocket.disconnect":
            if came["code"] in _BROKEN or "reason" not in came:  # nobody said goodbye
                raise Interrupted
            return Closing(came["code"], came["reason"] or "")
        text: str | None = came.get("text")
        return came["bytes"] if text is None else text

    async def send(self, message: Message) -> None:
        try:
            if isinstance(message, str):
                await self._websocket.send_text(message)
            else:
                await self._websocket.send_bytes(message)
        except (WebSocketDisconnect, RuntimeError):
            raise Interrupted from None

    async def close(self, closing: Closing) -> None:
        if self._websocket.client_state is WebSocketState.CONNECTED:
            await self._websocket.close(closing.code, closing.reason)


@router.websocket("/{connection}/{path:path}")
async def relay(websocket: WebSocket) -> None:
    """Opens the upstream's WebSocket under the connection's credential. A refusal is a problem document."""
    gateway: Gateway = websocket.app.state.service
    try:
        caller = await authorize(websocket, "gateway:proxy")
        asked = _asked(websocket)
        conversation = await gateway.calls.connect(caller, asked)
    except MeshError as refusal:
        await websocket.send_denial_response(problems.render(websocket.scope["path"], refusal))
        return
    await conversation.hold(AgentSocket(websocket), partial(_check, websocket, caller, asked))


async def nowhere(websocket: WebSocket) -> None:
    """No other path opens one; left alone, the framework would refuse it with a line of text."""
    refusal = NotFound("No WebSocket is opened here.")
    await websocket.send_denial_response(problems.render(websocket.scope["path"], refusal))


elsewhere = APIRouter(routes=[WebSocketRoute("/{path:path}", nowhere)])


def _asked(websocket: WebSocket) -> Asked:
    connection: str = websocket.path_params["connection"]
    if not re.fullmatch(NAME, connection):
        raise ConnectionNotFound
    return Asked(
        action="proxy",
        connection=connection,
        method=WEBSOCKET,
        path=canonical_path(rest_of(websocket.scope["raw_path"], connection)),
        query=checked_query(websocket.scope["query_string"]),
        fields=tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in websocket.headers.raw),
        lease=_lease(websocket.headers.get(LEASE)),
        protocols=_protocols(websocket.scope["subprotocols"]),
    )


def _lease(named: str | None) -> UUID | None:
    try:
        return None if named is None else UUID(named)
    except ValueError:
        raise LeaseEnded from None


def _protocols(offered: list[str]) -> tuple[str, ...]:
    if len(offered) > MOST_PROTOCOLS or not all(map(_PROTOCOL.fullmatch, offered)):
        raise PathRefused
    return tuple(offered)


async def _check(websocket: WebSocket, caller: Principal, asked: Asked) -> None:
    """Lets go on who could open it now: the session lasts, the chain bears it out, the grant still stands."""
    gateway: Gateway = websocket.app.state.service
    _, _, token = websocket.headers["authorization"].partition(" ")
    await websocket.app.state.platform.verifier.verify(token.strip(), is_bound=caller.jkt is not None)
    await gateway.calls.require(caller, asked)
