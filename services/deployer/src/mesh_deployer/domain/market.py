"""What providers offer, and what is asked of them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from mesh_deployer.domain.reputation import lower_bound


class CloseReason(StrEnum):
    """Why a lease ended, in Akash's words (LeaseClosedReason in chain-sdk, akash.market.v1)."""

    OWNER = "owner"
    UNSTABLE = "unstable"
    DECOMMISSION = "decommission"
    UNSPECIFIED = "unspecified"
    MANIFEST_TIMEOUT = "manifest_timeout"
    INSUFFICIENT_FUNDS = "insufficient_funds"


class Cause(StrEnum):
    """Why a provider is chosen, or is not."""

    CHOSEN = "chosen"
    OUTBID = "outbid"
    PRICE = "price"
    REPUTATION = "reputation"
    ATTRIBUTE = "attribute"
    RESIDENCY = "residency"
    AUDITOR = "auditor"
    RESOURCES = "resources"
    CAPACITY = "capacity"
    LOST = "lost"
    UNKNOWN = "unknown"


class Strategy(StrEnum):
    """Which of the bids that meet the terms is the best.

    `cheapest` is the rule "lowest cost with good reputation", row F of the system's first description.
    `best-value` divides the price by what the reputation can be relied on, so that a provider of few leases
    has to be much cheaper than one of many.
    """

    CHEAPEST = "cheapest"
    BEST_VALUE = "best-value"


RESIDENCY = frozenset({"region", "country", "location-region"})
"""Attributes that say where a provider is."""
_SCORE_STEP = Decimal("0.000001")


BidId = tuple[int, str]
"""Which bid, or lease, of a deployment: the number of its placement, and whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """A provider's offer to run the placement of number `gseq`.

    The price is uact per block for the whole placement (1 ACT = 1_000_000 uact, worth one dollar by design).
    Reputation is 0 to 1, the share of its `leases` that went well; 0 leases when nobody knows how many there
    were. Attributes are what the provider says of itself.
    """

    provider: str
    uri: str
    uact_per_block: Decimal
    reputation: Decimal
    leases: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    gseq: int = 1

    @property
    def id(self) -> BidId:
        """Which bid of its order it is: a provider makes one for a placement."""
        return self.gseq, self.provider

    @property
    def trust(self) -> Decimal:
        """What its reputation can be relied on, given so many leases."""
        return lower_bound(self.reputation, self.leases)

    def score(self, strategy: "Strategy") -> Decimal:
        """uact per block, or per block and trust; the least is the best."""
        if strategy is Strategy.CHEAPEST:
            return self.uact_per_block
        return (self.uact_per_block / self.trust).quantize(_SCORE_STEP)


def uact_per_block(bids: Collection[Bid]) -> Decimal | None:
    """What all of `bids` cost together; None when there are none."""
    return sum((bid.uact_per_block for bid in bids), Decimal(0)) if bids else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """A provider that did not bid for the placement `gseq`, and why; only a simulated market knows."""

    provider: str
    reason: str
    cause: Cause = Cause.UNKNOWN
    gseq: int = 1


@dataclass(frozen=True, slots=True)
class BidBook:
    """What has arrived for an order.

    A real market never knows whether more will come: `is_complete` is false then.
    """

    bids: tuple[Bid, ...]
    declined: tuple[Declined, ...] = ()
    is_complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is bid for: a group of the SDL, and the most to pay for it per block."""

    name: str
    ceiling_uact_per_block: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What bids must meet: the least reputation, the attributes required, and the price of each placement.

    The first of `placements` has the number 1.
    """

    reputation_floor: Decimal
    placements: tuple[Placement, ...]
    requirements: Mapping[str, str] = field(default_factory=dict[str, str])
    strategy: Strategy = Strategy.CHEAPEST

    def placement(self, gseq: int) -> str:
        """The name of the placement with that number."""
        return self.placements[gseq - 1].name


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredBid:
    """A bid with its place (1 is the chosen one, None is out), its score and the reason for it."""

    bid: Bid
    rank: int | None
    reason: str
    cause: Cause = Cause.UNKNOWN
    score: Decimal | None = None

    @property
    def accepted(self) -> bool:
        """True when it meets the terms."""
        return self.rank is not None


def misses(wanted: Mapping[str, str], own: Mapping[str, str]) -> tuple[Cause, str] | None:
    """The first attribute in `wanted` that a provider with its `own` does not have as it is wanted."""
    for name, value in wanted.items():
        if (found := own.get(name)) != value:
            cause = Cause.RESIDENCY if name in RESIDENCY else Cause.ATTRIBUTE
            return cause, f"{name} is {found or 'not declared'}, {value} is required."
    return None


def tally(bids: Iterable[ScoredBid], declined: Iterable[Declined]) -> dict[Cause, int]:
    """How many providers are out for which cause, the most frequent first."""
    causes = Counter(bid.cause for bid in bids if not bid.accepted) + Counter(d.cause for d in declined)
    return dict(sorted(causes.items(), key=lambda pair: (-pair[1], pair[0])))
