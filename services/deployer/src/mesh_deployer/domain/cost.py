"""What a workload costs on Akash and on three clouds.

Decimals only; a price that is not known is None, never a guess.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from mesh_deployer.domain.workload import Shape

DAYS_PER_MONTH = Decimal("30.437")
HOURS_PER_MONTH = DAYS_PER_MONTH * 24
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600
_MILLIS = Decimal(1000)
_GB = Decimal(10**9)
_PUBLIC_IPV4 = Decimal(2)
_HOURLY = "hour"

FORMULA = (
    "akash_usd_month = uact_per_block * usd_per_uact * seconds_per_month / block_time_s; "
    "cloud_usd_month = vCPU * vcpu + GB * memory + max(0, GB of disk - included) * disk "
    "(hourly prices * 730.488 h); as delivered adds the smallest size that is billed, one load balancer and "
    "two public IPv4 addresses; percent = (1 - akash_usd_month / cloud_usd_month) * 100"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One line of a cloud's price list: `usd` per `unit` of `what`.

    The price is that of `source`, as `via` had it on the day `seen`.

    `what` is vcpu, memory, disk, load-balancer or ipv4; `unit` ends in hour or month. GB are 10**9 bytes,
    as the sources count. `included` is the part of the quantity that costs nothing, `minimum` the least
    that is billed.
    """

    cloud: str
    what: str
    sku: str
    region: str
    unit: str
    usd: Decimal | None
    source: str
    seen: date
    via: str
    included: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)

    @property
    def usd_month(self) -> Decimal | None:
        """Dollars per month of 30.437 days for one unit."""
        if self.usd is None:
            return None
        return self.usd * HOURS_PER_MONTH if self.unit.endswith(_HOURLY) else self.usd


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The price lists as they were on `date`."""

    date: date
    prices: tuple[Price, ...]

    @property
    def clouds(self) -> tuple[str, ...]:
        """The clouds, in the order of the list."""
        return tuple(dict.fromkeys(price.cloud for price in self.prices))

    def price(self, cloud: str, what: str) -> Price | None:
        """The line for `what`; None when the snapshot has none."""
        return next((p for p in self.prices if (p.cloud, p.what) == (cloud, what)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the Akash side depends on beside the bid: seconds per block and dollars per uact."""

    block_time_s: Decimal
    usd_per_uact: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a bill; `usd_month` is None where the price is not known."""

    what: str
    quantity: Decimal
    usd_month: Decimal | None
    sku: str | None


@dataclass(frozen=True, slots=True)
class Basket:
    """A bill and how much less Akash costs."""

    items: tuple[Item, ...]
    akash_usd_month: Decimal

    @property
    def usd_month(self) -> Decimal | None:
        """The sum; None as soon as one price is not known."""
        known = [item.usd_month for item in self.items if item.usd_month is not None]
        return sum(known, Decimal(0)) if len(known) == len(self.items) else None

    @property
    def percent(self) -> Decimal | None:
        """The reduction in percent, negative where Akash costs more; None where the sum is not known."""
        total = self.usd_month
        return (1 - self.akash_usd_month / total) * 100 if total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudCost:
    """One cloud: the same resources, and the same service as a user gets it."""

    cloud: str
    like_for_like: Basket
    as_delivered: Basket


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Akash against the clouds of a snapshot, with all that the figures depend on."""

    uact_per_block: Decimal
    akash_usd_month: Decimal
    clouds: tuple[CloudCost, ...]
    inputs: Inputs
    snapshot_date: date


def akash_usd_month(uact_per_block: Decimal, inputs: Inputs) -> Decimal:
    """Dollars per month of 30.437 days. One uact per block is $0.43 with blocks of 6.098 s."""
    return uact_per_block * inputs.usd_per_uact * SECONDS_PER_MONTH / inputs.block_time_s


def uact_per_block(usd_month: Decimal, inputs: Inputs) -> Decimal:
    """The price per block that costs `usd_month`: the inverse of `akash_usd_month`."""
    return usd_month * inputs.block_time_s / (inputs.usd_per_uact * SECONDS_PER_MONTH)


def compare(shape: Shape, price_uact_per_block: Decimal, inputs: Inputs, snapshot: Snapshot) -> Comparison:
    """What `shape` costs at that price on Akash, and on every cloud of `snapshot`."""
    akash = akash_usd_month(price_uact_per_block, inputs)
    return Comparison(
        uact_per_block=price_uact_per_block,
        akash_usd_month=akash,
        clouds=tuple(_cloud(snapshot, cloud, shape, akash) for cloud in snapshot.clouds),
        inputs=inputs,
        snapshot_date=snapshot.date,
    )


def _cloud(snapshot: Snapshot, cloud: str, shape: Shape, akash: Decimal) -> CloudCost:
    used = (
        ("vcpu", shape.cpu_millis / _MILLIS),
        ("memory", shape.memory_bytes / _GB),
        ("disk", shape.storage_bytes / _GB),
        *((("gpu", Decimal(shape.gpus)),) if shape.gpus else ()),
    )
    around = (("load-balancer", Decimal(1)), ("ipv4", _PUBLIC_IPV4))
    plain = [_item(snapshot.price(cloud, what), what, quantity) for what, quantity in used]
    billed = [_item(p := snapshot.price(cloud, what), what, _billed(p, q)) for what, q in (*used, *around)]
    return CloudCost(
        cloud=cloud, like_for_like=Basket(tuple(plain), akash), as_delivered=Basket(tuple(billed), akash)
    )


def _billed(price: Price | None, quantity: Decimal) -> Decimal:
    return max(quantity, price.minimum) if price else quantity


def _item(price: Price | None, what: str, quantity: Decimal) -> Item:
    if price is None or price.usd_month is None:
        return Item(what=what, quantity=quantity, usd_month=None, sku=price.sku if price else None)
    usd = max(Decimal(0), quantity - price.included) * price.usd_month
    return Item(what=what, quantity=quantity, usd_month=usd, sku=price.sku)
