"""Akash as a marketplace. The chain is the truth: every step looks at it, acts, and looks again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import Any, TypeVar
from uuid import UUID

from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable

from mesh_deployer.adapters.akash.chain import LOOK_S, VALID_BLOCKS, Chain, Overtaken, Refused
from mesh_deployer.adapters.akash.gateway import ProviderGateway, Tenancy
from mesh_deployer.adapters.akash.views import (
    BidView,
    DeploymentAnswer,
    LeaseState,
    LeaseView,
    ProviderView,
    active,
    condition,
    current,
    observed,
)
from mesh_deployer.adapters.akash.wire import Coin, Message
from mesh_deployer.adapters.merged import merged
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.manifest import group_specs, manifest, resources_digest, version_hash
from mesh_deployer.domain.market import Bid, BidBook, CloseReason, Declined, misses
from mesh_deployer.domain.workload import Workload
from mesh_deployer.errors import (
    BidLost,
    InsufficientFunds,
    LeaseLost,
    ManifestRefused,
    ManifestTimeout,
    NotOffered,
    OrderNotOpen,
    ServiceUnknown,
)
from mesh_deployer.ports import Closed, Condition, LogLine, Order, Output
from mesh_deployer.repository.orders import RemoteOrders
from mesh_deployer.repository.tables import RemoteOrderRow

T = TypeVar("T")

BACKEND = "akash-chain"
DENOM = "uact"
UNKNOWN_REPUTATION = Decimal("0.5")
"""A chain knows no reputation; what nobody has vouched for is neither good nor bad."""
_DSEQ_BITS = 48
"""A deployment's number is ours to choose; JavaScript reads no more than 53 bits of it."""
_TRIES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An order of ours, and what the chain says of it."""

    row: RemoteOrderRow
    deployment: DeploymentAnswer
    leases: Sequence[LeaseView]

    @property
    def current(self) -> dict[int, LeaseView]:
        """The last lease of each placement, whatever has become of it."""
        return current(self.leases)

    @property
    def active(self) -> dict[int, LeaseView]:
        """The lease of each placement that has one."""
        return active(self.leases)

    @property
    def is_leased(self) -> bool:
        """True when every placement has a lease."""
        return len(self.active) == len(self.deployment.groups)

    @property
    def is_active(self) -> bool:
        return self.deployment.deployment.state == "active"

    @property
    def paused(self) -> tuple[int, ...]:
        """The placements whose provider has closed the lease, and for which no new order was opened."""
        return tuple(group.id.gseq for group in self.deployment.groups if group.state == "paused")

    @property
    def lost(self) -> list[LeaseView]:
        """The leases that their providers have closed."""
        return [self.current[gseq] for gseq in self.paused if gseq in self.current]

    @property
    def reason(self) -> CloseReason:
        """Why the last lease is closed, as far as the chain or the order of things tells."""
        if self.deployment.escrow_account.state == "overdrawn":
            return CloseReason.INSUFFICIENT_FUNDS
        if not self.lost:
            return CloseReason.OWNER
        return self.lost[0].why(self.row.has_manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class AkashMarketplace:
    """Implements `ports.Marketplace`. Pays with the key of `chain`'s signer."""

    database: Database
    chain: Chain
    gateway: ProviderGateway
    may_exec: bool = False
    """Whether the operator lets commands be run at providers."""

    async def capabilities(self, workload: Workload) -> str:
        chain_id, _ = await self.chain.head()
        return f"Bids, lease and payment are real, on the chain {chain_id}; the provider is a stranger."

    async def quote(self, order: Order) -> BidBook:
        """The chain knows no price before there is an order: nobody's bid is foretold."""
        providers = await self.chain.providers()
        declined = [
            Declined(provider=provider.owner, reason=fault[1], cause=fault[0], gseq=gseq)
            for gseq, group in order.workload.numbered
            for provider in providers
            if (fault := misses(order.attributes(group), provider.said))
        ]
        return BidBook((), tuple(declined))

    async def create(self, order: Order) -> None:
        row, groups = await self._entered(order), order.workload.groups
        dseq, profile = _dseq(row), self.chain.profile
        wanted = [replace(g, attributes=tuple(order.attributes(g).items()) or None) for g in groups]
        again = [gseq for gseq, _ in order.workload.numbered if gseq not in order.kept]

        async def is_open() -> bool | None:
            found = await self._look(row)
            is_waiting = found is None or (order.number > 1 and set(again).intersection(found.paused))
            return None if is_waiting else True

        if order.number == 1:
            deposit, version = Coin(DENOM, order.deposit_uact), version_hash(groups)
            messages = [profile.create_deployment(self._owner, dseq, group_specs(wanted), version, deposit)]
        else:
            messages = [profile.start_group(self._owner, dseq, gseq) for gseq in again]
        await self._have(is_open, *messages, until=row.void_after)

    async def bids(self, order_id: UUID) -> BidBook:
        found = await self._usable(order_id)
        bids = [
            bid
            for gseq, oseq in (await self._orders(found)).items()
            if gseq not in found.active
            for bid in await self.chain.bids(_dseq(found.row), gseq, oseq)
            if bid.state in ("open", "active")
        ]
        addresses = dict.fromkeys(bid.id.provider for bid in bids)
        known = await asyncio.gather(*map(self.chain.provider, addresses))
        by_address = dict(zip(addresses, known, strict=True))
        return BidBook(tuple(_bid(bid, by_address[bid.id.provider]) for bid in bids))

    async def accept(self, order_id: UUID, bids: Sequence[Bid]) -> Sequence[Lease]:
        """One transaction for all of them: the chain makes every lease or none."""
        found = await self._usable(order_id)
        orders, dseq = await self._orders(found), _dseq(found.row)
        wanted = [bid for bid in bids if bid.gseq not in found.active]

        async def leased() -> dict[int, LeaseView] | None:
            # Bids first: one that became our lease between two looks would pass for lost.
            offers = [await self.chain.bids(dseq, bid.gseq, orders[bid.gseq]) for bid in wanted]
            leases = {v.id.gseq: v for v in await self.chain.leases(dseq) if v.id.oseq == orders[v.id.gseq]}
            if len(leases) == len(bids):
                return leases
            for bid, offered in zip(wanted, offers, strict=True):
                if not any(b.id.provider == bid.provider and b.state == "open" for b in offered):
                    raise BidLost(bid.id)
            return None

        ids = [self._id(dseq, bid.gseq, orders[bid.gseq], bid.provider) for bid in wanted]
        leases = await self._have(leased, *map(self.chain.profile.create_lease, ids))
        if any(leases[bid.gseq].id.provider != bid.provider for bid in bids):
            raise OrderNotOpen
        return [Lease(lease_id=leases[bid.gseq].name, provider_uri=bid.uri, gseq=bid.gseq) for bid in bids]

    async def send_manifest(self, order_id: UUID, workload: Workload) -> None:
        found = await self._usable(order_id)
        if not found.is_leased:
            raise OrderNotOpen
        if found.row.resources != resources_digest(workload.groups):
            raise ManifestRefused("The lease is for other resources than this manifest asks for.")
        await self._tell_chain(found.row, version_hash(workload.groups))
        try:
            await self.gateway.send_manifests(await self._tenancies(found), manifest(workload.groups))
        except ManifestRefused:
            await self._usable(order_id)  # raises the reason when the lease is gone
            raise
        async with self.database.write() as session:
            await RemoteOrders(session, BACKEND).set(order_id, has_manifest=True)

    async def status(self, order_id: UUID) -> Condition:
        found = await self._usable(order_id)
        if not found.is_leased:
            return Condition("starting", "No provider has it yet.")
        states = await self._states(await self._tenancies(found))
        return condition([lease.id.provider for lease in found.active.values()], states)

    async def observed(self, order_id: UUID) -> Sequence[Observed]:
        found = await self._usable(order_id)
        states = await self._states(await self._tenancies(found))
        return [
            seen for gseq, state in zip(found.active, states, strict=True) for seen in observed(gseq, state)
        ]

    async def deposit(self, order_id: UUID, total_uact: int) -> None:
        found = await self._usable(order_id)

        async def missing() -> int:
            now = await self._look(found.row)
            return 0 if now is None else total_uact - int(now.deployment.escrow_account.deposited)

        for _ in range(_TRIES):
            if (amount := await missing()) <= 0:
                return
            message = self.chain.profile.deposit(self._owner, _dseq(found.row), Coin(DENOM, amount))
            await self._try(message)
        raise Unavailable("akash")

    async def close(self, order_id: UUID) -> Closed:
        async with self.database.read() as session:
            row = await RemoteOrders(session, BACKEND).find(order_id)
        if row is None:
            return Closed(reason=CloseReason.OWNER, spent_uact=0)
        if row.reason is not None:
            return Closed(reason=CloseReason(row.reason), spent_uact=row.spent_uact or 0)
        closed = await self._closed(row)
        async with self.database.write() as session:
            await RemoteOrders(session, BACKEND).set(
                order_id, reason=closed.reason, spent_uact=closed.spent_uact
            )
        return closed

    async def held(self) -> Sequence[UUID]:
        async with self.database.read() as session:
            return await RemoteOrders(session, BACKEND).held()

    async def logs(self, order_id: UUID, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        found = await self._usable(order_id)
        if not tail:
            return
        tenancies = await self._tenancies(found)
        logs = [self.gateway.logs(tenancy, tail=tail, follow=follow) for tenancy in tenancies]
        async with aclosing(merged(logs)) as lines:
            async for line in lines:
                yield line

    async def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        if not self.may_exec:
            raise NotOffered("The operator does not let commands be run at Akash's providers.")
        tenancies = await self._tenancies(await self._usable(order_id))
        for tenancy, state in zip(tenancies, await self._states(tenancies), strict=True):
            if state is not None and service in state.services:
                return await self.gateway.exec(tenancy, service, command)
        raise ServiceUnknown(service)

    @property
    def _owner(self) -> str:
        return self.chain.signer.address

    def _id(self, dseq: int, gseq: int, oseq: int, provider: str) -> dict[str, Any]:
        return {"owner": self._owner, "dseq": dseq, "gseq": gseq, "oseq": oseq, "provider": provider}

    async def _entered(self, order: Order) -> RemoteOrderRow:
        """The intent, on record before anything is paid, and until when it may come true."""
        _, height = await self.chain.head()
        async with self.database.write() as session:
            orders = RemoteOrders(session, BACKEND)
            if (row := await orders.find(order.id)) is None:
                dseq = int.from_bytes(order.id.bytes) >> (128 - _DSEQ_BITS)
                row = orders.add(order.id, dseq=dseq, resources=resources_digest(order.workload.groups))
            row.void_after = height + VALID_BLOCKS
        return row

    async def _look(self, row: RemoteOrderRow) -> Found | None:
        """What the chain says; None when it has never heard of it."""
        dseq = _dseq(row)
        deployment, leases = await asyncio.gather(self.chain.deployment(dseq), self.chain.leases(dseq))
        return None if deployment is None else Found(row=row, deployment=deployment, leases=leases)

    async def _usable(self, order_id: UUID) -> Found:
        """The order. Raises why nothing more can be done with it, where that is so."""
        async with self.database.read() as session:
            row = await RemoteOrders(session, BACKEND).find(order_id)
        found = await self._look(row) if row is not None else None
        if found is None:
            raise OrderNotOpen
        reason = found.reason
        if reason is CloseReason.INSUFFICIENT_FUNDS:
            raise InsufficientFunds
        if not found.is_active:
            raise OrderNotOpen
        if reason is CloseReason.MANIFEST_TIMEOUT:
            raise ManifestTimeout
        if reason is not CloseReason.OWNER:
            raise LeaseLost([lease.id.bid for lease in found.lost], reason, found.paused)
        return found

    async def _orders(self, found: Found) -> dict[int, int]:
        """The number of each placement's last order."""
        orders = {order.id.gseq: order.id.oseq for order in await self.chain.orders(_dseq(found.row))}
        if len(orders) < len(found.deployment.groups):
            raise Unavailable("akash")
        return dict(sorted(orders.items()))

    async def _states(self, tenancies: Sequence[Tenancy]) -> list[LeaseState | None]:
        """What each provider says of its lease; all are asked at once."""
        return await asyncio.gather(*map(self.gateway.status, tenancies))

    async def _tenancies(self, found: Found) -> list[Tenancy]:
        """In the order of `found.active`, of which a deployment has at most twenty."""
        return await asyncio.gather(*map(self._tenancy, found.active.values()))

    async def _tenancy(self, lease: LeaseView) -> Tenancy:
        provider, certificates = await asyncio.gather(
            self.chain.provider(lease.id.provider), self.chain.certificates(lease.id.provider)
        )
        return Tenancy(id=lease.id, uri=provider.host_uri, certificates=tuple(certificates))

    async def _tell_chain(self, row: RemoteOrderRow, version: str) -> None:
        """The hash of what is sent is on the chain before it is sent: the provider compares."""

        async def is_known() -> bool | None:
            deployment = await self.chain.deployment(_dseq(row))
            is_same = deployment is not None and deployment.deployment.version.hex() == version
            return True if is_same else None

        await self._have(is_known, self.chain.profile.update_deployment(self._owner, _dseq(row), version))

    async def _closed(self, row: RemoteOrderRow) -> Closed:
        before = await self._look(row)
        if before is None:
            await self._make_sure_that_it_never_opens(row)
            return Closed(reason=CloseReason.OWNER, spent_uact=0)

        async def ended() -> Found | None:
            found = await self._look(row)
            return found if found is not None and not found.is_active else None

        after = await self._have(ended, self.chain.profile.close_deployment(self._owner, _dseq(row)))
        overdrawn = after.reason is CloseReason.INSUFFICIENT_FUNDS
        spent = after.deployment.escrow_account.transferred.to_integral_value(ROUND_CEILING)
        return Closed(reason=after.reason if overdrawn else before.reason, spent_uact=int(spent))

    async def _make_sure_that_it_never_opens(self, row: RemoteOrderRow) -> None:
        """Raises `Unavailable` while what was sent, and not heard of, may still come through."""
        _, height = await self.chain.head()
        if height <= (row.void_after or 0) or await self._look(row) is not None:
            raise Unavailable("akash")

    async def _have(
        self, look: Callable[[], Awaitable[T | None]], *messages: Message, until: int | None = None
    ) -> T:
        """What `look` finds, after sending `messages` where that was needed."""
        for _ in range(_TRIES):
            if (found := await look()) is not None:
                return found
            await self._try(*messages, until=until)
        raise Unavailable("akash")

    async def _try(self, *messages: Message, until: int | None = None) -> None:
        """A refusal may mean that it is done already: whoever asked looks again, after a while."""
        try:
            await self.chain.send(*messages, until=until)
        except (Refused, Overtaken):
            await asyncio.sleep(LOOK_S)


def _dseq(row: RemoteOrderRow) -> int:
    if row.dseq is None:
        raise ValueError("an order on this chain has its number from the start")
    return row.dseq


def _bid(bid: BidView, provider: ProviderView) -> Bid:
    return Bid(
        gseq=bid.id.gseq,
        provider=provider.owner,
        uri=provider.host_uri,
        uact_per_block=bid.price.amount.normalize() + 0,
        reputation=UNKNOWN_REPUTATION,
        attributes=provider.said,
    )
