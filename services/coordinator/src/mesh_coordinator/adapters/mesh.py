"""The mesh's own way to call an agent: `POST {endpoint}/actions/{NAME}`."""

from typing import Any

from mesh_shared.wire import ReadModel
from pydantic import ValidationError

from mesh_coordinator.adapters.exchange import SIGNATURE, Exchange, Refused, delivery, json_of, text
from mesh_coordinator.domain.attempt import Failure
from mesh_coordinator.ports import Delivery


class _ContentBody(ReadModel):
    success: bool
    data: Any = None
    error: Any = None


class _ReplyBody(ReadModel):
    """The part of an action's answer that we read."""

    content: _ContentBody


async def call(exchange: Exchange) -> Delivery:
    """Invokes the action. Raises `Refused`, `Stale` or `Unavailable`."""
    invocation = exchange.invocation
    answer = await exchange.send(
        f"{exchange.way.url.rstrip('/')}/actions/{invocation.candidate.action}",
        {"parameters": invocation.parameters, "context": invocation.context},
        headers=exchange.once,
    )
    return delivery(unwrapped(json_of(answer.body)), answer.headers.get(SIGNATURE))


def unwrapped(answer: Any) -> Any:
    """The data of an action's answer that is a success. Raises `Refused`."""
    try:
        content = _ReplyBody.model_validate(answer).content
    except ValidationError:
        raise Refused(Failure.ANSWER_MALFORMED, "no content with a success of true or false") from None
    if not content.success:
        raise Refused(Failure.ACTION_FAILED, text(content.error))
    return content.data


def is_wrapped(answer: Any) -> bool:
    """Whether it has the shape of an action's answer, whatever protocol it came by."""
    try:
        _ReplyBody.model_validate(answer, strict=True)
    except ValidationError:
        return False
    return True
