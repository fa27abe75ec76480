"""What callers ask for."""

from typing import Annotated, Any, Literal, Self

from mesh_shared.wire import Capability, Hex32, Units, WireModel
from pydantic import (
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from mesh_coordinator.domain.faults import MAX_STEPS
from mesh_coordinator.domain.references import MARK, STEP_ID
from mesh_coordinator.domain.requirements import (
    DEFAULT_TIMEOUT_S,
    Compensation,
    PaidBy,
    Policy,
    Preference,
    Requirement,
)
from mesh_coordinator.domain.run import OnFailure
from mesh_coordinator.schemas.budgets import BudgetName
from mesh_coordinator.schemas.quality import MAX_DEADLINE_S, MAX_TIMEOUT_S, QualityBody
from mesh_coordinator.service.planning import Task

MAX_RETRIES = 5
MAX_FALLBACK_AGENTS = 9
MAX_PARALLEL = 100
MAX_AUCTION_S = 3600

StepId = Annotated[
    str,
    StringConstraints(pattern=rf"^{STEP_ID}$"),
    Field(description="Unique in its run.", examples=["summary"]),
]
ActionName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"),
    Field(description="The action to invoke; without it the agent's cheapest tool for the capability."),
]
PaymentBody = Annotated[
    PaidBy,
    Field(
        strict=False,
        description="`ledger`: the price is kept in the coordinator's ledger and paid out with others; only "
        "with a small `max_price`. The agent is not rated for it.",
    ),
]
Parameters = Annotated[
    dict[str, Any],
    Field(
        description='What the action takes. `{"$ref": "#/steps/<id>/result/…"}` or `{"$ref": "#/input/…"}` '
        "stands for a whole value of an earlier result or of the input.",
    ),
]


class WeightsBody(WireModel):
    """What counts in an agent's score."""

    reputation: float = Field(default=0.5, ge=0, le=1)
    price: float = Field(default=0.3, ge=0, le=1)
    latency: float = Field(default=0.0, ge=0, le=1)


class SelectBody(WireModel):
    """Whom a step is given to: the best by reputation less `price / ceiling` less `latency / timeout_s`."""

    mode: Literal["score", "auction"] = Field(
        default="score", description="At listed prices, or at those that the agents bid."
    )
    deadline_s: int = Field(
        default=60, ge=1, le=MAX_AUCTION_S, description="In an auction: how long bids are taken."
    )
    min_reputation: float = Field(default=0.0, ge=0, le=1, description="Nobody below is hired.")
    weights: WeightsBody = WeightsBody()

    def preference(self) -> Preference:
        return Preference(
            min_reputation=self.min_reputation,
            reputation_weight=self.weights.reputation,
            price_weight=self.weights.price,
            latency_weight=self.weights.latency,
            auction_s=self.deadline_s if self.mode == "auction" else None,
        )

    @classmethod
    def of(cls, by: Preference) -> Self:
        weights = WeightsBody(
            reputation=by.reputation_weight, price=by.price_weight, latency=by.latency_weight
        )
        if by.auction_s is None:
            return cls(min_reputation=by.min_reputation, weights=weights)
        auction_s = by.auction_s
        return cls(mode="auction", deadline_s=auction_s, min_reputation=by.min_reputation, weights=weights)


class PolicyBody(WireModel):
    """How hard a step is tried before it fails."""

    retries: int = Field(
        default=0,
        ge=0,
        le=MAX_RETRIES,
        description="More calls of the same agent, under the same key, when it cannot be reached, takes too "
        "long or answers 5xx. What was delivered is judged once.",
    )
    fallback_agents: int | None = Field(
        default=None,
        ge=0,
        le=MAX_FALLBACK_AGENTS,
        description="Other agents tried after the first; null is as many as the operator allows.",
    )

    hedge_after_s: int | None = Field(
        default=None,
        ge=1,
        le=MAX_TIMEOUT_S,
        description="An agent that has not answered by then is joined by the next: the first good result "
        "counts, and each is paid by its own. Only when every agent that may be tried says that its tool is "
        "read-only or idempotent.",
    )

    def policy(self) -> Policy:
        return Policy(
            retries=self.retries, fallback_agents=self.fallback_agents, hedge_after_s=self.hedge_after_s
        )


class CompensationBody(WireModel):
    """A call that takes a step back, made for nothing to the agent that did it."""

    action: ActionName
    parameters: Parameters = Field(default={})

    def compensation(self) -> Compensation:
        return Compensation(self.action, self.parameters)

    @classmethod
    def of(cls, call: Compensation) -> Self:
        return cls(action=call.action, parameters=call.parameters)


class AskAboveBody(WireModel):
    """A person is asked when an agent that may be tried asks for more than `above`."""

    above: Units


ApprovalBody = Literal["always"] | AskAboveBody


class BidBody(WireModel):
    """For how much an agent does a step, signed by its owner as EIP-712 `Bid`."""

    agent_id: Hex32
    price: Annotated[
        str,
        StringConstraints(pattern=r"^(0|[1-9][0-9]{0,17})$"),
        Field(description="Base units, as a decimal string of at most 18 digits.", examples=["20000"]),
    ]
    signature: Annotated[
        str, StringConstraints(min_length=132, max_length=8194, pattern=r"^0x([0-9a-f]{2})+$")
    ] = Field(
        description="Over `Bid(string runId,string stepId,bytes32 agentId,uint256 price)` in the domain "
        "`MeshCoordinator`, `1`, the chain's id and the contract MeshEscrow: 65 bytes of the owner's key, or "
        "whatever its contract takes (ERC-1271).",
        examples=["0x" + "ab" * 65],
    )


class ForkBody(WireModel):
    """Where a run is to be done again from."""

    from_step: StepId


class DecisionBody(WireModel):
    """What a person says about a step that waits."""

    decision: Literal["approve", "deny"]


class RequirementBody(WireModel):
    """One step of the run."""

    id: StepId
    capability: Capability
    action: ActionName | None = None
    parameters: Parameters = Field(default={})
    needs: list[StepId] = Field(
        default=[], max_length=MAX_STEPS, description="Steps that must have succeeded before."
    )
    quality: QualityBody = QualityBody()
    max_price: Units | None = None
    payment: PaymentBody = PaidBy.ESCROW
    optional: bool = Field(default=False, description="The run can succeed without it.")
    timeout_s: int = Field(default=DEFAULT_TIMEOUT_S, ge=1, le=MAX_TIMEOUT_S, description="For one call.")
    select: SelectBody = SelectBody()
    policy: PolicyBody = PolicyBody()
    for_each: dict[Literal["$ref"], Annotated[str, StringConstraints(max_length=600)]] | None = Field(
        default=None,
        min_length=1,
        description="Does the step once for each element of an array, of an earlier result or of the input: "
        'at most 100. `{"$ref": "#/item/…"}` is the element; the step\'s result is the array of theirs, in '
        "the same order. It fails when one of them does.",
        examples=[{"$ref": "#/input/pages"}],
    )
    compensate: CompensationBody | None = Field(
        default=None,
        description="Made once the run has failed or was cancelled and this step had succeeded, in the "
        "reverse order of `needs`. Its parameters may refer to the step's own result.",
    )
    approval: ApprovalBody | None = Field(
        default=None,
        description="When a person has to approve before anything of the step is reserved or called: "
        "`always`, or above a price.",
    )

    def requirement(self) -> Requirement:
        return Requirement(
            id=self.id,
            capability=self.capability,
            action=self.action,
            parameters=self.parameters,
            needs=tuple(self.needs),
            quality=self.quality.expectation(),
            max_price_units=None if self.max_price is None else int(self.max_price),
            paid_by=self.payment,
            optional=self.optional,
            timeout_s=self.timeout_s,
            select=self.select.preference(),
            policy=self.policy.policy(),
            asks_above_units=_asks_above(self.approval),
            compensate=None if self.compensate is None else self.compensate.compensation(),
            for_each=None if self.for_each is None else {MARK: self.for_each[MARK]},
        )


class QuorumBody(WireModel):
    """So many of the required steps are a success. When they cannot succeed any more, the run stops."""

    quorum: int = Field(ge=1, le=MAX_STEPS, examples=[2])


def _asks_above(approval: ApprovalBody | None) -> int | None:
    if approval is None:
        return None
    return int(approval.above) if isinstance(approval, AskAboveBody) else -1


def approval_of(wanted: Requirement) -> ApprovalBody | None:
    """When a person has to approve, as it was asked for."""
    above = wanted.asks_above_units
    if above is None:
        return None
    return "always" if above < 0 else AskAboveBody(above=str(above))


def _one_fault(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
    """Says what is allowed, in the place of one complaint for each kind of value that it is not."""
    try:
        return inner(value)
    except ValidationError:
        raise ValueError("fail_fast, partial or an object with a quorum") from None


class TaskBody(WireModel):
    """A task, and what it needs; without `requirements` a few rules read them out of the text."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"task": "Analyze the storefront workspace and find tools for workspace-optimization."},
                {
                    "task": "Summarize the news.",
                    "input": {"text": "Agents met. They agreed on a price. Everyone was paid."},
                    "requirements": [
                        {
                            "id": "summary",
                            "capability": "text.summarize",
                            "parameters": {"text": {"$ref": "#/input/text"}},
                            "quality": {"assertions": [{"at": "/summary", "op": "minLength", "value": 10}]},
                            "max_price": "50000",
                            "select": {"min_reputation": 0.2, "weights": {"reputation": 0.6, "price": 0.2}},
                            "policy": {"retries": 2, "fallback_agents": 1},
                        },
                        {
                            "id": "keywords",
                            "capability": "text.keywords",
                            "parameters": {"text": {"$ref": "#/steps/summary/result/summary"}},
                            "needs": ["summary"],
                            "optional": True,
                        },
                    ],
                    "budget": "100000",
                    "deadline_s": 600,
                    "parallel": 4,
                    "on_failure": {"quorum": 1},
                    "output": {"summary": {"$ref": "#/steps/summary/result/summary"}},
                },
                {
                    "task": "Say it louder, for small change; in doubt others judge it, and then a person.",
                    "requirements": [
                        {
                            "id": "shout",
                            "capability": "text.shout",
                            "parameters": {"text": "Everyone was paid."},
                            "quality": {
                                "assertions": [{"at": "/text", "op": "minLength", "value": 10}],
                                "review": {"validators": {"capability": "text.review"}, "person": True},
                            },
                            "max_price": "10000",
                            "payment": "ledger",
                        }
                    ],
                },
            ]
        }
    )

    task: str = Field(min_length=1, max_length=4000, examples=["Analyze the storefront workspace."])
    requirements: Annotated[list[RequirementBody], Field(min_length=1, max_length=MAX_STEPS)] | None = None
    input: dict[str, Any] = Field(default={}, description="What `#/input/…` refers to, besides `task`.")
    budget: Units | None = None
    shared_budget: BudgetName | None = Field(
        default=None, description="One of your budgets (`/v1/budgets`), of which the run spends, too."
    )
    deadline_s: int | None = Field(
        default=None,
        ge=1,
        le=MAX_DEADLINE_S,
        description="Seconds after which the run stops as if it were cancelled, with the reason `deadline`.",
    )
    parallel: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PARALLEL,
        description="Steps that run at once; never more than the operator allows.",
    )
    on_failure: Annotated[
        Annotated[OnFailure, Field(strict=False)] | QuorumBody, WrapValidator(_one_fault)
    ] = Field(
        default=OnFailure.PARTIAL,
        description="`fail_fast` ends the run when a required step fails; `partial` leaves a named gap.",
    )
    output: dict[str, Any] = Field(
        default={},
        description="What the run answers as its `output`: values with references to any step's result. A "
        "name whose reference has nothing to point at is left out.",
    )

    def order(self) -> Task:
        named = None if self.requirements is None else tuple(body.requirement() for body in self.requirements)
        return Task(
            text=self.task,
            requirements=named,
            given=self.input,
            budget_units=None if self.budget is None else int(self.budget),
            output=self.output,
            shared_budget=self.shared_budget,
            on_failure=OnFailure.PARTIAL if isinstance(self.on_failure, QuorumBody) else self.on_failure,
            quorum=self.on_failure.quorum if isinstance(self.on_failure, QuorumBody) else None,
            deadline_s=self.deadline_s,
            parallel=self.parallel,
        )


class ExecutionBody(WireModel):
    """One call that is paid by its quality: `agent_id`'s `action`, or the best agent's for a `capability`."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {
                    "required": ["agent_id", "action"],
                    "properties": {"agent_id": {"type": "string"}, "action": {"type": "string"}},
                },
                {"required": ["capability"], "properties": {"capability": {"type": "string"}}},
            ],
            "examples": [
                {
                    "capability": "text.summarize",
                    "parameters": {"text": "Agents met. They agreed on a price. Everyone was paid."},
                    "quality": {"assertions": [{"at": "/summary", "op": "minLength", "value": 10}]},
                    "max_price": "50000",
                }
            ],
        }
    )

    agent_id: Hex32 | None = None
    capability: Capability | None = None
    action: ActionName | None = None
    parameters: Parameters = Field(default={})
    quality: QualityBody = QualityBody()
    max_price: Units | None = None
    payment: PaymentBody = PaidBy.ESCROW
    timeout_s: int = Field(default=DEFAULT_TIMEOUT_S, ge=1, le=MAX_TIMEOUT_S)

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.capability is None and (self.agent_id is None or self.action is None):
            raise ValueError("name a capability, or an agent_id and its action")
        return self

    def order(self) -> Task:
        requirement = Requirement(
            id="call",
            capability=self.capability or "",
            action=self.action,
            agent_id=self.agent_id,
            parameters=self.parameters,
            quality=self.quality.expectation(),
            max_price_units=None if self.max_price is None else int(self.max_price),
            paid_by=self.payment,
            timeout_s=self.timeout_s,
            policy=Policy(fallback_agents=0),
        )
        return Task(
            text=f"{self.action or 'Any action'} of {self.agent_id or self.capability}",
            requirements=(requirement,),
            on_failure=OnFailure.FAIL_FAST,
            implied="/requirements/0",
        )
