"""What callers are told of a run."""

from datetime import datetime
from typing import Any, Self

from mesh_shared.wire import Timestamp, Units, Uuid, WireModel
from pydantic import Field

from mesh_coordinator.domain.attempt import Failure, Outcome, State
from mesh_coordinator.domain.plan import PlannedStep
from mesh_coordinator.domain.run import Approval, OnFailure, RunStatus, StepStatus, Stopping
from mesh_coordinator.repository.runs import RunRecord
from mesh_coordinator.repository.tables import AttemptRow, BidRow, RunRow, StepRow
from mesh_coordinator.schemas.plans import CandidateView
from mesh_coordinator.schemas.requests import QuorumBody
from mesh_coordinator.schemas.verdicts import QualityView


class ApprovalView(WireModel):
    """What a person was asked about a step or its result, and has said."""

    id: Uuid | None = Field(description="Where to decide: /v1/runs/{run}/approvals/{id}; null before.")
    step: str
    attempt: int | None = Field(description="Whose result is in question; null for the start of the step.")
    state: Approval
    price: Units = Field(description="The agent's, or the most that one of the step's agents asks for.")
    by: str | None
    decided_at: Timestamp | None

    @classmethod
    def of(cls, row: StepRow | AttemptRow) -> Self | None:
        """None for what nobody is asked about."""
        return None if row.approval is None else cls.decided(row)

    @classmethod
    def decided(cls, row: StepRow | AttemptRow) -> Self:
        is_step = isinstance(row, StepRow)
        return cls(
            id=row.approval_id,
            step=row.id if is_step else row.step_id,
            attempt=None if is_step else row.number,
            state=Approval(row.approval),
            price=str(row.dearest_units if is_step else row.price_units),
            by=row.approval_by,
            decided_at=row.approval_at,
        )


class AttemptView(WireModel):
    """One agent's try at a step."""

    number: int
    key: Uuid = Field(description="The idempotency key of every call of this attempt.")
    agent_id: str
    agent: str
    action: str
    price: Units
    on_ledger: bool = Field(description="Its price is kept in the ledger, and not in an escrow.")
    advance: Units | None = Field(description="What it was given before it worked, by x402.")
    state: State
    outcome: Outcome | None
    failure: Failure | None
    detail: str | None
    escrow_id: str | None
    retries: int = Field(description="How often the agent was called again, under the same key.")
    quality: QualityView | None
    approval: ApprovalView | None = Field(description="Null when no person is asked about its result.")
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
            on_ledger=row.is_on_ledger,
            advance=str(row.advance["units"]) if row.advance else None,
            state=State(row.state),
            outcome=Outcome(row.outcome) if row.outcome else None,
            failure=Failure(row.failure) if row.failure else None,
            detail=row.detail,
            escrow_id=row.escrow_id,
            retries=row.retries,
            quality=QualityView.of_row(row),
            approval=ApprovalView.of(row),
            created_at=row.created_at,
            called_at=row.called_at,
            delivered_at=row.delivered_at,
            ended_at=row.ended_at,
        )


class BidView(WireModel):
    """A bid on record; the last one of an agent counts."""

    step: str
    agent_id: str
    price: Units

    @classmethod
    def of(cls, row: BidRow) -> Self:
        return cls(step=row.step_id, agent_id=row.agent_id, price=str(row.price_units))


class StepView(WireModel):
    """A step as it stands."""

    id: str
    capability: str
    needs: list[str]
    parent: str | None = Field(
        description="The `for_each` step that it does for one element, or the step that it takes back."
    )
    is_compensation: bool
    optional: bool
    status: StepStatus
    reason: str | None = Field(description="Why it failed or was skipped.", examples=["poor-quality"])
    bids_until: Timestamp | None = Field(description="When its auction ends; null at listed prices.")
    approval: ApprovalView | None = Field(description="Null for a step about which nobody is asked.")
    started_at: Timestamp | None
    ended_at: Timestamp | None
    duration_ms: int | None
    result: Any = Field(description="What was delivered and held up.")
    kept_from: Uuid | None = Field(description="The run whose result was kept; null when it was done here.")
    attempts: list[AttemptView]
    candidates: list[CandidateView]

    @classmethod
    def of(cls, row: StepRow, planned: PlannedStep, attempts: list[AttemptRow]) -> Self:
        return cls(
            id=row.id,
            capability=planned.requirement.capability,
            needs=row.needs,
            parent=row.parent,
            is_compensation=row.is_undo,
            optional=row.is_optional,
            status=StepStatus(row.status),
            reason=row.reason,
            bids_until=row.bids_until,
            approval=ApprovalView.of(row),
            started_at=row.started_at,
            ended_at=row.ended_at,
            duration_ms=_ms(row.started_at, row.ended_at),
            result=_result(row, attempts),
            kept_from=row.kept_from,
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

    on_failure: OnFailure | QuorumBody
    stopping: Stopping | None = Field(description="Why nothing new is started; null while it may be.")
    forked_from: Uuid | None = Field(description="The run that this one is a fork of.")
    paused: bool = Field(description="Nothing new is started until it is resumed.")
    deadline: Timestamp | None = Field(description="Nothing more is started after it.")
    parallel: int | None = Field(description="Steps that its owner lets run at once.")
    steps: list[StepView]
    waves: list[list[str]]
    graph: str = Field(
        description="Marks: o pending, $ takes bids, ? asks, > runs, * succeeded, x failed, / skipped."
    )
    result: dict[str, Any] = Field(description="Results by step.")
    output: dict[str, Any] | None = Field(description="What was asked for as `output`; null before the end.")
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
        top = [step for step in steps if step.parent is None]
        return cls(
            **_summary(run),
            on_failure=OnFailure(run.on_failure) if run.quorum is None else QuorumBody(quorum=run.quorum),
            stopping=Stopping(run.stopping) if run.stopping else None,
            forked_from=run.forked_from,
            paused=run.is_paused,
            deadline=run.deadline,
            parallel=run.parallel,
            steps=steps,
            waves=[list(wave) for wave in plan.waves],
            graph=plan.drawn({step.id: step.status for step in steps}, record.hired),
            result={step.id: step.result for step in top if step.status is StepStatus.SUCCEEDED},
            output=run.output,
            gaps=[_gap(step) for step in top if step.status in (StepStatus.FAILED, StepStatus.SKIPPED)],
            wall_ms=_ms(run.created_at, run.ended_at),
            steps_ms=sum(step.duration_ms or 0 for step in steps if step.attempts),
            version=run.version,
        )


class HappeningView(WireModel):
    """One thing that happened to a run."""

    sequence: int
    type: str = Field(examples=["attempt.funded"])
    time: Timestamp
    data: dict[str, Any]


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
    """What was kept, or the result of the attempt that succeeded; null for a step that did not."""
    if row.result is not None:
        return row.result["value"]
    won = [attempt.delivery for attempt in attempts if attempt.number == row.winner]
    return won[0]["result"] if won and won[0] else None


def _gap(step: StepView) -> GapView:
    last = step.attempts[-1] if step.attempts else None
    return GapView(step=step.id, status=step.status, reason=step.reason, detail=last.detail if last else None)
