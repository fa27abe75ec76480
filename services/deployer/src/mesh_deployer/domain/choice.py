"""Choosing where to run: one bid for every placement, or none at all."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mesh_deployer.domain.market import (
    Bid,
    BidId,
    Cause,
    Placement,
    ScoredBid,
    Strategy,
    Terms,
    misses,
    uact_per_block,
)
from mesh_deployer.domain.workload import Workload


@dataclass(frozen=True, slots=True)
class Choice:
    """Every bid with its reason, by placement and best first; `wanted` are the placements to be taken."""

    table: tuple[ScoredBid, ...]
    wanted: tuple[int, ...]

    @property
    def chosen(self) -> tuple[Bid, ...]:
        """The bids to accept, one for each placement; none when a placement has none that meets the terms."""
        best = tuple(scored.bid for scored in self.table if scored.rank == 1)
        return best if len(best) == len(self.wanted) else ()

    @property
    def uact_per_block(self) -> Decimal | None:
        """What the chosen ones cost together; None when none are."""
        return uact_per_block(self.chosen)


def placements(workload: Workload) -> tuple[Placement, ...]:
    """What is bid for, in the order of its numbers."""
    return tuple(Placement(name=g.name, ceiling_uact_per_block=g.ceiling) for g in workload.groups)


def choose_bids(
    bids: Iterable[Bid], terms: Terms, *, lost: Collection[BidId] = (), kept: Collection[int] = ()
) -> Choice:
    """The best bid for each placement by the strategy of `terms`, among those that meet them.

    Equal scores go to the better reputation where the price is the score, then to the lower address.

    Args:
        bids: The bids for one order, in any order.
        terms: What a bid must meet.
        lost: Bids that were gone when they were accepted, or whose lease was closed or left: their providers
            are out for that placement, and for no other.
        kept: Placements that are leased already; nothing is chosen for them.

    Returns:
        All bids for the other placements once each; the same ones give the same table, whatever their order.
    """
    wanted = tuple(gseq for gseq, _ in enumerate(terms.placements, 1) if gseq not in kept)
    by_placement: dict[int, list[Bid]] = {gseq: [] for gseq in wanted}
    for bid in bids:
        if bid.gseq in by_placement:
            by_placement[bid.gseq].append(bid)
    return Choice(
        tuple(scored for several in by_placement.values() for scored in _table(several, terms, lost)), wanted
    )


def _table(bids: Iterable[Bid], terms: Terms, lost: Collection[BidId]) -> Sequence[ScoredBid]:
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
    return [*placed, *out]


def _order(score: Decimal, bid: Bid, terms: Terms) -> tuple[Decimal, Decimal, str]:
    is_price = terms.strategy is Strategy.CHEAPEST
    return (score, -bid.reputation if is_price else Decimal(0), bid.provider)


def _fault(bid: Bid, terms: Terms, lost: Collection[BidId]) -> tuple[Cause, str] | None:
    """Why the bid is out; None when it is not."""
    if bid.id in lost:
        return Cause.LOST, "Lost before: its bid was gone when it was accepted, or it closed the lease."
    price, ceiling = bid.uact_per_block, terms.placements[bid.gseq - 1].ceiling_uact_per_block
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
