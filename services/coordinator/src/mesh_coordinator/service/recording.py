"""Moving an attempt on: its state, the run's history and the facts become true in one commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.advance import Advance
from mesh_coordinator.domain.attempt import ENDED, Failure, Happening, Outcome, State, after
from mesh_coordinator.domain.quality import Report
from mesh_coordinator.domain.requirements import Requirement
from mesh_coordinator.domain.review import Review
from mesh_coordinator.domain.ruling import is_in_question
from mesh_coordinator.domain.run import CLOSED_STEPS
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.domain.settlement import Terms
from mesh_coordinator.events import EscrowOpened, EscrowRefunded, EscrowReleased, EscrowUnknown, QualityScored
from mesh_coordinator.repository.attempts import Attempted, Attempts
from mesh_coordinator.repository.codec import ADVANCE, CANDIDATE, REPORT, REQUIREMENT, TERMS, dumped
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import AttemptRow


@dataclass(frozen=True, slots=True)
class Work:
    """An attempt as it was read, with what its step asks for, and the trace of its run.

    `is_stopping` says that nobody is called any more; what is undone is undone in a run that stops, too.
    """

    attempt: AttemptRow
    requirement: Requirement
    validators: list[Any]
    is_stopping: bool
    traceparent: str | None

    @property
    def state(self) -> State:
        """Where the attempt was when it was read."""
        return State(self.attempt.state)

    @property
    def candidate(self) -> Candidate:
        """The agent that tries."""
        return CANDIDATE.validate_python(self.attempt.candidate)

    @property
    def is_paid(self) -> bool:
        """True when money is at stake."""
        return self.attempt.price_units > 0

    @property
    def is_on_ledger(self) -> bool:
        """True when the money is kept without the chain."""
        return self.attempt.is_on_ledger

    @property
    def result(self) -> Any:
        """What was delivered; only for states in which something was."""
        return (self.attempt.delivery or {})["result"]

    @property
    def signature(self) -> str | None:
        """What the provider signed its delivery with."""
        return (self.attempt.delivery or {})["signature"]

    @property
    def transaction_id(self) -> UUID:
        """The transaction that the state waits for. Raises `ValueError` for a state that waits for none."""
        if self.attempt.transaction_id is None:
            raise ValueError(f"{self.state} waits for no transaction")
        return self.attempt.transaction_id

    @property
    def terms(self) -> Terms:
        """The escrow's terms; only for states in which there are some."""
        return TERMS.validate_python(self.attempt.terms)

    @property
    def escrow_id(self) -> str:
        """The escrow's id; only for states in which there is one."""
        return self.attempt.escrow_id or ""

    @property
    def advance(self) -> Advance | None:
        """What the agent was given before it works."""
        return None if self.attempt.advance is None else ADVANCE.validate_python(self.attempt.advance)

    @property
    def report(self) -> Report:
        """The verdict on what was delivered; only for states in which there is one."""
        return REPORT.validate_python(self.attempt.report)

    @property
    def review(self) -> Review | None:
        """Who is asked about a score between good and bad."""
        return self.requirement.quality.review

    @property
    def review_s(self) -> int:
        """Most seconds that this takes."""
        return self.review.lasts_s if self.review else 0

    def judged(self, report: Report, otherwise: Happening) -> Happening:
        """What follows from the checks: doubt where others are to be asked, or else `otherwise`."""
        return Happening.DOUBTED if is_in_question(self.requirement.quality, report) else otherwise

    @property
    def failure(self) -> Failure | None:
        """Why it is no success; None while it may be one."""
        return Failure(self.attempt.failure) if self.attempt.failure else None


async def read(session: AsyncSession, ids: Sequence[UUID]) -> list[Work]:
    """The attempts, each with everything that its next duty has to know."""
    found = {row.attempt.id: _work(row) for row in await Attempts(session).with_steps(ids)}
    return [found[id] for id in ids]


def _work(row: Attempted) -> Work:
    requirement = REQUIREMENT.validate_python(row.requirement)
    is_stopping = must_stop(row.step_status, row.stopping, is_undo=row.is_undo)
    return Work(row.attempt, requirement, row.validators, is_stopping, row.traceparent)


def must_stop(step_status: str, stopping: str | None, *, is_undo: bool) -> bool:
    """True when nobody may be called for a step any more: its run stops, or another agent was faster."""
    return step_status in CLOSED_STEPS or (stopping is not None and not is_undo)


async def is_stopping(session: AsyncSession, row: AttemptRow) -> bool:
    """A second look at whether the attempt's agent may be called, under the lock of its run."""
    step = await Runs(session).step(row.run_id, row.step_id)
    return must_stop(step.status, row.run.stopping, is_undo=step.is_undo)


async def moved(
    session: AsyncSession, work: Work, happening: Happening, at: datetime, **changes: Any
) -> AttemptRow:
    """The attempt in its next state, with `changes` to its columns. Raises `Outrun` when others moved it."""
    row = await Attempts(session).locked(work.attempt.id, work.state)
    move_on(session, row, happening, at, **changes)
    return row


def move_on(
    session: AsyncSession, row: AttemptRow, happening: Happening, at: datetime, **changes: Any
) -> None:
    """Brings an attempt that nobody else can move to its next state, with `changes` to its columns.

    A `failure` among the changes says that the attempt is no success any more.
    """
    row.state = after(State(row.state), happening)
    for column, value in changes.items():
        setattr(row, column, value)
    if row.state in ENDED:
        row.ended_at = at
        row.outcome = row.outcome or (Outcome.REFUNDED if row.failure else Outcome.SUCCESS)
    row.sends, row.transaction_id = 0, None
    told(session, row, at)


def told(session: AsyncSession, row: AttemptRow, at: datetime) -> None:
    """Adds the attempt's state to the history of its run."""
    data = {"step": row.step_id, "attempt": row.number, "failure": row.failure, "escrow_id": row.escrow_id}
    known = {name: value for name, value in data.items() if value is not None}
    Runs(session).happened(row.run, f"attempt.{row.state}", known, at)


def scored(session: AsyncSession, row: AttemptRow, report: Report) -> None:
    """Stores the verdict on the result, and announces it."""
    row.report = dumped(REPORT, report)
    fact = QualityScored(
        run_id=row.run_id,
        step_id=row.step_id,
        attempt=row.number,
        agent_id=row.agent_id,
        score_bps=report.score_bps,
        is_decided=report.is_decided,
    )
    outbox.record(session, fact)


def opened(session: AsyncSession, row: AttemptRow) -> None:
    """Announces that the price is locked."""
    outbox.record(session, EscrowOpened(**_escrow(row), provider=row.candidate["owner"]))


def doubted(session: AsyncSession, row: AttemptRow) -> None:
    """Announces that the outcome of the transaction which the attempt waits for is unknown."""
    data = {"step": row.step_id, "attempt": row.number, "escrow_id": row.escrow_id, "state": row.state}
    Runs(session).happened(row.run, "escrow.unknown", data, datetime.now(UTC))
    outbox.record(session, EscrowUnknown(**_escrow(row), state=State(row.state)))


def settled(session: AsyncSession, row: AttemptRow, score_bps: int) -> None:
    """Announces how the escrow ended."""
    if row.state == State.RELEASED:
        outbox.record(session, EscrowReleased(**_escrow(row), score_bps=score_bps))
    else:
        outbox.record(session, EscrowRefunded(**_escrow(row), score_bps=score_bps, reason=row.failure))


def _escrow(row: AttemptRow) -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "step_id": row.step_id,
        "attempt": row.number,
        "escrow_id": row.escrow_id,
        "agent_id": row.agent_id,
        "amount": str(row.price_units),
    }
