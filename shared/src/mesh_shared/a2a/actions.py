"""A plugin's actions over A2A: a data part `{action, parameters}` runs one, an artifact has its answer."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

from pydantic import ValidationError

from mesh_shared.a2a.errors import InvalidParams
from mesh_shared.a2a.executor import Made, Moved, Turn, Update
from mesh_shared.a2a.model import Artifact, Message, Part, State
from mesh_shared.agents.plugin import Action, Plugin, Runtime
from mesh_shared.agents.plugin import Message as Said
from mesh_shared.errors import Forbidden
from mesh_shared.web.agent import INVOKE, answer_of, request_model, run_action
from mesh_shared.wire import places

ARTIFACT = "result"


@dataclass(frozen=True, slots=True)
class PluginExecutor:
    """Runs the actions of `plugin` with the use cases of `service`."""

    plugin: Plugin
    service: Any

    @property
    def can_stop(self) -> bool:
        """An action that has begun ends by itself: what it sent to a chain cannot be called back."""
        return False

    def execute(self, turn: Turn) -> AsyncIterator[Update]:
        """Raises `InvalidParams` for what fits no action, `Forbidden` without its scope."""
        asked = _asked(turn.message)
        action = self.plugin.action(str(asked.get("action")))
        if action is None:
            raise InvalidParams(f"Send a data part {{action, parameters}}; actions: {self._names()}.")
        missing = [scope for scope in (INVOKE, action.scope) if not turn.call.caller.can(scope)]
        if missing:
            raise Forbidden(f"The token lacks: {', '.join(missing)}.", missing=missing)
        return self._run(action, _body(action, asked, turn.message), turn)

    async def _run(self, action: Action, body: Any, turn: Turn) -> AsyncIterator[Update]:
        yield Moved(State.WORKING)
        key = turn.call.key or f"a2a:{turn.message.message_id}"
        runtime = Runtime(self.service, turn.call.caller, key)
        answer = answer_of(action.name, await run_action(self.plugin, action, runtime, body))
        said = answer.model_dump(mode="json", include={"text", "content"})
        yield Made(Artifact(artifact_id=ARTIFACT, name=action.name, parts=[Part(data=said)]))
        done = State.COMPLETED if answer.content.success else State.FAILED
        yield Moved(done if answer.handled else State.REJECTED, answer.text)

    def _names(self) -> str:
        return ", ".join(action.name for action in self.plugin.actions)


def _asked(message: Message) -> dict[str, Any]:
    """The first JSON object in the message; empty when it has none."""
    objects = (cast("dict[str, Any]", part.data) for part in message.parts if isinstance(part.data, dict))
    return next(objects, dict[str, Any]())


def _body(action: Action, asked: dict[str, Any], message: Message) -> Any:
    text = "\n".join(part.text for part in message.parts if part.text is not None)
    given = {name: value for name, value in asked.items() if name != "action"}
    try:
        return request_model(action).model_validate({"message": Said(text=text)} | given)
    except ValidationError as error:
        raise InvalidParams(f"These do not fit {action.name}: {', '.join(places(error))}.") from None
