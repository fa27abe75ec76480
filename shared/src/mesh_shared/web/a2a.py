"""A2A 1.0 for every service: its card for anyone, its actions for those who may invoke them."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Request, Response
from pydantic import BaseModel

from mesh_shared.a2a import card, jsonrpc, version
from mesh_shared.a2a.actions import PluginExecutor
from mesh_shared.a2a.card import AgentCard, Interface
from mesh_shared.a2a.executor import Call
from mesh_shared.a2a.server import Server
from mesh_shared.a2a.tasks import Tasks
from mesh_shared.agents.plugin import Plugin
from mesh_shared.auth.tokens import Principal
from mesh_shared.platform import Platform
from mesh_shared.web import conditional
from mesh_shared.web.agent import INVOKE
from mesh_shared.web.idempotency import IdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

PATH = "/a2a/"  # without the last slash a client's POST would be redirected, and lose its body
FRESH_S = 300
EXAMPLE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "SendMessage",
    "params": {
        "message": {
            "messageId": "8e03978e-40d5-43e8-bc93-6894a57f9324",
            "role": "ROLE_USER",
            "parts": [
                {"data": {"action": "DISCOVER_AGENTS", "parameters": {"capability": "text.summarize"}}}
            ],
        }
    },
}

router = APIRouter(tags=["agent"], route_class=MeshRoute)


class RpcAnswer(BaseModel):
    """JSON-RPC 2.0: `result` when it worked, `error` with a code of A2A when not."""

    jsonrpc: str
    id: str | int | None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@asynccontextmanager
async def serving(
    app: FastAPI, platform: Platform, plugin: Plugin, service: object
) -> AsyncGenerator[None, None]:
    """Answers A2A while the block lasts. Work that is not done at its end has failed."""
    tasks = Tasks(platform.database, platform.settings.instance)
    await tasks.recover()
    server = Server(
        executor=PluginExecutor(plugin, service),
        tasks=tasks,
        input_modes=frozenset(card.MODES),
        counts_once=True,
    )
    app.state.a2a = server
    app.state.card = Card(_own_card(plugin, app.version, platform.public_url))
    try:
        yield
    finally:
        await server.close()


class Card:
    """A card as it is served: bytes, their ETag, and since when they are these."""

    def __init__(self, said: AgentCard) -> None:
        self.body = said.model_dump_json(exclude_none=True).encode()
        etag = f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'
        since = format_datetime(datetime.now(UTC), usegmt=True)
        self.headers = {"ETag": etag, "Last-Modified": since, "Cache-Control": f"public, max-age={FRESH_S}"}

    def response(self, request: Request) -> Response:
        if conditional.is_known(request, self.headers["ETag"]):
            return Response(status_code=304, headers=self.headers)
        return Response(self.body, media_type="application/json", headers=self.headers)


def _own_card(plugin: Plugin, app_version: str, url: str) -> AgentCard:
    interface = Interface(url=f"{url}{PATH}", protocolBinding="JSONRPC", protocolVersion=card.PROTOCOL)
    scopes = sorted({INVOKE, *(action.scope for action in plugin.actions)})
    more = card.bearer(scopes) | {"documentationUrl": f"{url}/docs"}
    return card.card_of(plugin, app_version, [interface]).model_copy(update=more)


@router.get("/.well-known/agent-card.json", operation_id="get_agent_card", response_model=AgentCard)
async def agent_card(request: Request) -> Response:
    """Who this agent is, what it can do and where it answers (A2A 1.0 card), with an `ETag`."""
    return request.app.state.card.response(request)


@router.post(
    PATH,
    operation_id="call_a2a",
    summary="Call this agent over A2A",
    response_model=RpcAnswer,
    response_model_exclude_none=True,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"examples": [EXAMPLE]}, "example": EXAMPLE}},
        }
    },
)
async def call_a2a(
    request: Request,
    caller: Annotated[Principal, allow(INVOKE)],
    key: IdempotencyKey = None,
    a2a_version: Annotated[
        str | None, Header(alias=version.HEADER, max_length=20, description="`1.0`.", examples=["1.0"])
    ] = None,
) -> Response:
    """JSON-RPC of A2A 1.0: `SendMessage` with a data part `{action, parameters}` runs an action.

    The task's artifact has what the action answered, `{text, content}`. Every outcome of A2A is a 200 whose
    `error` names it, as JSON-RPC has it; only what concerns HTTP itself is a problem document.
    """
    return await jsonrpc.answer(request.app.state.a2a, Call(caller, key), request)
