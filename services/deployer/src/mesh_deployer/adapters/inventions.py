"""The providers of the simulated market: invented ones, which bid by Akash's rules.

Deterministic: the providers follow from the seed, their prices from the seed and the order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from mesh_deployer.domain import cost
from mesh_deployer.domain.market import Bid, Declined
from mesh_deployer.domain.screening import Demand, Supply, declined
from mesh_deployer.domain.workload import Group

PROVIDERS = 12
SLOWEST_BLOCKS = 3
_GPU_MODELS = ("rtx4090", "a100", "h100")
_REGIONS = ("us-east", "us-west", "eu-west", "eu-central")
_STORAGE_CLASSES = tuple(
    frozenset({"default", "ram", *classes}) for classes in ((), ("beta2",), ("beta3",), ("beta2", "beta3"))
)
# Dollars per month, the targets of Akash's own price script (helm-charts, price_script_generic.sh).
_USD_PER_VCPU, _USD_PER_GB, _USD_PER_GB_DISK = Decimal("4.5"), Decimal("1.25"), Decimal("0.08")
_USD_PER_ENDPOINT, _USD_PER_IP, _USD_PER_GPU = Decimal("0.05"), Decimal(5), Decimal(100)
_SMALLEST = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An invented provider; `factor` is how dear it is, `delay_blocks` how long it thinks."""

    address: str
    uri: str
    region: str
    reputation: Decimal
    leases: int
    factor: Decimal
    delay_blocks: int
    supply: Supply

    @property
    def attributes(self) -> Mapping[str, str]:
        return self.supply.attributes


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
    size: int = PROVIDERS

    def answers(
        self, order_id: UUID, gseq: int, group: Group, wanted: Mapping[str, str]
    ) -> tuple[list[Offer], list[Declined]]:
        """The bids, and who does not bid and why. `wanted` are the attributes that must hold.

        A bid is never above the placement's price, as on Akash.
        """
        demand = Demand.of(group, wanted)
        usual = cost.uact_per_block(_usd_month(group), self.inputs)
        offers: list[Offer] = []
        silent: list[Declined] = []
        for provider in providers(self.seed, self.size):
            price = self._price(provider, order_id, usual)
            if (refusal := declined(demand, provider.supply, price)) is not None:
                silent.append(replace(refusal, gseq=gseq))
            else:
                offers.append(Offer(bid=_bid(provider, price, gseq), block=provider.delay_blocks))
        return offers, silent

    def _price(self, provider: Provider, order_id: UUID, usual: Decimal) -> Decimal:
        """Akash's scale formula with this provider's factor and two percent of mood."""
        mood = sha256(f"{self.seed}/{provider.address}/{order_id}".encode()).digest()[0] % 41 - 20
        return max(_SMALLEST, (usual * provider.factor * (1000 + mood) / 1000).quantize(_SMALLEST))


@lru_cache(maxsize=8)
def providers(seed: int, size: int = PROVIDERS) -> tuple[Provider, ...]:
    """The market's providers; the same ones for the same seed."""
    return tuple(_provider(seed, place) for place in range(size))


def _provider(seed: int, place: int) -> Provider:
    digest = sha256(f"{seed}/{place}".encode()).digest()
    name, region = digest.hex()[:12], _REGIONS[place % len(_REGIONS)]
    return Provider(
        address=f"sim1{name}",
        uri=f"https://{name}.provider.invalid",
        region=region,
        reputation=Decimal(40 + digest[16] % 60) / 100,
        leases=digest[22],
        factor=Decimal(70 + digest[17] % 90) / 100,
        delay_blocks=1 + digest[18] % SLOWEST_BLOCKS,
        supply=Supply(
            provider=f"sim1{name}",
            cpu_millis=(64 + digest[19]) * 1000,
            memory_bytes=(256 + digest[20]) * 2**30,
            storage_bytes=(4 + digest[21] % 60) * 2**40,
            gpus=0 if digest[24] % 2 else 1 + digest[25] % 8,
            gpu_models=frozenset({_GPU_MODELS[digest[26] % len(_GPU_MODELS)]}),
            leases_ips=digest[27] % 4 > 0,
            storage_classes=_STORAGE_CLASSES[digest[23] % len(_STORAGE_CLASSES)],
            attributes={"host": "akash", "tier": "community", "region": region},
        ),
    )


def _bid(provider: Provider, price: Decimal, gseq: int) -> Bid:
    return Bid(
        provider=provider.address,
        uri=provider.uri,
        uact_per_block=price,
        reputation=provider.reputation,
        leases=provider.leases,
        attributes=provider.attributes,
        gseq=gseq,
    )


def _usd_month(group: Group) -> Decimal:
    shape, exposes = group.shape, [e for service in group.services for e in service.exposes]
    return (
        Decimal(shape.cpu_millis) / 1000 * _USD_PER_VCPU
        + Decimal(shape.memory_bytes) / 10**9 * _USD_PER_GB
        + Decimal(shape.storage_bytes) / 10**9 * _USD_PER_GB_DISK
        + sum(expose.is_global for expose in exposes) * _USD_PER_ENDPOINT
        + sum(bool(expose.ip) for expose in exposes) * _USD_PER_IP
        + shape.gpus * _USD_PER_GPU
    )
