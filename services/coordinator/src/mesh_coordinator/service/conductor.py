"""The loop that carries runs out: it asks the reducer what is due, and gives every open attempt a hand."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from mesh_shared import background, telemetry
from mesh_shared.bell import Bell, wait
from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.limits import Limits, Occupancy
from mesh_coordinator.domain.run import RunFacts, RunStatus, closed, decide, waited_for
from mesh_coordinator.repository.runs import Facts, Runs
from mesh_coordinator.service.attempts import AttemptRunner
from mesh_coordinator.service.claims import Claims
from mesh_coordinator.service.moves import record

IDLE_S = 1.0
BREATH_S = 0.002
RUNS_AT_ONCE = 100
"""Runs that are read together: each has up to 500 steps."""


@dataclass(frozen=True, slots=True)
class _Quiet:
    """A run in which nothing was due in its version; `agents` would be tried if they had room."""

    version: int
    owner: str
    agents: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """Schedules the runs of one replica: those that it accepts, and those whose conductor is gone.

    What is due in a run follows from what is on record of it, from the room that is left, and from time. So
    only runs with news are looked at: which are in another version than when nothing was due in them, or have
    waited for room that there is now. For time, and for what nobody rang for, all are looked at each second.
    """

    database: Database
    claims: Claims
    attempts: AttemptRunner
    news: Bell
    """Rings when there may be something to decide, and when a run has ended."""
    parallel_steps: int
    limits: Limits
    _quiet: dict[UUID, _Quiet] = field(default_factory=dict[UUID, _Quiet])
    _hands: dict[UUID, asyncio.Task[None]] = field(default_factory=dict[UUID, "asyncio.Task[None]"])

    async def turn(self) -> None:
        """Conducts until cancelled."""
        async with self.claims.held():
            try:
                await self._conduct()
            finally:
                await self._dismiss(set(self._hands))

    async def _conduct(self) -> None:
        all_at = time.monotonic()
        while True:
            ticket = self.news.ticket()
            if is_for_all := time.monotonic() >= all_at:
                self._quiet.clear()
                await self.claims.adopt()
            await self._look()
            if is_for_all:
                all_at = time.monotonic() + IDLE_S
            await asyncio.sleep(BREATH_S)  # what happens at the same time is looked at together
            await wait(ticket, IDLE_S)

    async def _look(self) -> None:
        """Makes every move that is due, the oldest run first, and sees that every attempt is in hand."""
        async with self.database.read() as session:
            facts = self._facts(session)
            versions, attempts = await facts.versions(self.claims.name), await facts.open_attempts()
        ours = {id for id, attempt in attempts.items() if attempt.conductor == self.claims.name}
        self._staff(ours)
        await self._dismiss(self._hands.keys() - ours)
        occupancy = Occupancy(self.limits, attempts.values())
        due = self._with_news(versions, Occupancy(self.limits, attempts.values()))
        for start in range(0, len(due), RUNS_AT_ONCE):
            await self._attend(due[start : start + RUNS_AT_ONCE], occupancy)

    def _with_news(self, versions: Mapping[UUID, int], expected: Occupancy) -> list[UUID]:
        """Of those that wait for room no more are looked at than there is room for."""
        found: list[UUID] = []
        for id, version in versions.items():
            seen = self._quiet.get(id)
            if seen is None or seen.version != version or expected.take_any(seen.owner, seen.agents):
                found.append(id)
        return found

    async def _attend(self, ids: Sequence[UUID], occupancy: Occupancy) -> None:
        async with self.database.read() as session:
            runs = await self._facts(session).of_all(ids)
        for id, run in runs.items():
            if decide(run, occupancy.room(run.owner)):
                self._quiet.pop(id, None)
                await self._move(id, run, occupancy)
            else:
                self._quiet[id] = _Quiet(run.version, run.owner, waited_for(run))

    def _facts(self, session: AsyncSession) -> Facts:
        return Facts(session, self.parallel_steps, datetime.now(UTC))

    async def _move(self, id: UUID, seen: RunFacts, occupancy: Occupancy) -> None:
        """Decides again under the run's lock, and records the moves; takes what they open in hand."""
        opened: list[UUID] = []
        async with self.database.write() as session:
            run = await Runs(session).locked(id)
            facts = seen if seen.version == run.version else await self._facts(session).of(id)
            with telemetry.continued("moves", run.traceparent):
                while run.status == RunStatus.RUNNING and run.conductor == self.claims.name:
                    moves = decide(facts, occupancy.room(run.owner))
                    made = await record(session, run, moves)
                    for attempt in made.opened:
                        occupancy.take(run.owner, attempt.agent_id)
                        opened.append(attempt.id)
                    if len(made.opened) == len(moves):
                        break  # all that was due was started, or nothing was
                    is_plain = len(made.closed) == len(moves)
                    facts = closed(facts, made.closed) if is_plain else await self._facts(session).of(id)
        self._staff(opened)
        if run.status != RunStatus.RUNNING:
            self.news.ring()

    def _staff(self, attempts: Collection[UUID]) -> None:
        """A hand for every open attempt."""
        for id in attempts:
            if id not in self._hands:
                work = background.forever("attempt", partial(self.attempts.advance, id))
                self._hands[id] = asyncio.create_task(work)

    async def _dismiss(self, ids: set[UUID]) -> None:
        """Those whose attempt has ended may go."""
        hands = [self._hands.pop(id) for id in ids]
        for hand in hands:
            hand.cancel()
        await asyncio.gather(*hands, return_exceptions=True)
