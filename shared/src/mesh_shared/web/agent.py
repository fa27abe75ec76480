"""`GET /actions`, `POST /actions/{NAME}`: every service is itself an agent."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, Field, ValidationError, create_model

from mesh_shared.agents.plugin import (
    Action,
    Content,
    Invocation,
    Message,
    Plugin,
    Reply,
    Runtime,
    Turn,
    failed,
    invoke,
)
from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import MeshError, NotFound
from mesh_shared.web.idempotency import IdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow
from mesh_shared.wire import WireModel

INVOKE = "actions:invoke"

router = APIRouter(tags=["agent"], route_class=MeshRoute)


class ActionNotFound(NotFound, title="Action not found"): ...


class ActionView(BaseModel):
    name: str
    description: str
    parameters: dict[str, Any] = Field(description="JSON Schema of `parameters`.")
    examples: list[tuple[Turn, Turn]] = Field(
        description="Pairs of what a user says and what the agent answers."
    )
    scope: str = Field(description="The scope that a caller's token needs.")


class NamedView(BaseModel):
    name: str
    description: str


class PluginView(BaseModel):
    """What this service offers as an agent."""

    name: str
    description: str
    actions: list[ActionView]
    evaluators: list[NamedView]
    providers: list[NamedView]


class ActionReply(BaseModel):
    """The last word of the action, and everything it said on the way."""

    handled: bool = Field(description="False when the action found that the message is not for it.")
    text: str
    content: Content
    replies: list[Reply]
    evaluations: dict[str, Any]


def _view(action: Action) -> ActionView:
    return ActionView(
        name=action.name,
        description=action.description,
        parameters=action.schema,
        examples=list(action.examples),
        scope=action.scope,
    )


@router.get("/actions", operation_id="list_actions")
async def list_actions(request: Request) -> PluginView:
    """The plugin of this service with the JSON Schema of every action's parameters."""
    plugin: Plugin = request.app.state.plugin
    return PluginView(
        name=plugin.name,
        description=plugin.description,
        actions=[_view(action) for action in plugin.actions],
        evaluators=[NamedView(name=e.name, description=e.description) for e in plugin.evaluators],
        providers=[NamedView(name=p.name, description=p.description) for p in plugin.providers],
    )


def install(app: FastAPI, plugin: Plugin) -> None:
    """Adds the agent's routes: the list and one typed route per action."""
    app.state.plugin = plugin
    app.router.routes += router.routes
    app.router.routes += _actions(plugin).routes


@lru_cache(8)
def _actions(plugin: Plugin) -> APIRouter:
    """Made once for all apps of a process: the models of its bodies are a quarter of an app's start."""
    actions = APIRouter(tags=["agent"], route_class=MeshRoute)
    for action in plugin.actions:
        actions.add_api_route(
            f"/actions/{action.name}",
            _endpoint(plugin, action),
            methods=["POST"],
            operation_id=f"invoke_{action.name.lower()}",
            summary=action.name,
            description=action.description,
            response_model=ActionReply,
            responses={status: {"description": text} for status, text in action.failures.items()},
        )
    actions.add_api_route("/actions/{name}", _no_such_action, methods=["POST"], include_in_schema=False)
    return actions


def request_model(action: Action) -> type[WireModel]:
    """The body of an invocation: the action's parameters, what was said, and the caller's state."""
    name = "".join(word.title() for word in action.name.split("_")) + "Request"
    return create_model(
        name,
        __base__=WireModel,
        parameters=(action.parameters, _default(action.parameters)),
        message=(Message, Message()),
        context=(dict[str, Any], {}),
    )


def _default(parameters: type[WireModel]) -> Any:
    """What an invocation without parameters means; pydantic's "required" when they are needed."""
    try:
        return parameters()
    except ValidationError:
        return ...


def _endpoint(plugin: Plugin, action: Action) -> Callable[..., Awaitable[ActionReply]]:
    async def run(request: Request, body: Any, caller: Any, key: IdempotencyKey = None) -> ActionReply:
        runtime = Runtime(request.app.state.service, caller, key)
        return answer_of(action.name, await run_action(plugin, action, runtime, body))

    run.__annotations__ |= {
        "body": request_model(action),
        "caller": Annotated[Principal, allow(INVOKE, action.scope)],
    }
    return run


async def _no_such_action(name: str, _: Annotated[Principal, allow(INVOKE)]) -> None:
    raise ActionNotFound("This service offers no such action.")


async def run_action(plugin: Plugin, action: Action, runtime: Runtime[Any], body: Any) -> Invocation:
    """Runs the action; what it refuses is its answer, not a failure of the request."""
    try:
        return await invoke(plugin, action, runtime, body.message, body.parameters, dict(body.context))
    except MeshError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return Invocation(handled=True, replies=[_refusal(error)])


def _refusal(error: MeshError) -> Reply:
    return failed(error.detail, code=error.code(), title=error.title, **error.members)


def answer_of(name: str, result: Invocation) -> ActionReply:
    """The last word of an invocation with all that led to it."""
    nothing = failed(f"{name} had nothing to say to this.", code="not-handled")
    last = result.replies[-1] if result.replies else nothing
    return ActionReply(
        handled=result.handled,
        text=last.text,
        content=last.content,
        replies=result.replies,
        evaluations=result.evaluations,
    )
