"""What callers say that a result is judged by."""

from typing import Annotated, Any, Literal

from mesh_shared.wire import Capability, Hex32, WireModel
from pydantic import ConfigDict, Field, StringConstraints

from mesh_coordinator.domain.quality import Assertion, Expectation, Op
from mesh_coordinator.domain.requirements import DEFAULT_TIMEOUT_S
from mesh_coordinator.domain.review import Review, Validators

MAX_ASSERTIONS = 50
MAX_TIMEOUT_S = 300
MAX_DEADLINE_S = 7 * 86_400

Pointer = Annotated[
    str,
    StringConstraints(max_length=512, pattern=r"^(/([^/~]|~[01])*)*$"),
    Field(description="JSON Pointer (RFC 6901) into the result; empty for all of it.", examples=["/summary"]),
]
Weight = Annotated[int, Field(ge=1, le=100, description="Share in the score.")]


class AssertionBody(WireModel):
    """A demand on one place of the result."""

    at: Pointer
    op: Op = Field(strict=False, examples=["minLength"])
    value: Any = Field(default=None, description="What `op` compares with.", examples=[1])
    weight: Weight = 1

    def assertion(self) -> Assertion:
        return Assertion(at=self.at, op=self.op, value=self.value, weight=self.weight)


class ValidatorsBody(WireModel):
    """Agents that score a result by `{"score": 0 to 1}`, for nothing; each has another owner."""

    capability: Capability = Field(examples=["text.review"])
    agents: list[Hex32] = Field(
        default=[], max_length=20, description="Only these are asked; else the best that list the capability."
    )
    count: int = Field(default=3, ge=1, le=9, description="How many are asked.")
    quorum: int | None = Field(
        default=None, ge=1, le=9, description="How many must answer; null is more than half of `count`."
    )
    timeout_s: int = Field(default=DEFAULT_TIMEOUT_S, ge=1, le=MAX_TIMEOUT_S, description="For each call.")

    def validators(self) -> Validators:
        return Validators(
            capability=self.capability,
            agents=tuple(dict.fromkeys(self.agents)),
            count=self.count,
            quorum=self.quorum or self.count // 2 + 1,
            timeout_s=self.timeout_s,
        )


class ReviewBody(WireModel):
    """Who is asked when the checks' score is from 0.6 to 0.8: to lift it above 0.8, or to leave it."""

    validators: ValidatorsBody | None = Field(default=None, description="Their median counts.")
    person: bool = Field(
        default=False, description="Asked when no quorum of validators answers: `/v1/runs/{id}/approvals/…`."
    )
    deadline_s: int = Field(
        default=86_400, ge=1, le=MAX_DEADLINE_S, description="How long the person is waited for."
    )
    otherwise: Literal["refund", "release"] = Field(
        default="refund", description="What becomes of the money when nobody has said anything."
    )

    def review(self) -> Review:
        return Review(
            validators=None if self.validators is None else self.validators.validators(),
            asks_person=self.person,
            deadline_s=self.deadline_s,
            pays_by_default=self.otherwise == "release",
        )


class QualityBody(WireModel):
    """What the result is judged by; hashed into the escrow's terms before any money is locked."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "schema": {"type": "object", "required": ["summary"]},
                    "assertions": [{"at": "/summary", "op": "minLength", "value": 20}],
                }
            ]
        }
    )

    json_schema: dict[str, Any] | None = Field(
        default=None,
        alias="schema",
        description="JSON Schema 2020-12 that the result must fit, else its score is 0.",
    )
    assertions: list[AssertionBody] = Field(default=[], max_length=MAX_ASSERTIONS)
    expectedOutcome: Any = Field(
        default=None, description="Members the result must have; the score counts those that it has."
    )
    expectedOutcomeWeight: Weight = 1
    review: ReviewBody | None = Field(
        default=None, description="What becomes of a score from 0.6 to 0.8; null: it is not paid."
    )

    def expectation(self) -> Expectation:
        return Expectation(
            schema=self.json_schema,
            assertions=tuple(body.assertion() for body in self.assertions),
            outcome=self.expectedOutcome,
            outcome_weight=self.expectedOutcomeWeight,
            review=None if self.review is None else self.review.review(),
        )
