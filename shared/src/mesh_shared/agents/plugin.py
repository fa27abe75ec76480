"""Plugins after the ElizaOS pattern: actions do, providers inform, evaluators look back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from mesh_shared.auth.tokens import Principal
from mesh_shared.wire import WireModel

ServiceT = TypeVar("ServiceT")
State = dict[str, Any]


class Message(WireModel):
    """What was said to the agent."""

    text: str = Field(default="", max_length=10_000, examples=["Analyze this workspace."])


class Content(BaseModel):
    """The outcome of an action: `data` when it succeeded, `error` when not."""

    success: bool
    data: Any | None = None
    error: dict[str, Any] | None = None
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Reply(BaseModel):
    """What an action says through its callback."""

    text: str
    content: Content


class Turn(BaseModel):
    """One line of an example conversation."""

    role: Literal["user", "agent"]
    text: str
    action: str | None = None


Callback = Callable[[Reply], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Runtime(Generic[ServiceT]):
    """What a handler may use: the service's use cases, and who is asking."""

    service: ServiceT
    caller: Principal
    idempotency_key: str | None = None


Handler = Callable[[Runtime[Any], Message, State, Any, Callback], Awaitable[bool]]
Validate = Callable[[Runtime[Any], Message, State], Awaitable[bool]]


async def always(runtime: Runtime[Any], message: Message, state: State) -> bool:
    """Fits every message."""
    return True


@cache  # making one takes tens of milliseconds
def _schema(parameters: type[WireModel]) -> dict[str, Any]:
    return parameters.model_json_schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something the agent can do.

    `handler(runtime, message, state, options, callback)` gets its parameters as an instance of
    `parameters`, reports through `callback` and returns whether it handled the message.
    `validate` is advisory: whether the action fits; the handler's own checks decide.
    `examples` are pairs of what a user says and what the agent answers.
    """

    name: str
    description: str
    parameters: type[WireModel]
    handler: Handler
    examples: Sequence[tuple[Turn, Turn]]
    scope: str
    capabilities: Sequence[str] = ()
    """Names under which the registry lists it; an action without any is for those who know of it."""
    failures: Mapping[int, str] = field(default_factory=dict[int, str])
    """What an invocation may answer beyond what every route does: status and description."""
    validate: Validate = always

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of `parameters`; not to be changed."""
        return _schema(self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Something the agent knows: `get` adds to the state before an action runs. Read-only."""

    name: str
    description: str
    get: Callable[[Runtime[Any], Message, State], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """A look back after an action: `handler` sees the replies and returns what it makes of them."""

    name: str
    description: str
    handler: Callable[[Runtime[Any], Message, Sequence[Reply]], Awaitable[Mapping[str, Any]]]
    validate: Validate = always


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plugin:
    """What an agent does, knows and looks back at; each is equal to itself alone."""

    name: str
    description: str
    actions: Sequence[Action]
    providers: Sequence[Provider] = ()
    evaluators: Sequence[Evaluator] = ()

    def action(self, name: str) -> Action | None:
        return next((action for action in self.actions if action.name == name), None)


@dataclass(slots=True)
class Invocation:
    """What came of one run: whether it was handled, all replies in order, and the evaluators' findings."""

    handled: bool = False
    replies: list[Reply] = field(default_factory=list[Reply])
    evaluations: dict[str, Any] = field(default_factory=dict[str, Any])


async def invoke(
    plugin: Plugin, action: Action, runtime: Runtime[Any], message: Message, options: BaseModel, state: State
) -> Invocation:
    """Runs providers, then the action, then the evaluators that find themselves concerned."""
    result = Invocation()
    for provider in plugin.providers:
        state[provider.name] = await provider.get(runtime, message, state)
    if not await action.validate(runtime, message, state):
        return result

    async def callback(reply: Reply) -> None:
        result.replies.append(reply)

    result.handled = await action.handler(runtime, message, state, options, callback)
    for evaluator in plugin.evaluators:
        if await evaluator.validate(runtime, message, state):
            result.evaluations[evaluator.name] = await evaluator.handler(runtime, message, result.replies)
    return result


def succeeded(text: str, data: Any) -> Reply:
    """The reply of an action that did what was asked."""
    return Reply(text=text, content=Content(success=True, data=data))


def failed(text: str, **error: Any) -> Reply:
    """The reply of an action that could not; `error` has at least `code`."""
    return Reply(text=text, content=Content(success=False, error=error))
