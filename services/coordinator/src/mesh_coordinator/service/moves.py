"""Puts the reducer's moves on record: what a move changes is one commit with what it is told as."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid5

from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import references
from mesh_coordinator.domain.attempt import State, first
from mesh_coordinator.domain.requirements import PaidBy, Requirement
from mesh_coordinator.domain.run import (
    Approval,
    Ask,
    Auction,
    Award,
    Close,
    End,
    Expand,
    Invite,
    Move,
    Start,
    StepStatus,
    Stop,
    Undo,
)
from mesh_coordinator.events import ApprovalRequested, RunCompleted, StepCompleted
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.codec import REQUIREMENT, dumped
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import AttemptRow, RunRow, StepRow
from mesh_coordinator.service.auctions import award
from mesh_coordinator.service.recording import told
from mesh_coordinator.service.values import MAX_VALUE_BYTES, Unfit, array_of, gathered, parameters_of


@dataclass(frozen=True, slots=True)
class Record:
    """A transaction in which moves of one run are put on record; the run is locked.

    `opened` are the attempts that they opened, `closed` the steps that they closed.
    """

    session: AsyncSession
    run: RunRow
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    opened: list[AttemptRow] = field(default_factory=list[AttemptRow])
    closed: dict[str, StepStatus] = field(default_factory=dict[str, StepStatus])

    def tell(self, happening: str, **data: Any) -> None:
        """Adds to the run's history."""
        Runs(self.session).happened(self.run, happening, data, self.now)


async def record(session: AsyncSession, run: RunRow, moves: Sequence[Move]) -> Record:
    """Puts moves on record, in their order."""
    made = Record(session, run)
    of_steps = [move.step for move in moves if not isinstance(move, Stop | End)]
    steps = await Runs(session).steps(run.id, of_steps) if of_steps else {}
    for move in moves:
        match move:
            case Stop():
                run.stopping = move.reason
                made.tell("run.stopping", reason=move.reason)
            case End():
                await _end(made, move)
            case _:
                await _RECORDERS[type(move)](made, steps[move.step], move)
    return made


async def _start(made: Record, step: StepRow, move: Start) -> None:
    """What is next is known without asking: it begins in the commit that selects its agent.

    Nobody is called once a cancellation has been answered, since we hold the run.
    """
    try:
        parameters = await parameters_of(made.session, made.run, step)
    except Unfit as unfit:
        await _close(made, step, Close(step.id, StepStatus.FAILED, unfit.reason))
        return
    attempt = _attempt(made, step, move.number, parameters)
    step.status, step.started_at = StepStatus.RUNNING, step.started_at or made.now
    happening = "attempt.hedged" if move.is_hedge else "attempt.selected"
    made.tell(happening, step=move.step, attempt=move.number, agent_id=attempt.agent_id)
    Attempts(made.session).add(attempt)
    told(made.session, attempt, made.now)
    made.opened.append(attempt)


async def _expand(made: Record, step: StepRow, move: Expand) -> None:
    try:
        array = await array_of(made.session, made.run, step)
    except Unfit as unfit:
        await _close(made, step, Close(step.id, StepStatus.FAILED, unfit.reason))
        return
    made.session.add_all(_item(step, number, value) for number, value in enumerate(array, 1))
    step.status, step.started_at = StepStatus.RUNNING, made.now
    made.tell("step.expanded", step=step.id, items=len(array))


def _item(step: StepRow, number: int, value: Any) -> StepRow:
    """No step of a plan has a dot in its id."""
    return StepRow(
        run_id=step.run_id,
        id=f"{step.id}.{number}",
        place=step.place,
        parent=step.id,
        item_number=number,
        is_undoable=step.is_undoable,
        hedge_after_s=step.hedge_after_s,
        item={"value": value},
        needs=step.needs,
        is_optional=step.is_optional,
        agents=step.agents,
        requirement=step.requirement,
        candidates=step.candidates,
        validators=step.validators,
    )


async def _undo(made: Record, step: StepRow, move: Undo) -> None:
    """Gives the agent that did the step another, for nothing; it needs the step, and nobody needs it."""
    done = await Attempts(made.session).numbered(step.run_id, step.id, step.winner)
    wanted = REQUIREMENT.validate_python(step.requirement)
    if done is None or wanted.compensate is None:
        raise ValueError(f"{move.step} cannot be taken back")
    call = Requirement(
        id=f"{step.id}.undo",
        capability=wanted.capability,
        action=wanted.compensate.action,
        parameters=wanted.compensate.parameters,
        optional=True,
        timeout_s=wanted.timeout_s,
        policy=wanted.policy,
    )
    agent = done.candidate | {"action": wanted.compensate.action, "price_units": 0}
    undo = StepRow(
        run_id=step.run_id,
        id=call.id,
        place=step.place,
        parent=step.id,
        item_number=step.item_number,
        item=step.item,
        is_undo=True,
        needs=[step.id],
        is_optional=True,
        agents=[agent["agent_id"]],
        requirement=dumped(REQUIREMENT, call),
        candidates=[agent],
    )
    made.session.add(undo)
    made.tell("step.compensating", step=step.id)


async def _invite(made: Record, step: StepRow, move: Invite) -> None:
    lasts_s = REQUIREMENT.validate_python(step.requirement).select.auction_s or 0
    step.status, step.auction = StepStatus.TAKING_BIDS, Auction.OPEN
    step.bids_until = until = made.now + timedelta(seconds=lasts_s)
    made.tell("step.auction_opened", step=step.id, until=until.isoformat())


async def _award(made: Record, step: StepRow, move: Award) -> None:
    await award(made.session, step)
    agent = next(iter(step.agents)) if step.auction == Auction.AWARDED else None
    made.tell("step.awarded", step=step.id, agent_id=agent)


async def _ask(made: Record, step: StepRow, move: Ask) -> None:
    step.status, step.approval = StepStatus.AWAITING_APPROVAL, Approval.REQUESTED
    step.approval_id = approval_id = uuid5(step.run_id, f"approval/{step.id}")
    price = str(step.dearest_units)
    made.tell("step.approval_requested", step=step.id, approval_id=str(approval_id), price=price)
    asked = ApprovalRequested(run_id=step.run_id, step_id=step.id, approval_id=approval_id, price=price)
    outbox.record(made.session, asked)


def _attempt(made: Record, step: StepRow, number: int, parameters: dict[str, Any]) -> AttemptRow:
    """The attempt's id is its idempotency key: the same for every replica and after every crash."""
    candidate = step.candidates[number - 1]
    state = first(candidate["price_units"])
    return AttemptRow(
        id=uuid5(step.run_id, f"{step.id}/{number}"),
        run_id=step.run_id,
        run=made.run,
        step_id=step.id,
        number=number,
        state=state,
        candidate=candidate,
        parameters=parameters,
        price_units=candidate["price_units"],
        is_on_ledger=step.requirement.get("paid_by") == PaidBy.LEDGER and candidate["price_units"] > 0,
        created_at=made.now,
        called_at=made.now if state is State.INVOKING else None,
    )


async def _close(made: Record, step: StepRow, move: Close) -> None:
    if step.is_mapped and move.status is StepStatus.SUCCEEDED:
        try:
            step.result = {"value": await gathered(made.session, step)}
        except Unfit as unfit:
            move = replace(move, status=StepStatus.FAILED, reason=unfit.reason)
    elif move.status is StepStatus.SUCCEEDED:
        step.winner = move.attempt
    step.status, step.reason, step.ended_at = move.status, move.reason, made.now
    made.closed[step.id] = move.status
    made.tell(
        f"step.{_ending(step, move)}", step=step.parent if step.is_undo else step.id, reason=move.reason
    )
    completed = StepCompleted(
        run_id=step.run_id,
        step_id=step.id,
        status=move.status,
        reason=move.reason,
        agent_id=step.candidates[move.attempt - 1]["agent_id"] if move.attempt else None,
        attempts=move.attempt,
    )
    outbox.record(made.session, completed)


def _ending(step: StepRow, move: Close) -> str:
    if not step.is_undo:
        return move.status
    return "compensated" if move.status is StepStatus.SUCCEEDED else "not_compensated"


async def _end(made: Record, move: End) -> None:
    run = made.run
    results = await Runs(made.session).results(run.id, references.steps(run.wanted_output))
    run.output = references.filled(run.wanted_output, results, run.given, MAX_VALUE_BYTES)
    run.status, run.ended_at = move.status, made.now
    made.tell(f"run.{move.status}", spent=str(run.spent_units))
    completed = RunCompleted(run_id=run.id, status=move.status, spent=str(run.spent_units))
    outbox.record(made.session, completed)


_RECORDERS: Mapping[type[Move], Callable[[Record, StepRow, Any], Awaitable[None]]] = {
    Start: _start,
    Invite: _invite,
    Award: _award,
    Ask: _ask,
    Expand: _expand,
    Undo: _undo,
    Close: _close,
}
