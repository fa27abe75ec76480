"""Moves every deployment on until there is nothing to do for it.

A state is stored before what it leads to, so that nothing is lost when we die.

A deployment that has something to do is due. A replica takes it by moving its due time ahead, so that no
other takes it meanwhile; when the replica dies, it comes due again. Every step may therefore be taken
twice, and a market takes the second time as done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from mesh_shared import bell
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from mesh_shared.events import outbox

from mesh_deployer.domain.deployment import SETTLED, Backend, Deployment, State
from mesh_deployer.domain.market import choose_bid
from mesh_deployer.errors import BidLost, ManifestRefused, ManifestTimeout, OrderNotOpen
from mesh_deployer.events import DeploymentClosed, DeploymentEvent, DeploymentFailed, LeaseCreated
from mesh_deployer.ports import Marketplace, Order
from mesh_deployer.repository.deployments import Deployments
from mesh_deployer.service.workloads import group_of

log = structlog.get_logger()

CLAIM = timedelta(seconds=60)
"""How long a replica may be silent before another takes its work; longer than a step may take."""
IDLE_S = 1.0
SWEEP_S = 60.0
_FIRST_LOOK_S, _SLOWEST_LOOK_S = 0.01, 2.0
_FIRST_RETRY_S, _SLOWEST_RETRY_S = 0.2, 15.0


@dataclass(slots=True, kw_only=True)
class Driver:
    """One per replica; at most `parallel` deployments are moved at a time."""

    database: Database
    markets: Mapping[Backend, Marketplace]
    instance: str
    parallel: int
    step_timeout_s: float
    _tasks: dict[UUID, asyncio.Task[None]] = field(default_factory=dict[UUID, asyncio.Task[None]])

    async def recover(self) -> None:
        """Takes up what this replica was doing when it died."""
        async with self.database.write() as session:
            await Deployments(session).release(self.instance, _now())

    async def turn(self) -> None:
        """Starts whatever is due, then waits for more."""
        ticket = self.database.committed.ticket()
        await bell.wait(ticket, await self._start_due())

    async def stop(self) -> None:
        """Drops what is under way; it is due again at the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def sweep(self) -> None:
        """Ends what a market still holds for deployments that have ended, or that we do not know."""
        async with self.database.read() as session:
            used = await Deployments(session).backends()
        for name, market in self.markets.items():
            if name in used:
                await self._sweep(market)
        await asyncio.sleep(SWEEP_S)

    async def _sweep(self, market: Marketplace) -> None:
        try:
            held = await market.held()
        except Unavailable:
            return
        async with self.database.read() as session:
            live = await Deployments(session).live(held)
        for id in set(held).difference(live):
            log.warning("leftover_removed", deployment=str(id))
            await market.close(id)

    async def _start_due(self) -> float:
        """Seconds until the next one is due."""
        if len(self._tasks) >= self.parallel:
            return IDLE_S
        now, busy = _now(), list(self._tasks)
        async with self.database.read() as session:
            due = await Deployments(session).due(now, busy, self.parallel - len(busy))
            next_due = await Deployments(session).next_due(busy)
        if due:
            async with self.database.write() as session:
                due = await Deployments(session).claim(due, self.instance, now, now + CLAIM)
        for id in due:
            self._tasks[id] = asyncio.create_task(self._drive(id), name=f"deployment {id}")
            self._tasks[id].add_done_callback(self._done)
        return IDLE_S if next_due is None else min(IDLE_S, max(0.0, (next_due - now).total_seconds()))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks = {id: running for id, running in self._tasks.items() if running is not task}
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("step_failed", task=task.get_name(), exc_info=bug)

    async def _drive(self, id: UUID) -> None:
        """Moves one deployment as far as it goes now."""
        async with self.database.read() as session:
            deployment = await Deployments(session).find(id)
            attempts = await Deployments(session).attempts(id)
        while deployment is not None and deployment.state not in SETTLED:
            try:
                async with asyncio.timeout(self.step_timeout_s):
                    after = await self._step(deployment)
            except (Unavailable, TimeoutError) as error:
                log.warning("step_postponed", deployment=str(id), state=deployment.state, error=repr(error))
                await self._rest(deployment, _pause(attempts, _FIRST_RETRY_S, _SLOWEST_RETRY_S), attempts + 1)
                return
            if not await self._store(deployment, after):
                async with self.database.read() as session:
                    deployment = await Deployments(session).find(id)
                continue
            if after.state is deployment.state:
                await self._rest(after, _pause(attempts, _FIRST_LOOK_S, _SLOWEST_LOOK_S), attempts + 1)
                return
            deployment, attempts = after, 0
        if deployment is not None:
            await self._rest(deployment, None, 0)

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

    async def _rest(self, deployment: Deployment, pause: timedelta | None, attempts: int) -> None:
        due_at = None if pause is None else _now() + pause
        async with self.database.write() as session:
            await Deployments(session).rest(deployment, due_at, attempts)

    async def _step(self, deployment: Deployment) -> Deployment:
        """The deployment after its next step; the same one when there is nothing new."""
        steps: Mapping[State, Callable[[Deployment, Marketplace], Awaitable[Deployment]]] = {
            State.CREATED: self._open,
            State.OPEN: self._choose,
            State.CHOSEN: self._lease,
            State.LEASED: self._start_workload,
            State.CLOSING: self._close,
        }
        try:
            return await steps[deployment.state](deployment, self.markets[deployment.provider])
        except OrderNotOpen as lost:
            return deployment.failing(lost.code(), lost.detail, _now())

    async def _open(self, deployment: Deployment, market: Marketplace) -> Deployment:
        order = Order(
            id=deployment.id,
            group=group_of(deployment.sdl),
            requirements=deployment.terms.requirements,
            deposit_uact=deployment.deposit_uact,
        )
        await market.create(order)
        return deployment.opened(_now())

    async def _choose(self, deployment: Deployment, market: Marketplace) -> Deployment:
        book = await market.bids(deployment.id)
        choice = choose_bid(book.bids, deployment.terms, lost=deployment.lost)
        seen, now = deployment.saw(choice, book.declined), _now()
        if choice.chosen is not None and (book.is_complete or now >= deployment.deadlines.bids_until):
            return seen.chose(choice.chosen, now)
        if book.is_complete or now >= deployment.deadlines.bid_by:
            text = f"None of {len(book.bids)} bid(s) met the terms; {len(book.declined)} did not bid."
            return seen.failing("no-acceptable-bid", text, now)
        return seen

    async def _lease(self, deployment: Deployment, market: Marketplace) -> Deployment:
        bid = deployment.chosen
        if bid is None:
            raise ValueError("chosen, but no bid is")
        try:
            lease = await market.accept(deployment.id, bid)
        except BidLost:
            return deployment.lost_bid(bid.provider, _now())
        return deployment.got_lease(lease, _now())

    async def _start_workload(self, deployment: Deployment, market: Marketplace) -> Deployment:
        try:
            await market.send_manifest(deployment.id, group_of(deployment.sdl))
            condition = await market.status(deployment.id)
        except (ManifestTimeout, ManifestRefused) as refusal:
            return deployment.failing(refusal.code(), refusal.detail, _now())
        if condition.phase == "exited":
            return deployment.failing("workload-exited", condition.note, _now())
        if condition.phase == "running":
            return deployment.running(condition.uris, condition.note, _now())
        if _is_late(deployment, _now()):
            return deployment.failing("manifest-timeout", "The workload did not start in time.", _now())
        return deployment

    async def _close(self, deployment: Deployment, market: Marketplace) -> Deployment:
        return deployment.ended(await market.close(deployment.id), _now())


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


def _is_late(deployment: Deployment, now: datetime) -> bool:
    limit = timedelta(seconds=deployment.deadlines.manifest_s)
    return deployment.leased_at is not None and now >= deployment.leased_at + limit


def _pause(attempts: int, first_s: float, slowest_s: float) -> timedelta:
    return timedelta(seconds=min(slowest_s, first_s * 2 ** min(attempts, 20)))


def _now() -> datetime:
    return datetime.now(UTC)
