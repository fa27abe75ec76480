"""What is done for a deployment in each of its states. Every step may be taken twice."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from mesh_shared.errors import Unavailable

from mesh_deployer.domain.choice import choose_bids
from mesh_deployer.domain.deployment import Backend, Deployment, State
from mesh_deployer.errors import (
    BidLost,
    InsufficientFunds,
    LeaseLost,
    ManifestRefused,
    ManifestTimeout,
    OrderNotOpen,
    OrderRefused,
)
from mesh_deployer.ports import Marketplace, Order
from mesh_deployer.service.workloads import workload_of

Step = Callable[[Deployment, Marketplace], Awaitable[Deployment]]


@dataclass(frozen=True, slots=True)
class Steps:
    """Asks a deployment's market for what its state intends."""

    markets: Mapping[Backend, Marketplace]
    block_time_s: Decimal = Decimal(6)

    async def take(self, deployment: Deployment) -> Deployment:
        """The deployment after its next step; the same one when there is nothing new.

        Raises `Unavailable` while the market cannot be reached, or is not connected any more.
        """
        if (market := self.markets.get(deployment.provider)) is None:
            raise Unavailable(deployment.provider)
        raised = deployment.raised(now(), self.block_time_s)
        if deployment.state is State.ACTIVE and raised is not deployment:
            return raised  # stored before the market is asked for it
        try:
            return await _STEPS[deployment.state](deployment, market)
        except LeaseLost as lost:
            return deployment.lost_leases(lost.code(), lost.detail, lost.leases, lost.gseqs, now())
        except (OrderNotOpen, OrderRefused, InsufficientFunds, ManifestTimeout) as ended:
            return deployment.failing(ended.code(), ended.detail, now())


def now() -> datetime:
    """The time of what happens now."""
    return datetime.now(UTC)


async def _open(deployment: Deployment, market: Marketplace) -> Deployment:
    order = Order(
        id=deployment.id,
        workload=workload_of(deployment.sdl),
        requirements=deployment.terms.requirements,
        deposit_uact=deployment.deposit_uact,
        number=deployment.order_number,
        kept=deployment.kept,
    )
    await market.create(order)
    return deployment.opened(now())


async def _choose(deployment: Deployment, market: Marketplace) -> Deployment:
    book = await market.bids(deployment.id)
    choice = choose_bids(book.bids, deployment.terms, lost=deployment.lost, kept=deployment.kept)
    seen = deployment.saw(choice, book.declined)
    if choice.chosen and (book.is_complete or deployment.has_gathered(now())):
        return seen.chose(choice.chosen, now())
    if not choice.chosen and book.is_complete:
        return seen.without_bid(now())
    return seen


async def _lease(deployment: Deployment, market: Marketplace) -> Deployment:
    try:
        leases = await market.accept(deployment.id, deployment.chosen)
    except BidLost as lost:
        return deployment.lost_bid(lost.bid, now())
    return deployment.got_leases(leases, now())


async def _start(deployment: Deployment, market: Marketplace) -> Deployment:
    try:
        await market.send_manifest(deployment.id, workload_of(deployment.sdl))
    except (ManifestTimeout, ManifestRefused) as refusal:
        return deployment.not_started(refusal.code(), refusal.detail, now())
    return await _watch(deployment, market)


async def _watch(deployment: Deployment, market: Marketplace) -> Deployment:
    deployment = await _fund(deployment, market)
    condition = await market.status(deployment.id)
    if condition.phase == "exited" and deployment.state is State.LEASED:
        return deployment.not_started("workload-exited", condition.note, now())
    if condition.phase == "exited":
        with suppress(ManifestRefused):
            await market.send_manifest(deployment.id, workload_of(deployment.sdl))  # starts what is not there
    if condition.phase == "running" and deployment.state is State.LEASED:
        return deployment.running(condition.uris, condition.note, now())
    if deployment.state is State.ACTIVE:
        return deployment.seen(condition.phase == "running", condition.uris, now())
    return deployment


async def _fund(deployment: Deployment, market: Marketplace) -> Deployment:
    """Raises the deposit to its goal; the market takes the same sum twice as once."""
    if deployment.deposit_goal_uact <= deployment.deposit_uact:
        return deployment
    await market.deposit(deployment.id, deployment.deposit_goal_uact)
    return deployment.deposited(now())


async def _close(deployment: Deployment, market: Marketplace) -> Deployment:
    with suppress(OrderNotOpen, InsufficientFunds, LeaseLost, ManifestTimeout):  # it has ended by itself
        deployment = await _fund(deployment, market)
    closed = await market.close(deployment.id)
    return deployment.ended(closed.spent_uact, now(), closed.reason)


_STEPS: Mapping[State, Step] = {
    State.CREATED: _open,
    State.OPEN: _choose,
    State.CHOSEN: _lease,
    State.LEASED: _start,
    State.ACTIVE: _watch,
    State.CLOSING: _close,
}
