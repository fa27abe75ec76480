"""Akash through the Console. It keeps the account, signs, and takes the manifest to the provider.

The Console gives a deployment its number when it has been made, so whoever does not hear the answer does not
know it. Before anything is sent that must not come true twice, it is on record until when it may come true;
until then it is looked for, and not sent again. What is found belongs to the order whose manifest it has.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from decimal import ROUND_CEILING
from hashlib import sha256
from uuid import UUID

from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable

from mesh_deployer.adapters.akash.views import BidView, LeaseView, condition, observed
from mesh_deployer.adapters.console.api import NAME, Console, Refused
from mesh_deployer.adapters.console.proxy import Door, ProviderProxy
from mesh_deployer.adapters.console.views import UNKNOWN_REPUTATION, Deployment, Provider
from mesh_deployer.adapters.merged import merged
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.manifest import canonical, resources_digest, version_hash
from mesh_deployer.domain.market import Bid, BidBook, Cause, CloseReason, Declined, misses
from mesh_deployer.domain.workload import Workload
from mesh_deployer.domain.writing import write_sdl
from mesh_deployer.errors import (
    BidLost,
    InsufficientFunds,
    LeaseLost,
    ManifestRefused,
    ManifestTimeout,
    NotOffered,
    OrderNotOpen,
    OrderRefused,
    ServiceUnknown,
)
from mesh_deployer.ports import Closed, Condition, LogLine, Order, Output
from mesh_deployer.repository.orders import RemoteOrders
from mesh_deployer.repository.tables import RemoteOrderRow

DENOM = "uact"
SETTLE_S = 120
"""For how long something that was sent, and not heard of, may still come true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleMarketplace:
    """Implements `ports.Marketplace`. The account behind `console` pays."""

    database: Database
    console: Console
    proxy: ProviderProxy
    may_exec: bool = False
    """Whether the operator lets commands be run at providers."""
    settle_s: float = SETTLE_S

    async def capabilities(self, workload: Workload) -> str:
        """Also raises `ConsoleNotConnected`, `NotWritten`."""
        write_sdl(workload.groups)
        await self.console.check()
        return "Bids, lease and payment are real, by an account of the Console; the provider is a stranger."

    async def quote(self, order: Order) -> BidBook:
        """The Console knows no price before there is an order: nobody's bid is foretold."""
        providers = await self.console.providers()
        declined = (
            _declined(provider, gseq, order.attributes(group))
            for gseq, group in order.workload.numbered
            for provider in providers
        )
        return BidBook((), tuple(out for out in declined if out is not None))

    async def create(self, order: Order) -> None:
        row = await self._entered(order)
        if row.number < order.number:
            row = await self._renewed(row, order)
        if row.dseq is None and not await self._adopts(row):
            await self._open(row, order)

    async def bids(self, order_id: UUID) -> BidBook:
        row, found = await self._usable(order_id)
        offers = [bid for bid in await self._offers(row) if bid.id.gseq not in found.active]
        bids = [bid for bid in offers if bid.state in ("open", "active")]
        addresses = [bid.id.provider for bid in bids]
        known = {p.owner: p for p in await self.console.providers(addresses)} if bids else {}
        return BidBook(tuple(_bid(bid, known.get(bid.id.provider)) for bid in bids))

    async def accept(self, order_id: UUID, bids: Sequence[Bid]) -> Sequence[Lease]:
        """One request for all of them: the Console makes the leases in one transaction."""
        row, _ = await self._usable(order_id)
        offers = {offer.id.bid: offer for offer in await self._offers(row) if offer.state == "open"}
        _, found = await self._usable(order_id)  # after the bids: one that became our lease is not lost
        wanted = [bid for bid in bids if bid.gseq not in found.active]
        if lost := next((bid for bid in wanted if bid.id not in offers), None):
            raise BidLost(lost.id)
        if wanted:
            found = await self._leased(row, [offers[bid.id] for bid in wanted])
        leases = found.current  # also one that its provider has closed meanwhile: the next look finds out
        if len(leases) < len(bids):
            raise Unavailable(NAME)
        if any(leases[bid.gseq].id.provider != bid.provider for bid in bids):
            raise OrderNotOpen
        return [Lease(lease_id=leases[bid.gseq].name, provider_uri=bid.uri, gseq=bid.gseq) for bid in bids]

    async def send_manifest(self, order_id: UUID, workload: Workload) -> None:
        row, found = await self._usable(order_id)
        if not found.active:
            raise OrderNotOpen
        if row.resources != resources_digest(workload.groups):
            raise ManifestRefused("The lease is for other resources than this manifest asks for.")
        try:
            await self.console.update(found.dseq, write_sdl(workload.groups))
        except Refused as refusal:
            await self._usable(order_id)  # raises the reason when the lease is gone
            raise ManifestRefused(f"The Console refused: {refusal}") from None
        if (await self.console.deployment(found.dseq)).version != version_hash(workload.groups):
            raise ManifestRefused("The Console compiles this workload to another manifest.")
        async with self.database.write() as session:
            await RemoteOrders(session, NAME).set(order_id, has_manifest=True)

    async def status(self, order_id: UUID) -> Condition:
        row, found = await self._usable(order_id)
        if not found.active or not row.has_manifest:
            return Condition("starting", "No provider has it yet.")
        leases = found.active.values()
        return condition([lease.id.provider for lease in leases], [lease.status for lease in leases])

    async def observed(self, order_id: UUID) -> Sequence[Observed]:
        _, found = await self._usable(order_id)
        return [seen for gseq, lease in found.active.items() for seen in observed(gseq, lease.status)]

    async def deposit(self, order_id: UUID, total_uact: int) -> None:
        row, found = await self._usable(order_id)
        missing = total_uact - int(found.escrow_account.deposited)
        if missing <= 0:
            return
        await self._once(row)
        try:
            await self.console.deposit(found.dseq, missing)
        except Refused:
            await self._heard(row)
            raise Unavailable(NAME) from None
        await self._heard(row)

    async def close(self, order_id: UUID) -> Closed:
        async with self.database.read() as session:
            row = await RemoteOrders(session, NAME).find(order_id)
        if row is None:
            return Closed(reason=CloseReason.OWNER, spent_uact=0)
        if row.reason is not None:
            return Closed(reason=CloseReason(row.reason), spent_uact=row.spent_uact or 0)
        if row.dseq is None and not await self._adopts(row) and _is_awaited(row):
            raise Unavailable(NAME)
        ended = await self._ended(row)
        closed = Closed(reason=ended.reason, spent_uact=ended.spent_uact + (row.spent_uact or 0))
        async with self.database.write() as session:
            await RemoteOrders(session, NAME).set(
                order_id, reason=closed.reason, spent_uact=closed.spent_uact
            )
        return closed

    async def held(self) -> Sequence[UUID]:
        async with self.database.read() as session:
            return await RemoteOrders(session, NAME).held()

    async def logs(self, order_id: UUID, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        _, found = await self._usable(order_id)
        if not tail:
            return
        doors = [await self._door(lease, "logs") for lease in found.active.values()]
        logs = [self.proxy.logs(door, tail=tail, follow=follow) for door in doors]
        async with aclosing(merged(logs)) as lines:
            async for line in lines:
                yield line

    async def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        if not self.may_exec:
            raise NotOffered("The operator does not let commands be run through the Console.")
        _, found = await self._usable(order_id)
        for lease in found.active.values():
            if lease.status is not None and service in lease.status.services:
                return await self.proxy.exec(await self._door(lease, "shell"), service, command)
        raise ServiceUnknown(service)

    async def _door(self, lease: LeaseView, scope: str) -> Door:
        """How to come to a lease's provider for one kind of call."""
        provider = lease.id.provider
        try:
            (known,) = await self.console.providers([provider])
            token = await self.console.token(provider, scope)
        except (Refused, ValueError):
            raise Unavailable(NAME) from None
        return Door(id=lease.id, uri=known.hostUri, token=token)

    async def _entered(self, order: Order) -> RemoteOrderRow:
        async with self.database.write() as session:
            orders = RemoteOrders(session, NAME)
            if (row := await orders.find(order.id)) is None:
                row = orders.add(order.id, dseq=None, resources=resources_digest(order.workload.groups))
                row.number, row.manifest = order.number, canonical(order.workload.groups)
        return row

    async def _renewed(self, row: RemoteOrderRow, order: Order) -> RemoteOrderRow:
        """The order without the deployment whose lease was lost; the Console opens no second order in one."""
        ended = await self._ended(row)
        async with self.database.write() as session:
            await RemoteOrders(session, NAME).set(
                row.order_id,
                dseq=None,
                number=order.number,
                has_manifest=False,
                void_after=None,
                manifest=canonical(order.workload.groups),
                spent_uact=(row.spent_uact or 0) + ended.spent_uact,
            )
            found = await RemoteOrders(session, NAME).find(row.order_id)
        if found is None:
            raise Unavailable(NAME)
        return found

    async def _adopts(self, row: RemoteOrderRow) -> bool:
        """True when something that was sent before has come true; the row has its number from now on."""
        if row.void_after is None:
            return False
        for found in await self.console.deployments():
            is_ours = found.is_active and not found.leases and found.version == _version(row)
            if is_ours and await self._claims(row, found.dseq):
                return True
        return False

    async def _open(self, row: RemoteOrderRow, order: Order) -> None:
        sdl = write_sdl(order.workload.groups, order.requirements)
        await self._once(row)
        try:
            dseq = await self.console.create(sdl, order.deposit_uact)
        except Refused as refusal:
            await self._heard(row)
            raise OrderRefused(str(refusal)) from None
        if not await self._claims(row, dseq):
            raise Unavailable(NAME)

    async def _once(self, row: RemoteOrderRow) -> None:
        """The intent, on record. Raises `Unavailable` while an earlier one may still come true."""
        now = _now_ms()
        async with self.database.write() as session:
            until = now + int(self.settle_s * 1000)
            if not await RemoteOrders(session, NAME).intend(row.order_id, now, until):
                raise Unavailable(NAME)

    async def _heard(self, row: RemoteOrderRow) -> None:
        async with self.database.write() as session:
            await RemoteOrders(session, NAME).set(row.order_id, void_after=None)

    async def _claims(self, row: RemoteOrderRow, dseq: int) -> bool:
        async with self.database.write() as session:
            is_ours = await RemoteOrders(session, NAME).claim(row.order_id, dseq)
        if is_ours:
            row.dseq, row.void_after = dseq, None
        return is_ours

    async def _usable(self, order_id: UUID) -> tuple[RemoteOrderRow, Deployment]:
        """The order and what the Console says of it. Raises why nothing more can be done with it."""
        async with self.database.read() as session:
            row = await RemoteOrders(session, NAME).find(order_id)
        if row is None or row.reason is not None or row.dseq is None:
            raise OrderNotOpen
        found = await self.console.deployment(row.dseq)
        match _reason(found, row):
            case CloseReason.INSUFFICIENT_FUNDS:
                raise InsufficientFunds
            case CloseReason.MANIFEST_TIMEOUT:
                raise ManifestTimeout
            case CloseReason.OWNER if not found.is_active:
                raise OrderNotOpen
            case CloseReason.OWNER:
                return row, found
            case reason:
                # what comes next is another deployment, so that every lease is gone
                raise LeaseLost([lease.id.bid for lease in found.lost], reason, found.current)

    async def _offers(self, row: RemoteOrderRow) -> list[BidView]:
        bids = await self.console.bids(row.dseq or 0)
        return [bid for bid in bids if bid.price.denom == DENOM]

    async def _leased(self, row: RemoteOrderRow, offers: Sequence[BidView]) -> Deployment:
        """The deployment after its bids were taken; a refusal may mean that it is leased already."""
        with suppress(Refused):
            await self.console.lease(row.manifest or "", offers)
        return await self.console.deployment(row.dseq or 0)

    async def _ended(self, row: RemoteOrderRow) -> Closed:
        """Closes the order's deployment, where there is one; why it ended, and what it alone has cost."""
        if row.dseq is None:
            return Closed(reason=CloseReason.OWNER, spent_uact=0)
        before = await self.console.deployment(row.dseq)
        if before.is_active:
            try:
                await self.console.close(row.dseq)
            except Refused:
                raise Unavailable(NAME) from None
        after = await self.console.deployment(row.dseq)
        if after.is_active:
            raise Unavailable(NAME)
        overdrawn = _reason(after, row) is CloseReason.INSUFFICIENT_FUNDS
        spent = after.escrow_account.transferred.to_integral_value(ROUND_CEILING)
        reason = CloseReason.INSUFFICIENT_FUNDS if overdrawn else _reason(before, row)
        return Closed(reason=reason, spent_uact=int(spent))


def _reason(found: Deployment, row: RemoteOrderRow) -> CloseReason:
    """Why the order cannot go on; `OWNER` where nobody else has ended it."""
    if found.escrow_account.state == "overdrawn":
        return CloseReason.INSUFFICIENT_FUNDS
    if not found.is_active or not found.lost:
        return CloseReason.OWNER
    return found.lost[0].why(row.has_manifest)


def _is_awaited(row: RemoteOrderRow) -> bool:
    return row.void_after is not None and _now_ms() < row.void_after


def _version(row: RemoteOrderRow) -> str:
    return sha256((row.manifest or "").encode()).hexdigest()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _declined(provider: Provider, gseq: int, wanted: Mapping[str, str]) -> Declined | None:
    if fault := misses(wanted, provider.said):
        return Declined(provider=provider.owner, reason=fault[1], cause=fault[0], gseq=gseq)
    if not provider.isOnline:
        reason = "The Console does not reach it at the moment."
        return Declined(provider=provider.owner, reason=reason, cause=Cause.CAPACITY, gseq=gseq)
    return None


def _bid(bid: BidView, known: Provider | None) -> Bid:
    """A bid, and what the Console has seen of who makes it."""
    return Bid(
        gseq=bid.id.gseq,
        provider=bid.id.provider,
        uri=known.hostUri if known else "",
        uact_per_block=bid.price.amount.normalize() + 0,
        reputation=known.reputation if known else UNKNOWN_REPUTATION,
        leases=known.leaseCount or 0 if known else 0,
        attributes=known.said if known else {},
    )
