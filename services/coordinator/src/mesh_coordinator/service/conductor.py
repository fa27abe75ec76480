"""The loop that carries runs out: it asks the reducer what is due, and gives every open attempt a hand."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from mesh_shared import background, telemetry
from mesh_shared.bell import Bell, wait
from mesh_shared.canonical import canonical_json
from mesh_shared.database.engine import Database
from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import references
from mesh_coordinator.domain.limits import Limits, Occupancy
from mesh_coordinator.domain.references import PointerMissing
from mesh_coordinator.domain.run import Close, End, Move, RunStatus, Start, StepStatus, Stop, decide
from mesh_coordinator.events import RunCompleted, StepCompleted
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.codec import REQUIREMENT
from mesh_coordinator.repository.runs import Facts, Runs
from mesh_coordinator.repository.tables import AttemptRow, StepRow
from mesh_coordinator.service.attempts import AttemptRunner

IDLE_S = 1.0
BREATH_S = 0.01
MAX_PARAMETER_BYTES = 1 << 20


class _Unfit(Exception):
    """What earlier steps delivered makes no parameters for this one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """Schedules all runs of the mesh. One replica at a time conducts; another takes over when it dies."""

    database: Database
    attempts: AttemptRunner
    news: Bell
    """Rings when there may be something to decide, and when something was decided."""
    parallel_steps: int
    limits: Limits
    _hands: dict[UUID, asyncio.Task[None]] = field(default_factory=dict[UUID, "asyncio.Task[None]"])

    async def turn(self) -> None:
        """Conducts until cancelled."""
        async with self.database.sole("runs"):
            try:
                while True:
                    ticket = self.news.ticket()
                    await self._look()
                    await asyncio.sleep(BREATH_S)  # what happens at the same time is looked at together
                    await wait(ticket, IDLE_S)
            finally:
                await self._dismiss(set(self._hands))

    async def _look(self) -> None:
        """Makes every move that is due, the oldest run first, and sees that every attempt is in hand.

        What a move opens is staffed at the next look, for which it rings.
        """
        async with self.database.read() as session:
            facts = self._facts(session)
            runs, attempts = await facts.of_open(), await facts.open_attempts()
        occupancy = Occupancy(self.limits, attempts.values())
        for id, run in runs.items():
            if decide(run, occupancy.room(run.owner)):
                await self._move(id, occupancy)
                self.news.ring()
        await self._staff(attempts)

    def _facts(self, session: AsyncSession) -> Facts:
        return Facts(session, self.parallel_steps, datetime.now(UTC))

    async def _move(self, id: UUID, occupancy: Occupancy) -> None:
        """Decides again under the run's lock, and records the moves."""
        async with self.database.write() as session:
            run = await Runs(session).locked(id)
            with telemetry.continued("moves", run.traceparent):
                while run.status == RunStatus.RUNNING:
                    moves = decide(await self._facts(session).of(id), occupancy.room(run.owner))
                    for move in moves:
                        if (agent := await _record(session, id, move)) is not None:
                            occupancy.take(run.owner, agent)
                    if not moves:
                        break

    async def _staff(self, attempts: Collection[UUID]) -> None:
        """A hand for every open attempt; those whose attempt has ended may go."""
        for id in attempts:
            if id not in self._hands:
                work = background.forever("attempt", partial(self.attempts.advance, id))
                self._hands[id] = asyncio.create_task(work)
        await self._dismiss(self._hands.keys() - set(attempts))

    async def _dismiss(self, ids: set[UUID]) -> None:
        hands = [self._hands.pop(id) for id in ids]
        for hand in hands:
            hand.cancel()
        await asyncio.gather(*hands, return_exceptions=True)


async def _record(session: AsyncSession, id: UUID, move: Move) -> str | None:
    """Puts a move on record; returns the agent for whom it opened an attempt."""
    now = datetime.now(UTC)
    match move:
        case Start():
            return await _start(session, id, move, now)
        case Close():
            await _close(session, id, move, now)
        case Stop():
            (await Runs(session).get(id)).stopping = move.reason
            await Runs(session).happened(id, "run.stopping", {"reason": move.reason}, now)
        case End():
            await _end(session, id, move, now)
    return None


async def _start(session: AsyncSession, id: UUID, move: Start, now: datetime) -> str | None:
    step = await Runs(session).step(id, move.step)
    try:
        parameters = await _parameters(session, step)
    except _Unfit as unfit:
        await _close(session, id, Close(move.step, StepStatus.FAILED, unfit.reason), now)
        return None
    attempt = _attempt(step, move.number, parameters, now)
    Attempts(session).add(attempt)
    step.status, step.started_at = StepStatus.RUNNING, step.started_at or now
    await session.flush()
    agent: str = attempt.candidate["agent_id"]
    data = {"step": move.step, "attempt": move.number, "agent_id": agent}
    await Runs(session).happened(id, "attempt.selected", data, now)
    return agent


async def _parameters(session: AsyncSession, step: StepRow) -> dict[str, Any]:
    """The step's parameters with every reference filled in. Raises `_Unfit`."""
    run = await Runs(session).get(step.run_id)
    wanted = REQUIREMENT.validate_python(step.requirement).parameters
    results = await Attempts(session).results(step.run_id, references.steps(wanted))
    try:
        parameters = references.fill(wanted, results, run.given)
    except PointerMissing:
        raise _Unfit("reference-missing") from None
    if len(canonical_json(parameters)) > MAX_PARAMETER_BYTES:
        raise _Unfit("parameters-too-large")
    return parameters


def _attempt(step: StepRow, number: int, parameters: dict[str, Any], now: datetime) -> AttemptRow:
    """The attempt's id is its idempotency key: the same for every replica and after every crash."""
    candidate = step.candidates[number - 1]
    return AttemptRow(
        id=uuid5(step.run_id, f"{step.id}/{number}"),
        run_id=step.run_id,
        step_id=step.id,
        number=number,
        candidate=candidate,
        parameters=parameters,
        price_units=candidate["price_units"],
        created_at=now,
    )


async def _close(session: AsyncSession, id: UUID, move: Close, now: datetime) -> None:
    step = await Runs(session).step(id, move.step)
    step.status, step.reason, step.ended_at = move.status, move.reason, now
    await session.flush()
    last = await Attempts(session).last(id, move.step)
    data = {"step": move.step, "reason": move.reason}
    await Runs(session).happened(id, f"step.{move.status}", data, now)
    completed = StepCompleted(
        run_id=id,
        step_id=move.step,
        status=move.status,
        reason=move.reason,
        agent_id=last.candidate["agent_id"] if last else None,
        attempts=last.number if last else 0,
    )
    outbox.record(session, completed)


async def _end(session: AsyncSession, id: UUID, move: End, now: datetime) -> None:
    run = await Runs(session).get(id)
    results = await Attempts(session).results(id, references.steps(run.wanted_output))
    run.output = references.filled(run.wanted_output, results, run.given, MAX_PARAMETER_BYTES)
    run.status, run.ended_at = move.status, now
    await session.flush()
    await Runs(session).happened(id, f"run.{move.status}", {"spent": str(run.spent_units)}, now)
    outbox.record(session, RunCompleted(run_id=id, status=move.status, spent=str(run.spent_units)))
