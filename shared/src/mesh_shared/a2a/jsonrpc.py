"""The JSON-RPC binding (specification §9): every outcome of A2A is a 200 with a JSON-RPC answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, cast

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import ValidationError

from mesh_shared.a2a import version
from mesh_shared.a2a.errors import (
    A2aError,
    ContentTypeNotSupported,
    ExtendedAgentCardNotConfigured,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    ParseError,
    PushNotificationNotSupported,
)
from mesh_shared.a2a.executor import Call
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
from mesh_shared.web.route import has_nul, says_json
from mesh_shared.wire import places

RpcId = str | int | None
ModelT = TypeVar("ModelT", bound=A2aModel)
Operation = Callable[[Server, Any, Call], Awaitable[Any]]


async def no_push(server: Server, wanted: AnyRequest, call: Call) -> A2aModel:
    """We call nobody back: an address that a caller names is a door into our network."""
    raise PushNotificationNotSupported("This agent sends no push notifications.")


async def no_extended_card(server: Server, wanted: AnyRequest, call: Call) -> A2aModel:
    raise ExtendedAgentCardNotConfigured("There is one card, and it is public.")


METHODS: dict[str, tuple[type[A2aModel], Operation]] = {
    "SendMessage": (SendMessageRequest, Server.send_message),
    "SendStreamingMessage": (SendMessageRequest, Server.stream_message),
    "GetTask": (GetTaskRequest, Server.get_task),
    "ListTasks": (ListTasksRequest, Server.list_tasks),
    "CancelTask": (TaskRequest, Server.cancel_task),
    "SubscribeToTask": (TaskRequest, Server.subscribe),
    "CreateTaskPushNotificationConfig": (AnyRequest, no_push),
    "GetTaskPushNotificationConfig": (AnyRequest, no_push),
    "ListTaskPushNotificationConfigs": (AnyRequest, no_push),
    "DeleteTaskPushNotificationConfig": (AnyRequest, no_push),
    "GetExtendedAgentCard": (AnyRequest, no_extended_card),
}


async def answer(server: Server, call: Call, request: Request) -> Response:
    """Carries out what the request's body asks for."""
    id: RpcId = None
    try:
        asked = await _read(request)
        id = _id(asked)
        version.require(request)
        result = await _carry_out(server, call, asked)
    except A2aError as error:
        return JSONResponse({"jsonrpc": "2.0", "id": id, "error": error.as_rpc()})
    if isinstance(result, A2aModel):
        return JSONResponse(_result(id, result))
    return events(partial(_result, id), result)


async def _carry_out(server: Server, call: Call, asked: dict[str, Any]) -> Any:
    method, params = asked.get("method"), asked.get("params", {})
    if not isinstance(method, str):
        raise InvalidRequest("`method` is the name of an operation.")
    if method not in METHODS:
        raise MethodNotFound("There is no such method.")
    model, operation = METHODS[method]
    return await operation(server, parsed(model, params), call)


def parsed(model: type[ModelT], value: object) -> ModelT:
    """`value` as parameters. Raises `InvalidParams`, which names places and repeats nothing."""
    if has_nul(value):
        raise InvalidParams("A text contains NUL.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        unfit = sorted(place or "params" for place in places(error))
        raise InvalidParams(f"These do not fit: {', '.join(unfit)}.") from None


async def _read(request: Request) -> dict[str, Any]:
    if not says_json(request):
        raise ContentTypeNotSupported("Send application/json.")
    try:
        asked = read_json(await request.body())
    except ValueError:
        raise ParseError("The body is not valid JSON.") from None
    if not isinstance(asked, dict) or cast("dict[str, Any]", asked).get("jsonrpc") != "2.0":
        raise InvalidRequest("The body is not a JSON-RPC 2.0 request.")
    return cast("dict[str, Any]", asked)


def _id(asked: dict[str, Any]) -> RpcId:
    id = asked.get("id")
    if isinstance(id, bool) or not isinstance(id, str | int):
        raise InvalidRequest("`id` is a text or a whole number; there are no notifications.")
    return id


def _result(id: RpcId, result: A2aModel) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": result.wire()}


def events(said: Callable[[A2aModel], dict[str, Any]], results: AsyncIterator[A2aModel]) -> Response:
    """Server-sent events: each result as `said` makes it an object."""

    async def lines() -> AsyncIterator[bytes]:
        async for result in results:
            yield b"data: " + orjson.dumps(said(result)) + b"\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")
