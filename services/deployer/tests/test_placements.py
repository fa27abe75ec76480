"""Several placements are one deployment: all of them are leased or none, on every backend."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import akash
import pytest
from arenas import NO_BIDS_IN_THE_SECOND, SEVERAL, Arena
from asking import running, until_it_ends, written
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.drift import drift
from mesh_deployer.domain.market import Bid, BidBook, CloseReason
from mesh_deployer.errors import BidLost, LeaseLost, OrderNotOpen
from mesh_deployer.ports import Closed, Marketplace, Order


async def bids_for(arena: Arena, wanted: Order, count: int) -> BidBook:
    """The bids once there are some for so many placements."""
    async with asyncio.timeout(60):
        while True:
            book = await arena.all_bids(wanted.id)
            if len({bid.gseq for bid in book.bids}) >= count:
                return book


def cheapest(bids: Sequence[Bid]) -> list[Bid]:
    """One for each placement."""
    numbers = sorted({bid.gseq for bid in bids})
    return [min((b for b in bids if b.gseq == n), key=lambda bid: bid.uact_per_block) for n in numbers]


async def leased(arena: Arena, wanted: Order) -> tuple[list[Bid], Sequence[Lease]]:
    await arena.market.create(wanted)
    bids = cheapest((await bids_for(arena, wanted, 2)).bids)
    return bids, await arena.market.accept(wanted.id, bids)


async def test_when_one_placement_has_no_bid_nothing_is_leased_and_nothing_is_spent(
    arena: Arena, market: Marketplace
):
    wanted = arena.order(fault=NO_BIDS_IN_THE_SECOND, workload=SEVERAL)
    await market.create(wanted)
    bids = cheapest((await bids_for(arena, wanted, 1)).bids)
    nobodys = replace(bids[0], gseq=2)

    with pytest.raises(BidLost) as lost:
        await market.accept(wanted.id, [*bids, nobodys])

    assert ([bid.gseq for bid in bids], lost.value.bid) == ([1], nobodys.id)
    with pytest.raises(OrderNotOpen):
        await market.send_manifest(wanted.id, SEVERAL)
    assert await market.close(wanted.id) == Closed(reason=CloseReason.OWNER, spent_uact=0)
    assert list(await market.held()) == []


async def test_each_placement_has_bids_and_a_lease_of_its_own_and_runs_what_is_its_own(
    arena: Arena, market: Marketplace
):
    wanted = arena.order(workload=SEVERAL)
    bids, leases = await leased(arena, wanted)
    again = await market.accept(wanted.id, bids)

    condition = await running(market, wanted.id, SEVERAL)
    observed = await market.observed(wanted.id)
    lines = await written(market, wanted.id)
    closed = await market.close(wanted.id)

    assert [lease.gseq for lease in leases] == [bid.gseq for bid in bids] == [1, 2]
    assert (list(again), len({lease.lease_id for lease in leases})) == (list(leases), 2)
    assert condition.phase == "running"
    assert drift(SEVERAL, observed) == ()
    assert {(line.gseq, line.service) for line in lines} >= {(1, "web"), (2, "web")}
    owed = sum((bid.uact_per_block for bid in bids), Decimal(0)) * await arena.paid_blocks(wanted.id)
    assert closed.spent_uact == owed.to_integral_value(ROUND_CEILING) > 0


async def test_the_providers_of_all_placements_are_told_and_asked_at_once(tmp_path: Path):
    async with akash.present(f"sqlite+aiosqlite:///{tmp_path}/a.db", tmp_path) as arena:
        wanted = arena.order(workload=SEVERAL)
        await leased(arena, wanted)

        arena.town.world.party = asyncio.Barrier(len(SEVERAL.groups))
        await arena.market.send_manifest(wanted.id, SEVERAL)
        condition = await arena.market.status(wanted.id)

    assert condition.phase == "running"


async def test_a_placement_that_lost_its_provider_gets_another_while_the_others_run_on(
    arena: Arena, market: Marketplace
):
    wanted = arena.order(fault="reclaim", workload=SEVERAL)
    before, first = await leased(arena, wanted)
    await market.send_manifest(wanted.id, SEVERAL)
    lost = await until_it_ends(lambda: market.status(wanted.id))
    assert isinstance(lost, LeaseLost)

    kept = frozenset({1, 2}) - lost.gseqs
    await market.create(replace(wanted, number=2, kept=kept))
    offered = await bids_for(arena, wanted, 2 - len(kept))
    second = await market.accept(wanted.id, [cheapest(offered.bids)[0], before[1]])
    await running(market, wanted.id, SEVERAL)

    assert lost.gseqs == ({1, 2} if arena.reopens_all else {1})
    assert (lost.leases, {bid.gseq for bid in offered.bids}) == ((before[0].id,), lost.gseqs)
    assert [lease.gseq for lease in second] == [1, 2]
    assert second[0].lease_id != first[0].lease_id
    assert (second[1] == first[1]) is not arena.reopens_all
    assert (await market.close(wanted.id)).reason is CloseReason.OWNER
    assert list(await market.held()) == []
