"""The HTTP+JSON binding (specification §11); errors are AIP-193 objects."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from mesh_shared.a2a import version
from mesh_shared.a2a.errors import A2aError, ContentTypeNotSupported, InvalidParams
from mesh_shared.a2a.executor import Call
from mesh_shared.a2a.jsonrpc import Operation, events, no_extended_card, no_push, parsed
from mesh_shared.a2a.model import (
    A2aModel,
    AnyRequest,
    GetTaskRequest,
    ListTasksRequest,
    SendMessageRequest,
    TaskRequest,
)
from mesh_shared.a2a.server import Server
from mesh_shared.canonical import read_json
from mesh_shared.web.route import says_json

Read = Callable[[Request], Awaitable[Mapping[str, Any]]]
CONFIGS = "/tasks/{id}/pushNotificationConfigs"


async def _body(request: Request) -> Mapping[str, Any]:
    if not says_json(request):
        raise ContentTypeNotSupported("Send application/json.")
    try:
        return read_json(await request.body())
    except ValueError:
        raise InvalidParams("The body is not valid JSON.") from None


async def _query(request: Request) -> Mapping[str, Any]:
    return dict(request.query_params) | request.path_params


ROUTES: list[tuple[str, str, type[A2aModel], Operation, Read]] = [
    ("POST", "/message:send", SendMessageRequest, Server.send_message, _body),
    ("POST", "/message:stream", SendMessageRequest, Server.stream_message, _body),
    ("GET", "/tasks", ListTasksRequest, Server.list_tasks, _query),
    ("POST", "/tasks/{id}:cancel", TaskRequest, Server.cancel_task, _query),
    ("POST", "/tasks/{id}:subscribe", TaskRequest, Server.subscribe, _query),
    ("GET", "/tasks/{id}:subscribe", TaskRequest, Server.subscribe, _query),
    ("GET", "/tasks/{id}", GetTaskRequest, Server.get_task, _query),
    ("POST", CONFIGS, AnyRequest, no_push, _query),
    ("GET", CONFIGS, AnyRequest, no_push, _query),
    ("GET", f"{CONFIGS}/{{config_id}}", AnyRequest, no_push, _query),
    ("DELETE", f"{CONFIGS}/{{config_id}}", AnyRequest, no_push, _query),
    ("GET", "/extendedAgentCard", AnyRequest, no_extended_card, _query),
]


def router(server: Server, call_of: Callable[..., Any]) -> APIRouter:
    """The routes of the binding; `call_of` is the dependency that tells who calls."""
    routes = APIRouter(tags=["a2a"])
    for method, path, model, operation, read in ROUTES:
        endpoint = _endpoint(server, call_of, model, operation, read)
        routes.add_api_route(path, endpoint, methods=[method], response_model=None, name=f"{method} {path}")
    return routes


def _endpoint(
    server: Server, call_of: Callable[..., Any], model: type[A2aModel], operation: Operation, read: Read
) -> Callable[..., Awaitable[Response]]:
    async def run(request: Request, call: Any) -> Response:
        try:
            version.require(request)
            result = await operation(server, parsed(model, await read(request)), call)
        except A2aError as error:
            return JSONResponse(error.as_http(), error.status)
        if isinstance(result, A2aModel):
            return JSONResponse(result.wire())
        return events(A2aModel.wire, result)

    run.__annotations__["call"] = Annotated[Call, Depends(call_of)]
    return run
