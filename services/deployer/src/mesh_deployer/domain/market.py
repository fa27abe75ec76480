"""Choosing where to run."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class CloseReason(StrEnum):
    """Why a lease ended, in Akash's words (LeaseClosedReason in chain-sdk, akash.market.v1)."""

    OWNER = "owner"
    UNSTABLE = "unstable"
    DECOMMISSION = "decommission"
    UNSPECIFIED = "unspecified"
    MANIFEST_TIMEOUT = "manifest_timeout"
    INSUFFICIENT_FUNDS = "insufficient_funds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """A provider's offer to run one order.

    The price is uact per block for the whole order (1 ACT = 1_000_000 uact, worth one dollar by design).
    Reputation is 0 to 1. Attributes are what the provider says of itself.
    """

    provider: str
    uri: str
    uact_per_block: Decimal
    reputation: Decimal
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """A provider that did not bid, and why; only a simulated market knows."""

    provider: str
    reason: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredBid:
    """A bid with its place (1 is the chosen one, None is out) and the reason for it."""

    bid: Bid
    rank: int | None
    reason: str

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
    """The cheapest bid that meets the terms; ties go to the better provider, then to the lower address.

    Args:
        bids: The bids for one order, in any order.
        terms: What a bid must meet.
        lost: Providers whose bid was gone when it was accepted, or who closed their lease.

    Returns:
        All of `bids` once each; the same ones give the same table, whatever their order.

    Source: the rule "lowest cost with good reputation", row F of the system's first description.
    """
    ranked = sorted(bids, key=lambda bid: (bid.uact_per_block, -bid.reputation, bid.provider))
    faults = {bid.provider: _fault(bid, terms, lost) for bid in ranked}
    accepted = [bid for bid in ranked if not faults[bid.provider]]
    rejected = [bid for bid in ranked if faults[bid.provider]]
    return Choice(
        (
            *(
                ScoredBid(bid=bid, rank=rank, reason=_reason(bid, accepted))
                for rank, bid in enumerate(accepted, 1)
            ),
            *(ScoredBid(bid=bid, rank=None, reason=faults[bid.provider]) for bid in rejected),
        )
    )


def _fault(bid: Bid, terms: Terms, lost: Collection[str]) -> str:
    """Why the bid is out; empty when it is not."""
    if bid.provider in lost:
        return "Lost before: its bid was gone when it was accepted, or it closed the lease."
    if bid.uact_per_block > terms.ceiling_uact_per_block:
        return f"Costs {bid.uact_per_block} uact per block, at most {terms.ceiling_uact_per_block} is paid."
    if bid.reputation < terms.reputation_floor:
        return f"Reputation {bid.reputation} is below the floor of {terms.reputation_floor}."
    for name, wanted in terms.requirements.items():
        if (own := bid.attributes.get(name)) != wanted:
            return f"{name} is {own or 'not declared'}, {wanted} is required."
    return ""


def _reason(bid: Bid, accepted: list[Bid]) -> str:
    best = accepted[0]
    if bid is best:
        return f"Cheapest of {len(accepted)} that met the terms."
    if (dearer := bid.uact_per_block - best.uact_per_block) > 0:
        return f"Costs {dearer} uact per block more than the chosen one."
    if bid.reputation < best.reputation:
        return "Costs the same as the chosen one, with less reputation."
    return "Equal to the chosen one; the lower address wins."
