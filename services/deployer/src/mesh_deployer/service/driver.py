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
from datetime import timedelta
from uuid import UUID

import structlog
from mesh_shared import background, bell
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from mesh_shared.events import outbox

from mesh_deployer.domain.deployment import ENDED, SETTLED, Deployment, State
from mesh_deployer.events import DeploymentClosed, DeploymentEvent, DeploymentFailed, LeaseCreated
from mesh_deployer.repository.deployments import Deployments
from mesh_deployer.service.steps import Steps, now

log = structlog.get_logger()

CLAIM = timedelta(seconds=60)
"""How long a replica may be silent before another takes its work; longer than a step may take."""
IDLE_S = 1.0
_FIRST_LOOK_S, _SLOWEST_LOOK_S = 0.01, 5.0


@dataclass(slots=True, kw_only=True)
class Driver:
    """One per replica; at most `parallel` deployments are moved at a time, and active ones watched."""

    database: Database
    steps: Steps
    instance: str
    parallel: int
    step_timeout_s: float
    watch_s: float
    _tasks: dict[UUID, asyncio.Task[None]] = field(default_factory=dict[UUID, asyncio.Task[None]])

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
        ticket = self.database.committed.ticket()
        await bell.wait(ticket, await self._start_due())

    async def _start_due(self) -> float:
        """Seconds until the next one is due."""
        if len(self._tasks) >= self.parallel:
            return IDLE_S
        moment, busy = now(), list(self._tasks)
        async with self.database.read() as session:
            due = await Deployments(session).due(moment, busy, self.parallel - len(busy))
            next_due = await Deployments(session).next_due(busy)
        if due:
            async with self.database.write() as session:
                due = await Deployments(session).claim(due, self.instance, moment, moment + CLAIM)
        for id in due:
            self._tasks[id] = asyncio.create_task(self._drive(id), name=f"deployment {id}")
            self._tasks[id].add_done_callback(_report)
        return IDLE_S if next_due is None else min(IDLE_S, max(0.0, (next_due - moment).total_seconds()))

    async def _drive(self, id: UUID) -> None:
        try:
            await self._move(id)
        finally:
            # here and not in a callback: the commit above has rung for the place that is free now
            del self._tasks[id]

    async def _move(self, id: UUID) -> None:
        """Moves one deployment as far as it goes now."""
        async with self.database.read() as session:
            deployment = await Deployments(session).find(id)
            attempts = await Deployments(session).attempts(id)
        while deployment is not None and deployment.state not in ENDED:
            after = await self._attempt(deployment)
            if not await self._store(deployment, after):
                async with self.database.read() as session:
                    deployment = await Deployments(session).find(id)
            elif after.state is deployment.state or after.state in SETTLED:
                return await self._rest(after, attempts)
            else:
                deployment, attempts = after, 0
        if deployment is not None:
            await self._rest(deployment, 0)

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

    async def _store(self, before: Deployment, after: Deployment) -> bool:
        """False when somebody changed the deployment meanwhile; what was found out is dropped then."""
        if after is before:
            return True
        async with self.database.write() as session:
            if not await Deployments(session).replace(before, after):
                return False
            if after.state is not before.state and (fact := _fact(after)) is not None:
                outbox.record(session, fact)
        return True

    async def _rest(self, deployment: Deployment, attempts: int) -> None:
        """Ends the look; the next comes later and later while nothing happens, and never after the end."""
        pause_s = min(_SLOWEST_LOOK_S, _FIRST_LOOK_S * 2 ** min(attempts, 20))
        if deployment.state is State.ACTIVE:
            pause_s = self.watch_s
        due_at = None if deployment.state in ENDED else now() + timedelta(seconds=pause_s)
        async with self.database.write() as session:
            await Deployments(session).rest(deployment, due_at, attempts + 1)


def _report(task: asyncio.Task[None]) -> None:
    """A bug of ours ends one look and no other's; the deployment is due again when the claim ends."""
    if not task.cancelled() and (bug := task.exception()) is not None:
        log.error("step_failed", task=task.get_name(), exc_info=bug)


def _fact(deployment: Deployment) -> DeploymentEvent | None:
    """What the world is told when a deployment gets where it is."""
    id, backend = deployment.id, deployment.provider
    match deployment:
        case Deployment(state=State.LEASED, lease=lease, chosen=bid) if lease and bid:
            return LeaseCreated(
                deployment_id=id,
                provider=backend,
                lease_id=lease.lease_id,
                provider_address=bid.provider,
                uact_per_block=f"{bid.uact_per_block:f}",
            )
        case Deployment(state=State.CLOSED):
            return DeploymentClosed(
                deployment_id=id, provider=backend, refunded_uact=str(deployment.refunded_uact)
            )
        case Deployment(state=State.FAILED, ending=ending) if ending:
            return DeploymentFailed(
                deployment_id=id,
                provider=backend,
                code=ending.code or "",
                detail=ending.text,
                refunded_uact=str(deployment.refunded_uact),
            )
        case _:
            return None
