"""What callers are told."""

from datetime import datetime
from typing import Any, Self

from mesh_shared.wire import Address, Hex32, Timestamp, Units, Uuid, WireModel
from pydantic import Field

from mesh_coordinator.domain.attempt import Failure, Outcome, State
from mesh_coordinator.domain.plan import Plan, PlannedStep
from mesh_coordinator.domain.quality import FULL_BPS, Check, Report
from mesh_coordinator.domain.run import OnFailure, RunStatus, StepStatus, Stopping
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.domain.settlement import EscrowState, Wish
from mesh_coordinator.repository.codec import REPORT
from mesh_coordinator.repository.runs import RunRecord
from mesh_coordinator.repository.tables import AttemptRow, RunRow, StepRow
from mesh_coordinator.service.escrows import EscrowRecord


class CandidateView(WireModel):
    """An agent that was considered, and why it was taken in or turned down."""

    agent_id: str
    name: str
    endpoint: str
    action: str = Field(description="Empty when it offers none that fits.")
    price: Units
    reputation: float = Field(description="The registry's, 0 to 1.")
    score: float = Field(description="0.5 · reputation − 0.3 · price / ceiling.")
    is_accepted: bool
    reason: str = Field(examples=["accepted", "asks for more than max_price"])

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        return cls(
            agent_id=candidate.agent_id,
            name=candidate.name,
            endpoint=candidate.endpoint,
            action=candidate.action,
            price=str(candidate.price_units),
            reputation=candidate.reputation,
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
    rule: str | None = Field(description="The rule that read it out of the task; null when it was given.")
    parameters: dict[str, Any]
    agent_id: str | None
    agent: str | None
    action: str | None
    price: Units | None
    candidates: list[CandidateView] = Field(description="Best first, those turned down last.")

    @classmethod
    def of(cls, step: PlannedStep) -> Self:
        wanted, chosen = step.requirement, step.chosen
        return cls(
            id=wanted.id,
            capability=wanted.capability,
            needs=list(wanted.needs),
            optional=wanted.optional,
            rule=wanted.rule,
            parameters=wanted.parameters,
            agent_id=chosen and chosen.agent_id,
            agent=chosen and chosen.name,
            action=chosen and chosen.action,
            price=chosen and str(chosen.price_units),
            candidates=[CandidateView.of(candidate) for candidate in step.candidates],
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
            graph=plan.drawn({}),
        )


class CheckView(WireModel):
    """One criterion and how much of it is met."""

    name: str = Field(examples=["schema", "/summary minLength", "expectedOutcome"])
    matched: int
    of: int
    weight: int
    detail: str

    @classmethod
    def of_check(cls, check: Check) -> Self:
        return cls(
            name=check.name, matched=check.matched, of=check.of, weight=check.weight, detail=check.detail
        )


class QualityView(WireModel):
    """The verdict on a result."""

    score: float = Field(ge=0, le=1, description="Work is paid above 0.8.")
    is_decided: bool = Field(description="False when a check could not be carried out: nobody is blamed.")
    checks: list[CheckView]

    @classmethod
    def of(cls, report: Report) -> Self:
        return cls(
            score=report.score_bps / FULL_BPS,
            is_decided=report.is_decided,
            checks=[CheckView.of_check(check) for check in report.checks],
        )

    @classmethod
    def of_row(cls, row: AttemptRow) -> Self | None:
        return None if row.report is None else cls.of(REPORT.validate_python(row.report))


class AttemptView(WireModel):
    """One agent's try at a step."""

    number: int
    key: Uuid = Field(description="The idempotency key of every call of this attempt.")
    agent_id: str
    agent: str
    action: str
    price: Units
    state: State
    outcome: Outcome | None
    failure: Failure | None
    detail: str | None
    escrow_id: str | None
    quality: QualityView | None
    created_at: Timestamp
    called_at: Timestamp | None
    delivered_at: Timestamp | None
    ended_at: Timestamp | None

    @classmethod
    def of(cls, row: AttemptRow) -> Self:
        return cls(
            number=row.number,
            key=row.id,
            agent_id=row.candidate["agent_id"],
            agent=row.candidate["name"],
            action=row.candidate["action"],
            price=str(row.price_units),
            state=State(row.state),
            outcome=Outcome(row.outcome) if row.outcome else None,
            failure=Failure(row.failure) if row.failure else None,
            detail=row.detail,
            escrow_id=row.escrow_id,
            quality=QualityView.of_row(row),
            created_at=row.created_at,
            called_at=row.called_at,
            delivered_at=row.delivered_at,
            ended_at=row.ended_at,
        )


class StepView(WireModel):
    """A step as it stands."""

    id: str
    capability: str
    needs: list[str]
    optional: bool
    status: StepStatus
    reason: str | None = Field(description="Why it failed or was skipped.", examples=["poor-quality"])
    started_at: Timestamp | None
    ended_at: Timestamp | None
    duration_ms: int | None
    result: Any = Field(description="What was delivered and held up.")
    attempts: list[AttemptView]
    candidates: list[CandidateView]

    @classmethod
    def of(cls, row: StepRow, planned: PlannedStep, attempts: list[AttemptRow]) -> Self:
        return cls(
            id=row.id,
            capability=planned.requirement.capability,
            needs=row.needs,
            optional=row.is_optional,
            status=StepStatus(row.status),
            reason=row.reason,
            started_at=row.started_at,
            ended_at=row.ended_at,
            duration_ms=_ms(row.started_at, row.ended_at),
            result=_result(row, attempts),
            attempts=[AttemptView.of(attempt) for attempt in attempts],
            candidates=[CandidateView.of(candidate) for candidate in planned.candidates],
        )


class BudgetView(WireModel):
    """Base units; `reserved` is locked or about to be, and comes back or is spent."""

    limit: Units
    reserved: Units
    spent: Units

    @classmethod
    def of(cls, row: RunRow) -> Self:
        return cls(limit=str(row.budget_units), reserved=str(row.reserved_units), spent=str(row.spent_units))


class GapView(WireModel):
    """What is missing from the result, and why."""

    step: str
    status: StepStatus
    reason: str | None
    detail: str | None


class RunSummary(WireModel):
    id: Uuid
    task: str
    status: RunStatus
    budget: BudgetView
    created_at: Timestamp
    ended_at: Timestamp | None

    @classmethod
    def of(cls, row: RunRow) -> Self:
        return cls(**_summary(row))


class RunView(RunSummary):
    """Everything on record of a run."""

    on_failure: OnFailure
    stopping: Stopping | None = Field(description="Why nothing new is started; null while it may be.")
    steps: list[StepView]
    waves: list[list[str]]
    graph: str = Field(description="Marks: o pending, > running, * succeeded, x failed, / skipped.")
    result: dict[str, Any] = Field(description="Results by step.")
    gaps: list[GapView] = Field(description="Steps that did not succeed; empty while they still may.")
    wall_ms: int | None = Field(description="From start to end.")
    steps_ms: int = Field(description="The steps' own times added up; above `wall_ms` they ran in parallel.")
    version: int = Field(description="How many things have happened; the ETag changes with it.")

    @classmethod
    def of_record(cls, record: RunRecord) -> Self:
        run, plan = record.run, record.plan
        steps = [
            StepView.of(row, planned, [a for a in record.attempts if a.step_id == row.id])
            for row, planned in zip(record.steps, plan.steps, strict=True)
        ]
        return cls(
            **_summary(run),
            on_failure=OnFailure(run.on_failure),
            stopping=Stopping(run.stopping) if run.stopping else None,
            steps=steps,
            waves=[list(wave) for wave in plan.waves],
            graph=plan.drawn({step.id: step.status for step in steps}),
            result={step.id: step.result for step in steps if step.status is StepStatus.SUCCEEDED},
            gaps=[_gap(step) for step in steps if step.status in (StepStatus.FAILED, StepStatus.SKIPPED)],
            wall_ms=_ms(run.created_at, run.ended_at),
            steps_ms=sum(step.duration_ms or 0 for step in steps),
            version=run.version,
        )


class ExecutionView(WireModel):
    """What came of one call: the result, the verdict on it, and what became of the money."""

    result: Any = Field(description="What was delivered, good or not; null when nothing was.")
    quality: QualityView | None
    economicOutcome: Outcome = Field(description="`refunded`: the payer has, or kept, its money.")
    failure: Failure | None
    run_id: Uuid
    escrow_id: str | None = Field(description="Null when no money was at stake.")

    @classmethod
    def of_record(cls, record: RunRecord) -> Self:
        last = next(iter(reversed(record.attempts)), None)
        delivery = last.delivery if last else None
        return cls(
            result=delivery["result"] if delivery else None,
            quality=QualityView.of_row(last) if last else None,
            economicOutcome=Outcome(last.outcome) if last and last.outcome else Outcome.REFUNDED,
            failure=Failure(last.failure) if last and last.failure else None,
            run_id=record.run.id,
            escrow_id=last.escrow_id if last else None,
        )


class HappeningView(WireModel):
    """One thing that happened to a run."""

    sequence: int
    type: str = Field(examples=["attempt.funded"])
    time: Timestamp
    data: dict[str, Any]


class OwnEscrowView(WireModel):
    """The attempt that an escrow of ours pays for."""

    run_id: Uuid
    step_id: str
    attempt: int
    state: State
    outcome: Outcome | None

    @classmethod
    def of(cls, row: AttemptRow) -> Self:
        return cls(
            run_id=row.run_id,
            step_id=row.step_id,
            attempt=row.number,
            state=State(row.state),
            outcome=Outcome(row.outcome) if row.outcome else None,
        )


class EscrowView(WireModel):
    """An escrow as the contract holds it now, and what we know of it."""

    id: Hex32
    state: EscrowState
    payer: Address
    provider: Address
    token: Address
    amount: Units
    evaluator: Address
    terms_hash: Hex32
    result_hash: Hex32
    score: float = Field(ge=0, le=1)
    submit_by: int = Field(description="Unix seconds; last moment for the result.")
    review_by: int = Field(description="Unix seconds; last moment for the verdict.")
    default_outcome: Wish = Field(description="What silence after `review_by` means.")
    ours: OwnEscrowView | None = Field(description="Null for an escrow that is not this coordinator's.")

    @classmethod
    def of(cls, record: EscrowRecord) -> Self:
        escrow = record.on_chain
        return cls(
            id=record.id,
            state=escrow.state,
            payer=escrow.payer,
            provider=escrow.provider,
            token=escrow.token,
            amount=str(escrow.amount_units),
            evaluator=escrow.evaluator,
            terms_hash=escrow.terms_hash,
            result_hash=escrow.result_hash,
            score=escrow.score_bps / FULL_BPS,
            submit_by=escrow.submit_by,
            review_by=escrow.review_by,
            default_outcome=escrow.default_outcome,
            ours=None if record.attempt is None else OwnEscrowView.of(record.attempt),
        )


def _summary(row: RunRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "task": row.task,
        "status": RunStatus(row.status),
        "budget": BudgetView.of(row),
        "created_at": row.created_at,
        "ended_at": row.ended_at,
    }


def _ms(start: datetime | None, end: datetime | None) -> int | None:
    return None if start is None or end is None else round((end - start).total_seconds() * 1000)


def _result(row: StepRow, attempts: list[AttemptRow]) -> Any:
    """The result of the attempt that succeeded; null for a step that did not."""
    if row.status != StepStatus.SUCCEEDED or attempts[-1].delivery is None:
        return None
    return attempts[-1].delivery["result"]


def _gap(step: StepView) -> GapView:
    last = step.attempts[-1] if step.attempts else None
    return GapView(step=step.id, status=step.status, reason=step.reason, detail=last.detail if last else None)
