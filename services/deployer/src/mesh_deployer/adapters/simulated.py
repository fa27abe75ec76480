"""A market of simulated providers: real rules, invented providers, no money and nothing that runs.

Deterministic: the providers follow from the seed, their prices from the seed and the order. Time is
virtual: a block passes whenever somebody looks at an order. The book is kept in the database, as a chain
would keep it, so it survives us.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from mesh_shared.database.engine import Database
from pydantic import TypeAdapter

from mesh_deployer.domain import cost
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.market import Bid, BidBook, Declined
from mesh_deployer.domain.workload import Group, Shape
from mesh_deployer.errors import BidLost, ManifestTimeout, OrderNotOpen
from mesh_deployer.ports import Condition, Order
from mesh_deployer.repository.orders import SimulatedOrders
from mesh_deployer.repository.tables import SimulatedOrderRow

FAULT_ATTRIBUTE = "simulated/fault"
"""Placement attribute with which an SDL asks for a fault of this market, where faults are on offer.

`no-bids`, `lost-bid` and `manifest-timeout` are refusals. `stall-after-` create, accept, manifest and close
are silences: the work is done, and whoever asked for it never hears.
"""
PROVIDERS = 12
SLOWEST_BLOCKS = 3
_REGIONS = ("us-east", "us-west", "eu-west", "eu-central")
# Dollars per month, the targets of Akash's own price script (helm-charts, price_script_generic.sh).
_USD_PER_VCPU, _USD_PER_GB, _USD_PER_GB_DISK = Decimal("4.5"), Decimal("1.25"), Decimal("0.08")
_USD_PER_ENDPOINT = Decimal("0.05")
_SMALLEST = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An invented provider; `factor` is how dear it is, `delay_blocks` how long it thinks."""

    address: str
    uri: str
    region: str
    reputation: Decimal
    factor: Decimal
    delay_blocks: int

    @property
    def attributes(self) -> dict[str, str]:
        return {"host": "akash", "tier": "community", "region": self.region}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A bid, and the block in which it arrives."""

    bid: Bid
    block: int


_OFFERS = TypeAdapter(list[Offer])
_DECLINED = TypeAdapter(list[Declined])


def providers(seed: int) -> tuple[Provider, ...]:
    """The market's providers; the same ones for the same seed."""
    return tuple(_provider(seed, place) for place in range(PROVIDERS))


def _provider(seed: int, place: int) -> Provider:
    digest = sha256(f"{seed}/{place}".encode()).digest()
    name = digest.hex()[:12]
    return Provider(
        address=f"sim1{name}",
        uri=f"https://{name}.provider.invalid",
        region=_REGIONS[place % len(_REGIONS)],
        reputation=Decimal(40 + digest[16] % 60) / 100,
        factor=Decimal(70 + digest[17] % 90) / 100,
        delay_blocks=1 + digest[18] % SLOWEST_BLOCKS,
    )


@dataclass(frozen=True, slots=True)
class SimulatedMarketplace:
    """Implements `ports.Marketplace`. A bid is never above the order's price, as on Akash."""

    database: Database
    seed: int
    inputs: cost.Inputs
    has_faults: bool = False

    async def capabilities(self, group: Group) -> str:
        return "Bids, price and lease are simulated, and nothing really runs."

    async def create(self, order: Order) -> None:
        wanted = {**dict(order.group.attributes or ()), **order.requirements}
        fault = wanted.pop(FAULT_ATTRIBUTE, None) if self.has_faults else None
        silent = {p.address: why for p in providers(self.seed) if (why := self._declines(p, order, wanted))}
        offers = [] if fault == "no-bids" else list(self._offers(order, excluded=silent))
        declined = [Declined(provider=address, reason=why) for address, why in silent.items()]
        async with self.database.write() as session:
            book = SimulatedOrders(session)
            if (row := await book.find(order.id)) is None:
                book.add(row := _new_row(order, offers, declined, fault))
            stalls = _fires(row, "stall-after-create")
        await _answer(stalls)

    async def bids(self, order_id: UUID) -> BidBook:
        async with self.database.write() as session:
            row = await SimulatedOrders(session).get(order_id)
            row.height += 1
        arrived = tuple(o.bid for o in _OFFERS.validate_python(row.offers) if o.block <= row.height)
        is_complete = row.height >= SLOWEST_BLOCKS and row.fault != "no-bids"
        return BidBook(arrived, tuple(_DECLINED.validate_python(row.declined)), is_complete)

    async def accept(self, order_id: UUID, bid: Bid) -> Lease:
        async with self.database.write() as session:
            row = await SimulatedOrders(session).get(order_id)
            is_lost = _fires(row, "lost-bid")
            if not is_lost and row.provider is None:
                row.state, row.provider, row.leased_height = "active", bid.provider, row.height
            leased_to, stalls = row.provider, _fires(row, "stall-after-accept")
        if is_lost:
            raise BidLost(bid.provider)
        if leased_to != bid.provider:
            raise OrderNotOpen
        await _answer(stalls)
        return Lease(lease_id=f"sim/{order_id}/1/1/{bid.provider}", provider_uri=bid.uri)

    async def send_manifest(self, order_id: UUID, group: Group) -> None:
        async with self.database.write() as session:
            row = await SimulatedOrders(session).get(order_id)
            if row.provider is None:
                raise OrderNotOpen
            row.has_manifest = row.fault != "manifest-timeout"
            stalls = _fires(row, "stall-after-manifest")
        if not row.has_manifest:
            raise ManifestTimeout
        await _answer(stalls)

    async def status(self, order_id: UUID) -> Condition:
        async with self.database.write() as session:
            row = await SimulatedOrders(session).get(order_id)
            row.height += 1
        if not row.has_manifest:
            return Condition("starting", "The provider waits for the manifest.")
        return Condition("running", "Leased on the simulated market; nothing really runs.")

    async def close(self, order_id: UUID) -> int:
        async with self.database.write() as session:
            row = await SimulatedOrders(session).find(order_id)
            if row is None:
                return 0
            if row.earned_uact is None:
                row.state, row.earned_uact = "closed", _owed(row)
            earned, stalls = row.earned_uact, _fires(row, "stall-after-close")
        await _answer(stalls)
        return earned

    async def held(self) -> Sequence[UUID]:
        async with self.database.read() as session:
            return await SimulatedOrders(session).held()

    def _declines(self, provider: Provider, order: Order, wanted: dict[str, str]) -> str:
        """Why the provider does not bid; empty when it does. The rules of Akash's market module."""
        if order.group.any_of or order.group.all_of:
            return "No auditor has signed its attributes."
        for name, value in wanted.items():
            if (own := provider.attributes.get(name)) != value:
                return f"{name} is {own or 'not declared'}, {value} is required."
        price = self._price(provider, order)
        if price > order.group.ceiling:
            return f"Would take {price} uact per block, the order pays at most {order.group.ceiling}."
        return ""

    def _offers(self, order: Order, excluded: dict[str, str]) -> Iterator[Offer]:
        for provider in providers(self.seed):
            if provider.address not in excluded:
                bid = Bid(
                    provider=provider.address,
                    uri=provider.uri,
                    uact_per_block=self._price(provider, order),
                    reputation=provider.reputation,
                    attributes=provider.attributes,
                )
                yield Offer(bid=bid, block=provider.delay_blocks)

    def _price(self, provider: Provider, order: Order) -> Decimal:
        """Akash's scale formula with this provider's factor and two percent of mood."""
        mood = sha256(f"{self.seed}/{provider.address}/{order.id}".encode()).digest()[0] % 41 - 20
        factor = provider.factor * (1 + Decimal(mood) / 1000)
        usd = _usd_month(order.group.shape, _endpoints(order.group)) * factor
        return max(_SMALLEST, cost.uact_per_block(usd, self.inputs).quantize(_SMALLEST))


async def _answer(stalls: bool) -> None:
    """Returns, unless the order's fault is silence."""
    if stalls:
        await asyncio.Event().wait()


def _new_row(
    order: Order, offers: list[Offer], declined: list[Declined], fault: str | None
) -> SimulatedOrderRow:
    return SimulatedOrderRow(
        order_id=order.id,
        state="open",
        offers=_OFFERS.dump_python(offers, mode="json"),
        declined=_DECLINED.dump_python(declined, mode="json"),
        deposit_uact=order.deposit_uact,
        height=0,
        fault=fault,
        fault_fired=False,
        has_manifest=False,
    )


def _fires(row: SimulatedOrderRow, fault: str) -> bool:
    """True the first time that the order's fault is due."""
    fires = row.fault == fault and not row.fault_fired
    row.fault_fired = row.fault_fired or fires
    return fires


def _owed(row: SimulatedOrderRow) -> int:
    """What the provider has earned: its price for every block since the lease, at most the deposit."""
    if row.leased_height is None:
        return 0
    bids = (offer.bid for offer in _OFFERS.validate_python(row.offers))
    price = next(bid.uact_per_block for bid in bids if bid.provider == row.provider)
    return min(row.deposit_uact, int(price * (row.height - row.leased_height)))


def _endpoints(group: Group) -> int:
    return sum(expose.is_global for service in group.services for expose in service.exposes)


def _usd_month(shape: Shape, endpoints: int) -> Decimal:
    return (
        Decimal(shape.cpu_millis) / 1000 * _USD_PER_VCPU
        + Decimal(shape.memory_bytes) / 10**9 * _USD_PER_GB
        + Decimal(shape.storage_bytes) / 10**9 * _USD_PER_GB_DISK
        + endpoints * _USD_PER_ENDPOINT
    )
