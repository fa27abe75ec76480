"""The loop that carries runs out: it asks the reducer what is due, and gives every open attempt a hand."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from mesh_shared import background, telemetry
from mesh_shared.bell import Bell, wait
from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.limits import Limits, Occupancy
from mesh_coordinator.domain.run import RunStatus, decide
from mesh_coordinator.repository.runs import Facts, Runs
from mesh_coordinator.service.attempts import AttemptRunner
from mesh_coordinator.service.moves import record

IDLE_S = 1.0
BREATH_S = 0.01


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
                        if (agent := await record(session, id, move)) is not None:
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
