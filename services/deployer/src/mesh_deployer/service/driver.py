"""Moves every deployment on until there is nothing to do for it.

A state is stored before what it leads to, so that nothing is lost when we die.

A deployment that has something to do is due. A replica takes it by moving its due time ahead, so that no
other takes it meanwhile; when the replica dies, it comes due again. Every step may therefore be taken
twice, and a market takes the second time as done.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from mesh_shared import background, bell, telemetry
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from mesh_shared.events import outbox

from mesh_deployer import events
from mesh_deployer.domain import succession
from mesh_deployer.domain.deployment import ENDED, SETTLED, Deployment, State
from mesh_deployer.repository.deployments import Deployments, Rest
from mesh_deployer.service.news import News
from mesh_deployer.service.steps import Steps, now
from mesh_deployer.service.succeeding import begin, retire

log = structlog.get_logger()

CLAIM = timedelta(seconds=60)
"""How long a replica may be silent before another takes its work; longer than a step may take."""
IDLE_S = 1.0
_FIRST_LOOK_S, _SLOWEST_LOOK_S = 0.01, 5.0
"""While a market has nothing new, the pause between two looks doubles."""
_HELD_S = 0.3
"""A pause that is not worth letting go for."""


@dataclass(slots=True, kw_only=True)
class Driver:
    """One per replica; at most `parallel` deployments are moved at a time, and active ones watched."""

    database: Database
    steps: Steps
    news: News
    instance: str
    parallel: int
    step_timeout_s: float
    watch_s: float
    fail_over_s: float = 300
    _tasks: dict[UUID, asyncio.Task[None]] = field(default_factory=dict[UUID, asyncio.Task[None]])
    _broken: set[UUID] = field(default_factory=set[UUID])

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None, None]:
        """Drives while the block lasts; what is under way at its end is due again at the next start."""
        async with self.database.write() as session:
            await Deployments(session).release(self.instance, now())
        try:
            async with background.beside(background.forever("deployments", self.turn)):
                yield
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def turn(self) -> None:
        """Starts whatever is due, then waits for more."""
        ticket = self.news.due.ticket()
        await bell.wait(ticket, await self._start_due())

    async def _start_due(self) -> float:
        """Seconds until the next one is due."""
        await self._let_go()
        if (free := self.parallel - len(self._tasks)) <= 0:
            return IDLE_S
        moment = now()
        async with self.database.read() as session:
            waiting = await Deployments(session).queue(list(self._tasks), free + 1)
        due = [id for id, at in waiting[:free] if at <= moment]
        if due:
            async with self.database.write() as session:
                due = await Deployments(session).claim(due, self.instance, moment, moment + CLAIM)
        for id in due:
            self._tasks[id] = asyncio.create_task(self._drive(id), name=f"deployment {id}")
        pauses = ((at - moment).total_seconds() for _, at in waiting if at > moment)
        return min(IDLE_S, next(pauses, IDLE_S))

    async def _let_go(self) -> None:
        """Gives back what a look that broke off still held."""
        if broken := list(self._broken):
            async with self.database.write() as session:
                later = now() + timedelta(seconds=_SLOWEST_LOOK_S)
                await Deployments(session).release(self.instance, later, broken)
            self._broken.difference_update(broken)

    async def _drive(self, id: UUID) -> None:
        try:
            await self._move(id)
        except Exception:  # a bug, or the database is gone: it ends this look and no other's
            log.exception("step_failed", deployment=str(id))
            self._broken.add(id)
        finally:
            del self._tasks[id]
            self.news.due.ring()

    async def _move(self, id: UUID) -> None:
        """Moves one deployment as far as it goes now, in the trace of whoever asked for it."""
        async with self.database.read() as session:
            looked = await Deployments(session).look(id)
        if looked is not None:
            deployment, attempts = looked
            asked_in = None if deployment.state is State.ACTIVE else deployment.traceparent
            with telemetry.continued(f"deployment {deployment.state}", asked_in):
                await self._move_on(deployment, attempts)

    async def _move_on(self, deployment: Deployment | None, attempts: int) -> None:
        while deployment is not None and deployment.state not in ENDED:
            after = await self._attempt(deployment)
            has_moved = after.state is not deployment.state
            pause_s = 0.0 if has_moved else min(_SLOWEST_LOOK_S, _FIRST_LOOK_S * 2 ** min(attempts, 20))
            lets_go = after.state in SETTLED or pause_s > _HELD_S
            rest = Rest(self._next_look(after, pause_s), attempts + 1) if lets_go else None
            if not await self._store(deployment, after, rest):
                async with self.database.read() as session:
                    deployment = await Deployments(session).find(deployment.id)
            elif lets_go:
                await self._succeed(after)
                return
            else:
                await asyncio.sleep(pause_s)
                deployment, attempts = after, 0 if has_moved else attempts + 1

    async def _succeed(self, deployment: Deployment) -> None:
        """Closes what it has taken the place of, or begins its own successor; each look does so again."""
        if deployment.state is not State.ACTIVE:
            return
        rescue = succession.rescued(deployment, timedelta(seconds=self.fail_over_s), now())
        if rescue is not None or deployment.replaces is not None:
            async with self.database.write() as session:
                await retire(session, deployment)
                if rescue is not None:
                    await begin(session, deployment, rescue)
            self.news.due.ring()

    async def _attempt(self, deployment: Deployment) -> Deployment:
        """The deployment after a step, or after its deadline when that brought nothing."""
        after = deployment
        try:
            async with asyncio.timeout(self.step_timeout_s):
                after = await self.steps.take(deployment)
        except (Unavailable, TimeoutError) as error:
            log.warning(
                "step_postponed", deployment=str(deployment.id), state=deployment.state, error=repr(error)
            )
        return after.in_time(now()) if after.state is deployment.state else after

    async def _store(self, before: Deployment, after: Deployment, rest: Rest | None) -> bool:
        """Stores a step with its facts.

        False when somebody changed the deployment meanwhile; what was found out is dropped then.
        """
        if after is before and rest is None:
            return True
        async with self.database.write() as session:
            is_stored = await Deployments(session).replace(before, after, rest)
            if is_stored and after.state is not before.state:
                for told in events.facts(before, after):
                    outbox.record(session, told)
        if after.state in SETTLED:
            self.news.settled(before.id)
        return is_stored

    def _next_look(self, deployment: Deployment, pause_s: float) -> datetime | None:
        if deployment.state in ENDED:
            return None
        return now() + timedelta(seconds=self.watch_s if deployment.state is State.ACTIVE else pause_s)
