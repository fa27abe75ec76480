"""What callers are told of a plan."""

from typing import Any, Self

from mesh_shared.wire import Units, WireModel
from pydantic import Field

from mesh_coordinator.domain.plan import Plan, PlannedStep
from mesh_coordinator.domain.requirements import PaidBy
from mesh_coordinator.domain.selection import Candidate, Protocol
from mesh_coordinator.schemas.requests import (
    ApprovalBody,
    CompensationBody,
    PolicyBody,
    SelectBody,
    approval_of,
)


class CandidateView(WireModel):
    """An agent that was considered, and why it was taken in or turned down."""

    agent_id: str
    name: str
    endpoint: str
    action: str = Field(description="Empty when it offers none that fits.")
    protocol: Protocol = Field(description="How it is called.")
    is_safe: bool = Field(description="Its tool says that it is read-only or idempotent.")
    price: Units
    reputation: float = Field(description="The registry's, 0 to 1.")
    latency_s: float | None = Field(description="Seconds of its calls here, lately; null before the first.")
    score: float = Field(description="0.5 · reputation - 0.3 · price / ceiling, or by the step's weights.")
    is_accepted: bool
    reason: str = Field(examples=["accepted", "asks for more than max_price"])

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        return cls(
            agent_id=candidate.agent_id,
            name=candidate.name,
            endpoint=candidate.endpoint,
            action=candidate.action,
            protocol=candidate.protocol,
            is_safe=candidate.is_safe,
            price=str(candidate.price_units),
            reputation=candidate.reputation,
            latency_s=candidate.latency_s,
            score=candidate.score,
            is_accepted=candidate.is_accepted,
            reason=candidate.reason,
        )


class PlannedStepView(WireModel):
    """A step as planned; `agent_id` is null when nobody can be hired."""

    id: str
    capability: str
    needs: list[str]
    optional: bool
    timeout_s: int
    select: SelectBody
    policy: PolicyBody
    payment: PaidBy = Field(description="Where the price is kept until the work is judged.")
    approval: ApprovalBody | None = Field(description="When a person has to approve; null for never.")
    for_each: dict[str, Any] | None = Field(description="The array for whose elements it is done.")
    compensate: CompensationBody | None = Field(description="The call that takes it back.")
    rule: str | None = Field(description="The rule that read it out of the task; null when it was given.")
    parameters: dict[str, Any]
    agent_id: str | None
    agent: str | None
    action: str | None
    price: Units | None
    candidates: list[CandidateView] = Field(description="Best first, those turned down last.")
    validators: list[CandidateView] = Field(description="For the review of results, in the same order.")

    @classmethod
    def of(cls, step: PlannedStep) -> Self:
        wanted, chosen = step.requirement, step.chosen
        return cls(
            id=wanted.id,
            capability=wanted.capability,
            needs=list(wanted.needs),
            optional=wanted.optional,
            timeout_s=wanted.timeout_s,
            select=SelectBody.of(wanted.select),
            policy=PolicyBody(
                retries=wanted.policy.retries,
                fallback_agents=wanted.policy.fallback_agents,
                hedge_after_s=wanted.policy.hedge_after_s,
            ),
            payment=wanted.paid_by,
            approval=approval_of(wanted),
            for_each=wanted.for_each,
            compensate=None if wanted.compensate is None else CompensationBody.of(wanted.compensate),
            rule=wanted.rule,
            parameters=wanted.parameters,
            agent_id=chosen and chosen.agent_id,
            agent=chosen and chosen.name,
            action=chosen and chosen.action,
            price=chosen and str(chosen.price_units),
            candidates=[CandidateView.of(candidate) for candidate in step.candidates],
            validators=[CandidateView.of(validator) for validator in step.validators],
        )


class PlanView(WireModel):
    """Who would do what, after what, for how much. Nothing has been started."""

    task: str
    steps: list[PlannedStepView]
    waves: list[list[str]] = Field(description="Steps by level; those of one wave run at the same time.")
    price: Units = Field(description="What the chosen agents ask for; fallbacks may cost more or less.")
    gaps: list[str] = Field(description="Steps for which nobody can be hired.")
    graph: str = Field(description="The plan in ASCII.")

    @classmethod
    def of(cls, task: str, plan: Plan) -> Self:
        return cls(
            task=task,
            steps=[PlannedStepView.of(step) for step in plan.steps],
            waves=[list(wave) for wave in plan.waves],
            price=str(plan.price_units),
            gaps=list(plan.gaps),
            graph=plan.drawn({}, {}),
        )
