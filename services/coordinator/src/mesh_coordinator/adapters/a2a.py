"""A2A 1.0: a data part `{action, parameters}` makes a task, whose artifact is the result.

The agent's card says where it answers and in which binding. The message's id is the attempt's key, so that an
agent which counts messages once does the work once.
"""

import asyncio
from typing import Any, TypeVar

from mesh_shared.a2a.card import PROTOCOL, AgentCard, Interface
from mesh_shared.a2a.model import (
    Message,
    Part,
    Role,
    SendMessageRequest,
    SendMessageResponse,
    State,
    Task,
)
from mesh_shared.a2a.version import HEADER
from pydantic import BaseModel, ValidationError

from mesh_coordinator.adapters import jsonrpc, mesh
from mesh_coordinator.adapters.exchange import SIGNATURE, Answer, Exchange, Refused, delivery, json_of
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.ports import Delivery, Invocation

CARD_PATH = "/.well-known/agent-card.json"
JSONRPC, REST = "JSONRPC", "HTTP+JSON"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
SIGNED = "deliverySignature"
"""Member of the metadata of a part, for agents that do not answer by HTTP headers."""
_VERSION = {HEADER: PROTOCOL}
_ModelT = TypeVar("_ModelT", bound=BaseModel)


async def call(exchange: Exchange) -> Delivery:
    """Sends the message and follows its task to the end. Raises `Refused`, `Stale` or `Unavailable`."""
    binding, url = await _interface(exchange)
    asked = SendMessageRequest(message=_message(exchange.invocation)).wire()
    answer, said = await _sent(exchange, binding, url, asked)
    response = _parsed(SendMessageResponse, said)
    if response.message is not None:
        return _delivery(response.message.parts, answer)
    task, pause_s = response.task, FIRST_PAUSE_S
    while task is not None and not task.status.state.is_settled:
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        answer, said = await _looked(exchange, binding, url, task.id)
        task = _parsed(Task, said)
    if task is None:
        raise Refused(Failure.ANSWER_MALFORMED, "neither a task nor a message")
    return _delivery(_made(task), answer)


def _message(invocation: Invocation) -> Message:
    asked = {
        "action": invocation.candidate.action,
        "parameters": invocation.parameters,
        "context": invocation.context,
    }
    escrow = {} if invocation.escrow_id is None else {"escrowId": invocation.escrow_id}
    return Message(
        message_id=invocation.key, role=Role.USER, parts=[Part(data=asked)], metadata=escrow or None
    )


async def _interface(exchange: Exchange) -> tuple[str, str]:
    """Binding and address. Only at the agent's own origin: nobody else may have our token for it."""
    found = await exchange.send(f"{exchange.way.url.rstrip('/')}{CARD_PATH}", method="GET")
    card = _parsed(AgentCard, json_of(found.body))
    for interface in filter(_is_spoken, card.supportedInterfaces):
        if (url := exchange.way.at(interface.url)) is not None:
            return interface.protocolBinding, url
    raise Refused(Failure.ACTION_FAILED, "its card has no interface of A2A 1.0 at its own origin")


def _is_spoken(interface: Interface) -> bool:
    return interface.protocolVersion == PROTOCOL and interface.protocolBinding in (JSONRPC, REST)


async def _sent(
    exchange: Exchange, binding: str, url: str, asked: dict[str, Any]
) -> tuple[Answer, dict[str, Any]]:
    headers = _VERSION | exchange.once
    if binding == REST:
        answer = await exchange.send(f"{url.rstrip('/')}/message:send", asked, headers=headers)
        return answer, json_of(answer.body)
    id = exchange.invocation.key
    answer = await exchange.send(url, jsonrpc.request(id, "SendMessage", asked), headers=headers)
    return answer, jsonrpc.result(json_of(answer.body), id)


async def _looked(exchange: Exchange, binding: str, url: str, task_id: str) -> tuple[Answer, dict[str, Any]]:
    if binding == REST:
        if not task_id.replace("-", "").isalnum():
            raise Refused(Failure.ANSWER_MALFORMED, "the task's id cannot be part of an address")
        answer = await exchange.send(f"{url.rstrip('/')}/tasks/{task_id}", method="GET", headers=_VERSION)
        return answer, json_of(answer.body)
    asked = jsonrpc.request("look", "GetTask", {"id": task_id})
    answer = await exchange.send(url, asked, headers=_VERSION)
    return answer, jsonrpc.result(json_of(answer.body), "look")


def _made(task: Task) -> list[Part]:
    """The parts of what the task has made. Raises `Refused` for a task that did not complete."""
    if task.status.state is not State.COMPLETED:
        said = task.status.message.parts if task.status.message else []
        texts = " ".join(part.text for part in said if part.text)
        raise Refused(Failure.ACTION_FAILED, f"{task.status.state}: {texts}")
    return [part for artifact in task.artifacts or [] for part in artifact.parts]


def _delivery(parts: list[Part], answer: Answer) -> Delivery:
    """The first JSON value, else the text of all parts. An action's answer is unwrapped as over REST."""
    part = next((part for part in parts if part.data is not None), None)
    texts = [part.text for part in parts if part.text is not None]
    result = part.data if part is not None else ("\n".join(texts) or None)
    if mesh.is_wrapped(result):
        result = mesh.unwrapped(result)
    signed = (part.metadata or {}).get(SIGNED) if part is not None else None
    return delivery(result, answer.headers.get(SIGNATURE) or signed)


def _parsed(model: type[_ModelT], said: Any) -> _ModelT:
    try:
        return model.model_validate(said)
    except ValidationError:
        raise Refused(Failure.ANSWER_MALFORMED, f"no {model.__name__} of A2A 1.0") from None
