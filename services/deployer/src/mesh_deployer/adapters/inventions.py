"""The providers of the simulated market: invented ones, which bid by Akash's rules.

Deterministic: the providers follow from the seed, their prices from the seed and the order.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

from mesh_deployer.domain import cost
from mesh_deployer.domain.market import Bid
from mesh_deployer.domain.workload import Group, Shape
from mesh_deployer.ports import Order

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


@dataclass(frozen=True, slots=True)
class Inventions:
    """Who bids for an order, and for how much."""

    seed: int
    inputs: cost.Inputs

    def declines(self, order: Order, wanted: Mapping[str, str]) -> dict[str, str]:
        """Why those who do not bid do not, by address. `wanted` are the attributes that must hold."""
        reasons = {p.address: self._declines(p, order, wanted) for p in providers(self.seed)}
        return {address: reason for address, reason in reasons.items() if reason}

    def offers(self, order: Order, excluded: Mapping[str, str]) -> Iterator[Offer]:
        """The bids of everybody else. A bid is never above the order's price, as on Akash."""
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

    def _declines(self, provider: Provider, order: Order, wanted: Mapping[str, str]) -> str:
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

    def _price(self, provider: Provider, order: Order) -> Decimal:
        """Akash's scale formula with this provider's factor and two percent of mood."""
        mood = sha256(f"{self.seed}/{provider.address}/{order.id}".encode()).digest()[0] % 41 - 20
        factor = provider.factor * (1 + Decimal(mood) / 1000)
        usd = _usd_month(order.group.shape, _endpoints(order.group)) * factor
        return max(_SMALLEST, cost.uact_per_block(usd, self.inputs).quantize(_SMALLEST))


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


def _endpoints(group: Group) -> int:
    return sum(expose.is_global for service in group.services for expose in service.exposes)


def _usd_month(shape: Shape, endpoints: int) -> Decimal:
    return (
        Decimal(shape.cpu_millis) / 1000 * _USD_PER_VCPU
        + Decimal(shape.memory_bytes) / 10**9 * _USD_PER_GB
        + Decimal(shape.storage_bytes) / 10**9 * _USD_PER_GB_DISK
        + endpoints * _USD_PER_ENDPOINT
    )
