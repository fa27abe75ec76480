"""Implements `ports.Drafter` over an OpenAI-compatible endpoint: `POST {url}/chat/completions`.

The model is a stranger: it sees the task and the names of the inputs, never their values, and what it says
becomes steps only, without a price, an approval or a policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import orjson
from mesh_shared.errors import Unavailable
from mesh_shared.http import asking
from mesh_shared.wire import Capability, ReadModel, WireModel
from pydantic import Field, SecretStr, ValidationError

from mesh_coordinator.domain.requirements import RULES, Requirement
from mesh_coordinator.schemas.requests import ActionName, Parameters, StepId

NAME = "language-model"
MAX_STEPS = 20
MAX_ANSWER_BYTES = 256 << 10
TIMEOUT_S = 30.0
INSTRUCTION = (
    "You plan work for agents. Answer with one JSON object that fits this JSON Schema, and nothing else: "
    "{schema}. A step does one thing: `capability` names what an agent must offer, such as {known}. `needs` "
    'lists the ids of steps that must have succeeded before. In `parameters`, {{"$ref": "#/input/<name>"}} '
    'stands for an input and {{"$ref": "#/steps/<id>/result"}} for the result of a step in `needs`. '
    "The inputs are: {inputs}."
)


class _StepBody(WireModel):
    id: StepId
    capability: Capability
    action: ActionName | None = None
    parameters: Parameters = Field(default={})
    needs: list[StepId] = Field(default=[], max_length=MAX_STEPS)
    optional: bool = False


class _DraftBody(WireModel):
    requirements: Annotated[list[_StepBody], Field(min_length=1, max_length=MAX_STEPS)]


class _MessageBody(ReadModel):
    content: str


class _ChoiceBody(ReadModel):
    message: _MessageBody


class _AnswerBody(ReadModel):
    choices: list[_ChoiceBody] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDrafter:
    """Asks one model; what does not fit the schema is no draft."""

    http: httpx.AsyncClient
    url: str
    model: str
    key: SecretStr | None

    async def draft(self, task: str, inputs: Sequence[str]) -> Sequence[Requirement]:
        answer = await self._answer(self._question(task, inputs))
        try:
            said = _AnswerBody.model_validate_json(answer).choices[0].message.content
            steps = _DraftBody.model_validate_json(said).requirements
        except ValidationError:
            return ()
        return [_requirement(step) for step in steps]

    async def _answer(self, question: dict[str, Any]) -> bytes:
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key.get_secret_value()}"}
        answer = bytearray()
        async with (
            asking(NAME),
            self.http.stream(
                "POST", f"{self.url}/chat/completions", json=question, headers=headers, timeout=TIMEOUT_S
            ) as response,
        ):
            if not response.is_success:
                raise Unavailable(NAME)
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise Unavailable(NAME)
        return bytes(answer)

    def _question(self, task: str, inputs: Sequence[str]) -> dict[str, Any]:
        instruction = INSTRUCTION.format(
            schema=orjson.dumps(_DraftBody.model_json_schema()).decode(),
            known=", ".join(rule.capability for rule in RULES),
            inputs=", ".join(inputs),
        )
        return {
            "model": self.model,
            "temperature": 0,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": instruction},
                {"role": "user", "content": task},
            ],
        }


def _requirement(step: _StepBody) -> Requirement:
    return Requirement(
        id=step.id,
        capability=step.capability,
        action=step.action,
        parameters=step.parameters,
        needs=tuple(step.needs),
        optional=step.optional,
        rule=NAME,
    )
