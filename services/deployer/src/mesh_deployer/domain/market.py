"""Choosing where to run."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """A provider's offer to run one order.

    The price is uact per block for the whole order (1 ACT = 1_000_000 uact, worth one dollar by design).
    Reputation is 0 to 1, the share of its `leases` that went well; 0 leases when nobody knows how many there
    were. Attributes are what the provider says of itself.
    """

    provider: str
    uri: str
    uact_per_block: Decimal
    reputation: Decimal
    leases: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def trust(self) -> Decimal:
        """What its reputation can be relied on, given so many leases."""
        return lower_bound(self.reputation, self.leases)

    def score(self, strategy: "Strategy") -> Decimal:
        """uact per block, or per block and trust; the least is the best."""
        if strategy is Strategy.CHEAPEST:
            return self.uact_per_block
        return (self.uact_per_block / self.trust).quantize(_SCORE_STEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """A provider that did not bid, and why; only a simulated market knows."""

    provider: str
    reason: str
    cause: Cause = Cause.UNKNOWN


@dataclass(frozen=True, slots=True)
class BidBook:
    """What has arrived for an order.

    A real market never knows whether more will come: `is_complete` is false then.
    """

    bids: tuple[Bid, ...]
    declined: tuple[Declined, ...] = ()
    is_complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a bid must meet: the least reputation, the most to pay per block, and the attributes required."""

    reputation_floor: Decimal
    ceiling_uact_per_block: Decimal
    requirements: Mapping[str, str] = field(default_factory=dict[str, str])
    strategy: Strategy = Strategy.CHEAPEST


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


@dataclass(frozen=True, slots=True)
class Choice:
    """Every bid with its reason, best first."""

    table: tuple[ScoredBid, ...]

    @property
    def chosen(self) -> Bid | None:
        """The bid to accept; None when none meets the terms."""
        return self.table[0].bid if self.table and self.table[0].accepted else None


def choose_bid(bids: Iterable[Bid], terms: Terms, *, lost: Collection[str] = ()) -> Choice:
    """The best bid by the strategy of `terms` among those that meet them.

    Equal scores go to the better reputation where the price is the score, then to the lower address.

    Args:
        bids: The bids for one order, in any order.
        terms: What a bid must meet.
        lost: Providers whose bid was gone when it was accepted, or who closed their lease.

    Returns:
        All of `bids` once each; the same ones give the same table, whatever their order.
    """
    scored = sorted(((bid.score(terms.strategy), bid) for bid in bids), key=lambda pair: _order(*pair, terms))
    faults = {bid.provider: _fault(bid, terms, lost) for _, bid in scored}
    accepted = [(score, bid) for score, bid in scored if not faults[bid.provider]]
    placed = [
        ScoredBid(bid=bid, rank=rank, reason=reason, cause=cause, score=score)
        for rank, (score, bid) in enumerate(accepted, 1)
        for cause, reason in [_standing(score, bid, accepted, terms)]
    ]
    out = [
        ScoredBid(bid=bid, rank=None, reason=fault[1], cause=fault[0], score=score)
        for score, bid in scored
        if (fault := faults[bid.provider])
    ]
    return Choice((*placed, *out))


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


def _order(score: Decimal, bid: Bid, terms: Terms) -> tuple[Decimal, Decimal, str]:
    is_price = terms.strategy is Strategy.CHEAPEST
    return (score, -bid.reputation if is_price else Decimal(0), bid.provider)


def _fault(bid: Bid, terms: Terms, lost: Collection[str]) -> tuple[Cause, str] | None:
    """Why the bid is out; None when it is not."""
    if bid.provider in lost:
        return Cause.LOST, "Lost before: its bid was gone when it was accepted, or it closed the lease."
    price, ceiling = bid.uact_per_block, terms.ceiling_uact_per_block
    if price > ceiling:
        return Cause.PRICE, f"Costs {price} uact per block, at most {ceiling} is paid."
    if bid.reputation < terms.reputation_floor:
        return (
            Cause.REPUTATION,
            f"Reputation {bid.reputation} is below the floor of {terms.reputation_floor}.",
        )
    return misses(terms.requirements, bid.attributes)


def _standing(
    score: Decimal, bid: Bid, accepted: Sequence[tuple[Decimal, Bid]], terms: Terms
) -> tuple[Cause, str]:
    best_score, best = accepted[0]
    if terms.strategy is Strategy.BEST_VALUE:
        return _standing_by_value(score, bid, accepted)
    if bid is best:
        return Cause.CHOSEN, f"Cheapest of {len(accepted)} that met the terms."
    if score > best_score:
        return Cause.OUTBID, f"Costs {score - best_score} uact per block more than the chosen one."
    if bid.reputation < best.reputation:
        return Cause.OUTBID, "Costs the same as the chosen one, with less reputation."
    return Cause.OUTBID, "Equal to the chosen one; the lower address wins."


def _standing_by_value(
    score: Decimal, bid: Bid, accepted: Sequence[tuple[Decimal, Bid]]
) -> tuple[Cause, str]:
    best_score, best = accepted[0]
    told = f"{bid.uact_per_block} uact per block at a trust of {bid.trust} ({bid.leases} leases)"
    if bid is best:
        return Cause.CHOSEN, f"Best value of {len(accepted)} that met the terms: {told}."
    if score > best_score:
        return Cause.OUTBID, f"{told} is {score}, the chosen one has {best_score}."
    return Cause.OUTBID, "Of equal value; the lower address wins."
