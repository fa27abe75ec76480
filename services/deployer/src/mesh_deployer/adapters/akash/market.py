"""Akash as a marketplace. The chain is the truth: every step looks at it, acts, and looks again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar
from uuid import UUID

from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable

from mesh_deployer.adapters.akash.chain import LOOK_S, VALID_BLOCKS, Chain, Overtaken, Refused
from mesh_deployer.adapters.akash.gateway import ProviderGateway, Tenancy
from mesh_deployer.adapters.akash.views import DeploymentAnswer, LeaseState, LeaseView, ProviderView
from mesh_deployer.adapters.akash.wire import Coin, Message
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.manifest import group_specs, manifest, resources_digest, version_hash
from mesh_deployer.domain.market import Bid, BidBook, CloseReason, Declined, misses
from mesh_deployer.domain.workload import Group
from mesh_deployer.errors import (
    BidLost,
    InsufficientFunds,
    LeaseLost,
    ManifestRefused,
    ManifestTimeout,
    NotOffered,
    OrderNotOpen,
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
    def lease(self) -> LeaseView | None:
        """The last one, whatever has become of it."""
        return self.leases[-1] if self.leases else None

    @property
    def is_active(self) -> bool:
        return self.deployment.deployment.state == "active"

    @property
    def is_paused(self) -> bool:
        """True when its provider has closed the lease and no new order was opened."""
        return self.deployment.groups[0].state == "paused"

    @property
    def reason(self) -> CloseReason:
        """Why the last lease is closed, as far as the chain or the order of things tells."""
        if self.deployment.escrow_account.state == "overdrawn":
            return CloseReason.INSUFFICIENT_FUNDS
        if not self.is_paused or self.lease is None:
            return CloseReason.OWNER
        return self.lease.why(self.row.has_manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class AkashMarketplace:
    """Implements `ports.Marketplace`. Pays with the key of `chain`'s signer."""

    database: Database
    chain: Chain
    gateway: ProviderGateway

    async def capabilities(self, group: Group) -> str:
        chain_id, _ = await self.chain.head()
        return f"Bids, lease and payment are real, on the chain {chain_id}; the provider is a stranger."

    async def quote(self, order: Order) -> BidBook:
        """The chain knows no price before there is an order: nobody's bid is foretold."""
        providers = await self.chain.providers()
        wanted = dict(sorted(order.attributes.items()))
        declined = [
            Declined(provider=provider.owner, reason=fault[1], cause=fault[0])
            for provider in providers
            if (fault := misses(wanted, provider.said))
        ]
        return BidBook((), tuple(declined))

    async def create(self, order: Order) -> None:
        row = await self._entered(order)
        message = self.chain.profile.create_deployment(
            self._owner,
            _dseq(row),
            group_specs([_with_requirements(order)]),
            version_hash([order.group]),
            Coin(DENOM, order.deposit_uact),
        )

        async def is_open() -> bool | None:
            found = await self._look(row)
            if found is None:
                return None
            if order.number == 1 or not found.is_paused:
                return True
            return None

        if order.number > 1:
            message = self.chain.profile.start_group(self._owner, _dseq(row), 1)
        await self._have(is_open, message, until=row.void_after)

    async def bids(self, order_id: UUID) -> BidBook:
        found = await self._usable(order_id)
        bids = await self.chain.bids(_dseq(found.row), await self._oseq(found))
        usable = [bid for bid in bids if bid.state in ("open", "active")]
        providers = await asyncio.gather(*(self.chain.provider(bid.id.provider) for bid in usable))
        return BidBook(tuple(map(_bid, providers, (bid.price.amount for bid in usable))))

    async def accept(self, order_id: UUID, bid: Bid) -> Lease:
        found = await self._usable(order_id)
        oseq = await self._oseq(found)
        dseq = _dseq(found.row)
        wanted = {"owner": self._owner, "dseq": dseq, "gseq": 1, "oseq": oseq, "provider": bid.provider}

        async def leased() -> LeaseView | None:
            # Bids first: one that became our lease between two looks would pass for lost.
            bids = await self.chain.bids(dseq, oseq)
            leases = [lease for lease in await self.chain.leases(dseq) if lease.id.oseq == oseq]
            if leases:
                return leases[-1]
            if not any(b.id.provider == bid.provider and b.state == "open" for b in bids):
                raise BidLost(bid.provider)
            return None

        lease = await self._have(leased, self.chain.profile.create_lease(wanted))
        if lease.id.provider != bid.provider:
            raise OrderNotOpen
        return Lease(lease_id=f"{self._owner}/{dseq}/1/{oseq}/{bid.provider}", provider_uri=bid.uri)

    async def send_manifest(self, order_id: UUID, group: Group) -> None:
        found = await self._usable(order_id)
        lease = _leased(found)
        if found.row.resources != resources_digest(group):
            raise ManifestRefused("The lease is for other resources than this manifest asks for.")
        await self._tell_chain(found.row, version_hash([group]))
        try:
            await self.gateway.send_manifest(await self._tenancy(lease), manifest([group]))
        except ManifestRefused:
            await self._usable(order_id)  # raises the reason when the lease is gone
            raise
        async with self.database.write() as session:
            await RemoteOrders(session, BACKEND).set(order_id, has_manifest=True)

    async def status(self, order_id: UUID) -> Condition:
        found = await self._usable(order_id)
        if found.lease is None or found.lease.state != "active":
            return Condition("starting", "No provider has it yet.")
        state = await self._state(found.lease)
        if state is None or not state.is_running:
            return Condition("starting", "The provider has not started all of it.")
        return Condition("running", f"{found.lease.id.provider} runs it.", state.uris)

    async def observed(self, order_id: UUID) -> Sequence[Observed]:
        found = await self._usable(order_id)
        is_leased = found.lease is not None and found.lease.state == "active"
        state = await self._state(found.lease) if found.lease and is_leased else None
        return [] if state is None else state.observed

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
        if found.lease is None or not tail:
            return
        tenancy = await self._tenancy(found.lease)
        async for line in self.gateway.logs(tenancy, tail=tail, follow=follow):
            yield line

    async def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        raise NotOffered("Commands are not run on Akash's providers from here.")

    @property
    def _owner(self) -> str:
        return self.chain.signer.address

    async def _entered(self, order: Order) -> RemoteOrderRow:
        """The intent, on record before anything is paid, and until when it may come true."""
        _, height = await self.chain.head()
        async with self.database.write() as session:
            orders = RemoteOrders(session, BACKEND)
            if (row := await orders.find(order.id)) is None:
                dseq = int.from_bytes(order.id.bytes) >> (128 - _DSEQ_BITS)
                row = orders.add(order.id, dseq=dseq, resources=resources_digest(order.group))
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
            raise LeaseLost(found.lease.id.provider if found.lease else "", reason)
        return found

    async def _oseq(self, found: Found) -> int:
        orders = await self.chain.orders(_dseq(found.row))
        if not orders:
            raise Unavailable("akash")
        return orders[-1].id.oseq

    async def _state(self, lease: LeaseView) -> LeaseState | None:
        return await self.gateway.status(await self._tenancy(lease))

    async def _tenancy(self, lease: LeaseView) -> Tenancy:
        provider, certificates = await asyncio.gather(
            self.chain.provider(lease.id.provider), self.chain.certificates(lease.id.provider)
        )
        return Tenancy(
            dseq=lease.id.dseq,
            gseq=lease.id.gseq,
            oseq=lease.id.oseq,
            provider=lease.id.provider,
            uri=provider.host_uri,
            certificates=tuple(certificates),
        )

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
        self, look: Callable[[], Awaitable[T | None]], message: Message, until: int | None = None
    ) -> T:
        """What `look` finds, after sending `message` where that was needed."""
        for _ in range(_TRIES):
            if (found := await look()) is not None:
                return found
            await self._try(message, until)
        raise Unavailable("akash")

    async def _try(self, message: Message, until: int | None = None) -> None:
        """A refusal may mean that it is done already: whoever asked looks again, after a while."""
        try:
            await self.chain.send(message, until=until)
        except (Refused, Overtaken):
            await asyncio.sleep(LOOK_S)


def _dseq(row: RemoteOrderRow) -> int:
    if row.dseq is None:
        raise ValueError("an order on this chain has its number from the start")
    return row.dseq


def _leased(found: Found) -> LeaseView:
    if found.lease is None or found.lease.state != "active":
        raise OrderNotOpen
    return found.lease


def _with_requirements(order: Order) -> Group:
    """What must hold beside the group's own attributes is asked of the chain, too."""
    return replace(order.group, attributes=tuple(sorted(order.attributes.items())) or None)


def _bid(provider: ProviderView, price: Decimal) -> Bid:
    return Bid(
        provider=provider.owner,
        uri=provider.host_uri,
        uact_per_block=price.normalize() + 0,
        reputation=UNKNOWN_REPUTATION,
        attributes=provider.said,
    )
