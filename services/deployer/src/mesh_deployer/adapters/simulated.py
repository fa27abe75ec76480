"""A market of simulated providers: real rules, invented providers, no money and nothing that runs.

Time is virtual: a block passes whenever somebody looks at an order. The book is kept in the database, as a
chain would keep it, so it survives us.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from mesh_shared.database.engine import Database
from mesh_shared.errors import Conflict
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_deployer.adapters.inventions import PROVIDERS, SLOWEST_BLOCKS, Inventions, Offer
from mesh_deployer.domain import cost
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.escrow import Escrow
from mesh_deployer.domain.manifest import manifest, resources_digest
from mesh_deployer.domain.market import Bid, BidBook, CloseReason, Declined
from mesh_deployer.domain.workload import Extra, Workload
from mesh_deployer.errors import (
    BidLost,
    InsufficientFunds,
    LeaseLost,
    ManifestRefused,
    ManifestTimeout,
    NotOffered,
    NotRunThere,
    OrderNotOpen,
)
from mesh_deployer.ports import Closed, Condition, LogLine, Order, Output
from mesh_deployer.repository.orders import SimulatedOrders
from mesh_deployer.repository.tables import SimulatedOrderRow

FAULT_ATTRIBUTE = "simulated/fault"
"""Placement attribute with which an SDL asks for a fault of this market, where faults are on offer.

`no-bids`, `lost-bid`, `manifest-timeout` and `reclaim` (the first provider takes its machine back) are
refusals. `stall-after-` create, accept, manifest and close are silences: the work is done, and whoever asked
for it never hears.
"""
WITHDRAW_BLOCKS = 25
"""How often a provider asks for its pay; only then does anybody see that there is none left."""
_INVENTED = frozenset({Extra.GPUS, Extra.IPS})
"""Some of the providers have them."""
_OFFERS = TypeAdapter(list[Offer])
_DECLINED = TypeAdapter(list[Declined])
_ESCROW = TypeAdapter(Escrow)


@dataclass(frozen=True, slots=True)
class Held:
    """A lease: which order of which placement, whose, at what price per block, and since which block."""

    gseq: int
    oseq: int
    provider: str
    uri: str
    uact_per_block: Decimal
    height: int
    is_closed: bool = False

    def shown(self, order_id: UUID) -> Lease:
        """The lease as its tenant has it."""
        id = f"sim/{order_id}/{self.gseq}/{self.oseq}/{self.provider}"
        return Lease(lease_id=id, provider_uri=self.uri, gseq=self.gseq)


_LEASES = TypeAdapter(list[Held])


@dataclass(frozen=True, slots=True)
class SimulatedMarketplace:
    """Implements `ports.Marketplace`."""

    database: Database
    seed: int
    inputs: cost.Inputs
    has_faults: bool = False
    size: int = PROVIDERS

    async def capabilities(self, workload: Workload) -> str:
        """Also raises `NotRunThere`."""
        if beyond := [extra for extra in workload.extras if extra not in _INVENTED]:
            raise NotRunThere("simulated", beyond)
        return "Bids, price and lease are simulated, and nothing really runs."

    async def quote(self, order: Order) -> BidBook:
        offers, declined, fault = self._answers(order)
        return BidBook(
            tuple(offer.bid for offer in offers), tuple(declined), fault != "no-bids" or offers != []
        )

    async def create(self, order: Order) -> None:
        async with self.database.write() as session:
            book = SimulatedOrders(session)
            if (row := await book.find(order.id)) is None:
                book.add(row := self._new_row(order))
            elif row.state == "lost" and row.number < order.number:
                _reopen(row, order.number)
            stalls = _fires(row, "stall-after-create")
        await _answer(stalls)

    async def bids(self, order_id: UUID) -> BidBook:
        async with self.database.write() as session:
            row = await _usable(session, order_id)
            row.height += 1
            held = {held.gseq for held in _leases(row)}
        offers = [offer for offer in _OFFERS.validate_python(row.offers) if offer.bid.gseq not in held]
        arrived = tuple(offer.bid for offer in offers if offer.block <= row.height)
        is_complete = row.height >= SLOWEST_BLOCKS and (row.fault != "no-bids" or row.offers != [])
        return BidBook(arrived, tuple(_DECLINED.validate_python(row.declined)), is_complete)

    async def accept(self, order_id: UUID, bids: Sequence[Bid]) -> Sequence[Lease]:
        async with self.database.write() as session:
            row = await _usable(session, order_id)
            lost = bids[0] if _fires(row, "lost-bid") else _unknown(row, bids)
            if lost is None:
                _lease(row, bids)
            leases, stalls = _leases(row), _fires(row, "stall-after-accept")
        if lost is not None:
            raise BidLost(lost.id)
        if [held.provider for held in leases] != [bid.provider for bid in bids]:
            raise OrderNotOpen
        await _answer(stalls)
        return [held.shown(order_id) for held in leases]

    async def send_manifest(self, order_id: UUID, workload: Workload) -> None:
        async with self.database.write() as session:
            row = await _usable(session, order_id)
            if row.state != "active":
                raise OrderNotOpen
            if row.resources != resources_digest(workload.groups):
                raise ManifestRefused("The lease is for other resources than this manifest asks for.")
            is_late = _fires(row, "manifest-timeout")
            if is_late:
                _lose(row, CloseReason.MANIFEST_TIMEOUT)
            else:
                row.manifest = manifest(workload.groups)
            stalls = _fires(row, "stall-after-manifest")
        if is_late:
            raise ManifestTimeout
        await _answer(stalls)

    async def status(self, order_id: UUID) -> Condition:
        async with self.database.write() as session:
            row = await _usable(session, order_id)
            row.height += 1
            _let_provider_act(row)
        if (ending := _ending(row)) is not None:
            raise ending
        if row.manifest is None:
            return Condition("starting", "The provider waits for the manifest.")
        return Condition("running", "Leased on the simulated market; nothing really runs.")

    async def observed(self, order_id: UUID) -> Sequence[Observed]:
        async with self.database.read() as session:
            row = await _usable(session, order_id)
        return [_observed(gseq, service) for gseq, service in _services(row)]

    async def deposit(self, order_id: UUID, total_uact: int) -> None:
        async with self.database.write() as session:
            row = await _usable(session, order_id)
            _keep(row, _escrow(row).topped_up(total_uact))

    async def close(self, order_id: UUID) -> Closed:
        async with self.database.write() as session:
            row = await SimulatedOrders(session).find(order_id)
            if row is None:
                return Closed(reason=CloseReason.OWNER, spent_uact=0)
            if row.state != "closed":
                _close(row, CloseReason.OWNER)
            stalls = _fires(row, "stall-after-close")
        await _answer(stalls)
        reason = CloseReason(row.reason or CloseReason.UNSPECIFIED)
        return Closed(reason=reason, spent_uact=row.spent_uact or 0)

    async def held(self) -> Sequence[UUID]:
        async with self.database.read() as session:
            return await SimulatedOrders(session).held()

    async def logs(self, order_id: UUID, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        async with self.database.read() as session:
            row = await _usable(session, order_id)
        for gseq, service in _services(row) if tail else ():
            text = f"Here would be what {service['image']} writes: nothing really runs."
            yield LogLine(service=service["name"], text=text, gseq=gseq)

    async def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        raise NotOffered("Nothing really runs on the simulated market, so no command can be run there.")

    def _answers(self, order: Order) -> tuple[list[Offer], list[Declined], str | None]:
        """The bids to come, who does not bid, and the fault that the first placement with one asks for."""
        inventions, faults = Inventions(self.seed, self.inputs, self.size), list[str]()
        offers: list[Offer] = []
        silent: list[Declined] = []
        for gseq, group in order.workload.numbered:
            wanted = order.attributes(group)
            fault = wanted.pop(FAULT_ATTRIBUTE, None) if self.has_faults else None
            bidding, others = inventions.answers(order.id, gseq, group, wanted)
            offers += [] if fault == "no-bids" else bidding
            silent += others
            faults += [fault] if fault else []
        return offers, silent, faults[0] if faults else None

    def _new_row(self, order: Order) -> SimulatedOrderRow:
        offers, declined, fault = self._answers(order)
        return SimulatedOrderRow(
            order_id=order.id,
            number=order.number,
            state="open",
            offers=_OFFERS.dump_python(offers, mode="json"),
            declined=_DECLINED.dump_python(declined, mode="json"),
            escrow=_ESCROW.dump_python(Escrow(deposited_uact=order.deposit_uact), mode="json"),
            height=0,
            fault=fault,
            fault_fired=False,
            resources=resources_digest(order.workload.groups),
            leases=[],
        )


def _services(row: SimulatedOrderRow) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the providers were told to run, with the number of its placement."""
    for gseq, group in enumerate(row.manifest or (), 1):
        for service in group["services"]:
            yield gseq, service


def _observed(gseq: int, service: dict[str, Any]) -> Observed:
    """A service of a manifest: what the provider was told is what it runs."""
    resources = service["resources"]
    return Observed(
        gseq=gseq,
        service=service["name"],
        image=service["image"],
        replicas=service["count"],
        cpu_millis=int(resources["cpu"]["units"]["val"]),
        memory_bytes=int(resources["memory"]["size"]["val"]),
        ports=tuple(sorted(expose["port"] for expose in service["expose"] if expose["global"])),
    )


async def _answer(stalls: bool) -> None:
    """Returns, unless the order's fault is silence."""
    if stalls:
        await asyncio.Event().wait()


async def _usable(session: AsyncSession, order_id: UUID) -> SimulatedOrderRow:
    """The order, locked. Raises why nothing more can be done with it, where that is so."""
    row = await SimulatedOrders(session).get(order_id)
    if (ending := _ending(row)) is not None:
        raise ending
    return row


def _ending(row: SimulatedOrderRow) -> Conflict | None:
    """Why nothing more can be done with an order; None when something can."""
    match row.state, row.reason:
        case "closed", CloseReason.INSUFFICIENT_FUNDS:
            return InsufficientFunds()
        case "closed", _:
            return OrderNotOpen()
        case "lost", CloseReason.MANIFEST_TIMEOUT:
            return ManifestTimeout()
        case "lost", reason:
            lost = [(held.gseq, held.provider) for held in _leases(row) if held.is_closed]
            return LeaseLost(lost, reason or "", [gseq for gseq, _ in lost])
        case _:
            return None


def _fires(row: SimulatedOrderRow, fault: str) -> bool:
    """True the first time that the order's fault is due."""
    fires = row.fault == fault and not row.fault_fired
    row.fault_fired = row.fault_fired or fires
    return fires


def _escrow(row: SimulatedOrderRow) -> Escrow:
    return _ESCROW.validate_python(row.escrow)


def _keep(row: SimulatedOrderRow, escrow: Escrow) -> None:
    row.escrow = _ESCROW.dump_python(escrow, mode="json")


def _leases(row: SimulatedOrderRow) -> list[Held]:
    return _LEASES.validate_python(row.leases)


def _hold(row: SimulatedOrderRow, leases: list[Held]) -> None:
    row.leases = _LEASES.dump_python(leases, mode="json")


def _unknown(row: SimulatedOrderRow, bids: Sequence[Bid]) -> Bid | None:
    """The first of `bids` that nobody has made."""
    made = {offer.bid.id for offer in _OFFERS.validate_python(row.offers)}
    return next((bid for bid in bids if bid.id not in made), None)


def _lease(row: SimulatedOrderRow, bids: Sequence[Bid]) -> None:
    """Leases every placement that is not leased yet; at the price of the market's own book."""
    held = {lease.gseq: lease for lease in _leases(row)}
    offered = {o.bid.id: o.bid for o in _OFFERS.validate_python(row.offers)}
    for bid in bids:
        if bid.gseq not in held:
            price = offered[bid.id].uact_per_block
            held[bid.gseq] = Held(bid.gseq, row.number, bid.provider, bid.uri, price, row.height)
            _keep(row, _escrow(row).leased(price, row.height))
    row.state = "active"
    _hold(row, [held[gseq] for gseq in sorted(held)])


def _let_provider_act(row: SimulatedOrderRow) -> None:
    """It may take its machine back, and it asks for its pay now and then."""
    if row.state != "active":
        return
    if row.manifest is not None and _fires(row, "reclaim"):
        _lose(row, CloseReason.UNSTABLE)
    elif any((row.height - held.height) % WITHDRAW_BLOCKS == 0 for held in _leases(row)):
        _keep(row, settled := _escrow(row).settled(row.height))
        if settled.is_overdrawn:
            _close(row, CloseReason.INSUFFICIENT_FUNDS)


def _lose(row: SimulatedOrderRow, reason: CloseReason) -> None:
    """The provider of the first placement closes its lease; what it has earned until now is its own."""
    row.state, row.reason = "lost", reason
    first, *others = _leases(row)
    _keep(row, _escrow(row).released(row.height, first.uact_per_block))
    _hold(row, [replace(first, is_closed=True), *others])


def _reopen(row: SimulatedOrderRow, number: int) -> None:
    """A new order in the place of the lost one; the bids are as they were."""
    row.state, row.reason, row.number, row.manifest = "open", None, number, None
    _hold(row, [held for held in _leases(row) if not held.is_closed])


def _close(row: SimulatedOrderRow, reason: CloseReason) -> None:
    """The first reason is the one that stays: what the market or a provider did is not the owner's doing."""
    escrow = _escrow(row).released(row.height)
    row.reason = CloseReason.INSUFFICIENT_FUNDS if escrow.is_overdrawn else row.reason or reason
    row.state, row.spent_uact = "closed", escrow.spent_uact
    _keep(row, escrow)
