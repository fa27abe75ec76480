"""Puts the reducer's moves on record: what a move changes is one commit with what it is told as."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import references
from mesh_coordinator.domain.attempt import Happening, State
from mesh_coordinator.domain.requirements import Requirement
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
from mesh_coordinator.repository.tables import AttemptRow, StepRow
from mesh_coordinator.service.auctions import award
from mesh_coordinator.service.recording import move_on
from mesh_coordinator.service.values import MAX_VALUE_BYTES, Unfit, array_of, gathered, parameters_of


async def record(session: AsyncSession, id: UUID, moves: Sequence[Move]) -> Sequence[AttemptRow | None]:
    """Puts moves on record, in their order; returns the attempt that each opened."""
    of_steps = [move.step for move in moves if not isinstance(move, Stop | End)]
    steps = await Runs(session).steps(id, of_steps) if of_steps else {}
    return [await _record(session, id, steps, move) for move in moves]


async def _record(
    session: AsyncSession, id: UUID, steps: Mapping[str, StepRow], move: Move
) -> AttemptRow | None:
    now = datetime.now(UTC)
    match move:
        case Start():
            return await _start(session, steps[move.step], move, now)
        case Stop():
            await _stop(session, id, move, now)
        case End():
            await _end(session, id, move, now)
        case _:
            await _RECORDERS[type(move)](session, steps[move.step], move, now)
    return None


async def _start(session: AsyncSession, step: StepRow, move: Start, now: datetime) -> AttemptRow | None:
    try:
        parameters = await parameters_of(session, step)
    except Unfit as unfit:
        await _close(session, step, Close(step.id, StepStatus.FAILED, unfit.reason), now)
        return None
    attempt = _attempt(step, move.number, parameters, now)
    step.status, step.started_at = StepStatus.RUNNING, step.started_at or now
    await session.flush()
    data = {"step": move.step, "attempt": move.number, "agent_id": attempt.agent_id}
    happening = "attempt.hedged" if move.is_hedge else "attempt.selected"
    await Runs(session).happened(step.run_id, happening, data, now)
    await _begin(session, attempt, now)
    return attempt


async def _begin(session: AsyncSession, attempt: AttemptRow, now: datetime) -> None:
    """What is next is known without asking: who works for nothing is called, for others money is set aside.

    In the same commit: nobody is called once a cancellation has been answered, since we hold the run.
    """
    Attempts(session).add(attempt)
    if attempt.price_units > 0:
        await move_on(session, attempt, Happening.PAID, now)
    else:
        await move_on(session, attempt, Happening.FREE, now, called_at=now)


async def _expand(session: AsyncSession, step: StepRow, move: Expand, now: datetime) -> None:
    try:
        array = await array_of(session, step)
    except Unfit as unfit:
        await _close(session, step, Close(step.id, StepStatus.FAILED, unfit.reason), now)
        return
    session.add_all(_item(step, number, value) for number, value in enumerate(array, 1))
    step.status, step.started_at = StepStatus.RUNNING, now
    await session.flush()
    await Runs(session).happened(step.run_id, "step.expanded", {"step": step.id, "items": len(array)}, now)


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
    )


async def _undo(session: AsyncSession, step: StepRow, move: Undo, now: datetime) -> None:
    """Gives the agent that did the step another, for nothing; it needs the step, and nobody needs it."""
    done = await Attempts(session).numbered(step.run_id, step.id, step.winner)
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
    session.add(undo)
    await session.flush()
    await Runs(session).happened(step.run_id, "step.compensating", {"step": step.id}, now)


async def _invite(session: AsyncSession, step: StepRow, move: Invite, now: datetime) -> None:
    lasts_s = REQUIREMENT.validate_python(step.requirement).select.auction_s or 0
    step.status, step.auction = StepStatus.TAKING_BIDS, Auction.OPEN
    step.bids_until = until = now + timedelta(seconds=lasts_s)
    await session.flush()
    data = {"step": step.id, "until": until.isoformat()}
    await Runs(session).happened(step.run_id, "step.auction_opened", data, now)


async def _award(session: AsyncSession, step: StepRow, move: Award, now: datetime) -> None:
    await award(session, step)
    await session.flush()
    agent = next(iter(step.agents)) if step.auction == Auction.AWARDED else None
    await Runs(session).happened(step.run_id, "step.awarded", {"step": step.id, "agent_id": agent}, now)


async def _ask(session: AsyncSession, step: StepRow, move: Ask, now: datetime) -> None:
    step.status, step.approval = StepStatus.AWAITING_APPROVAL, Approval.REQUESTED
    step.approval_id = approval_id = uuid5(step.run_id, f"approval/{step.id}")
    price = str(step.dearest_units)
    await session.flush()
    data = {"step": step.id, "approval_id": str(approval_id), "price": price}
    await Runs(session).happened(step.run_id, "step.approval_requested", data, now)
    asked = ApprovalRequested(run_id=step.run_id, step_id=step.id, approval_id=approval_id, price=price)
    outbox.record(session, asked)


def _attempt(step: StepRow, number: int, parameters: dict[str, Any], now: datetime) -> AttemptRow:
    """The attempt's id is its idempotency key: the same for every replica and after every crash."""
    candidate = step.candidates[number - 1]
    return AttemptRow(
        id=uuid5(step.run_id, f"{step.id}/{number}"),
        run_id=step.run_id,
        step_id=step.id,
        number=number,
        state=State.SELECTED,
        candidate=candidate,
        parameters=parameters,
        price_units=candidate["price_units"],
        created_at=now,
    )


async def _close(session: AsyncSession, step: StepRow, move: Close, now: datetime) -> None:
    if step.is_mapped and move.status is StepStatus.SUCCEEDED:
        try:
            step.result = {"value": await gathered(session, step)}
        except Unfit as unfit:
            move = replace(move, status=StepStatus.FAILED, reason=unfit.reason)
    elif move.status is StepStatus.SUCCEEDED:
        step.winner = await Attempts(session).first_success(step.run_id, step.id)
    step.status, step.reason, step.ended_at = move.status, move.reason, now
    await session.flush()
    last = await Attempts(session).numbered(step.run_id, step.id, step.winner)
    data = {"step": move.step, "reason": move.reason}
    happening: str = move.status
    if step.is_undo:
        data["step"], done = step.parent, move.status is StepStatus.SUCCEEDED
        happening = "compensated" if done else "not_compensated"
    await Runs(session).happened(step.run_id, f"step.{happening}", data, now)
    completed = StepCompleted(
        run_id=step.run_id,
        step_id=move.step,
        status=move.status,
        reason=move.reason,
        agent_id=last.agent_id if last else None,
        attempts=last.number if last else 0,
    )
    outbox.record(session, completed)


async def _end(session: AsyncSession, id: UUID, move: End, now: datetime) -> None:
    run = await Runs(session).get(id)
    results = await Runs(session).results(id, references.steps(run.wanted_output))
    run.output = references.filled(run.wanted_output, results, run.given, MAX_VALUE_BYTES)
    run.status, run.ended_at = move.status, now
    await session.flush()
    await Runs(session).happened(id, f"run.{move.status}", {"spent": str(run.spent_units)}, now)
    outbox.record(session, RunCompleted(run_id=id, status=move.status, spent=str(run.spent_units)))


async def _stop(session: AsyncSession, id: UUID, move: Stop, now: datetime) -> None:
    (await Runs(session).get(id)).stopping = move.reason
    await Runs(session).happened(id, "run.stopping", {"reason": move.reason}, now)


_RECORDERS: Mapping[type[Move], Callable[[AsyncSession, StepRow, Any, datetime], Awaitable[None]]] = {
    Invite: _invite,
    Award: _award,
    Ask: _ask,
    Expand: _expand,
    Undo: _undo,
    Close: _close,
}
