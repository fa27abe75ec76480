"""What every backend promises, asked of each: simulated, Docker, Akash by its chain and by its Console."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest
from arenas import BIGGER, DEPOSIT, GREETS_OTHERWISE, WORKLOAD, Arena
from asking import cancelled_after, cost, heard, leased, running, until_it_ends, written
from mesh_deployer.domain.drift import drift, unreported
from mesh_deployer.domain.market import CloseReason
from mesh_deployer.errors import (
    BidLost,
    InsufficientFunds,
    LeaseLost,
    ManifestRefused,
    ManifestTimeout,
    NotOffered,
    OrderNotOpen,
    ServiceUnknown,
)
from mesh_deployer.ports import Closed, Marketplace


async def test_it_says_in_a_sentence_what_running_there_means(market: Marketplace):
    meaning = await market.capabilities(WORKLOAD)

    assert len(meaning) > 20
    assert meaning.endswith(".")


async def test_a_quote_says_who_would_not_bid_and_opens_nothing(arena: Arena, market: Marketplace):
    nowhere = replace(arena.order(), requirements={"region": "nowhere"})

    book = await market.quote(nowhere)

    assert book.bids == ()
    assert {"region" in declined.reason for declined in book.declined} == {True}
    assert list(await market.held()) == []


async def test_bids_arrive_one_per_provider_and_never_above_the_price(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await market.create(wanted)

    first, book = await market.bids(wanted.id), await arena.all_bids(wanted.id)

    assert set(bid.provider for bid in first.bids) <= {bid.provider for bid in book.bids}
    assert len({bid.provider for bid in book.bids}) == len(book.bids) > 1
    assert all(0 < bid.uact_per_block <= WORKLOAD.groups[0].ceiling for bid in book.bids)
    assert all(0 <= bid.reputation <= 1 for bid in book.bids)


async def test_an_order_that_nobody_wants_stays_open_without_a_bid(arena: Arena, market: Marketplace):
    wanted = arena.order(fault="no-bids")
    await market.create(wanted)

    book = await market.bids(wanted.id)

    assert (book.bids, book.is_complete) == ((), False)
    assert list(await market.held()) == [wanted.id]


async def test_an_order_opened_twice_is_opened_once(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await market.create(wanted)
    before = await arena.all_bids(wanted.id)

    await market.create(wanted)

    assert await arena.all_bids(wanted.id) == before
    assert list(await market.held()) == [wanted.id]


async def test_a_bid_accepted_twice_is_one_lease(arena: Arena, market: Marketplace):
    wanted = arena.order()
    bid, lease = await leased(arena, wanted)

    assert list(await market.accept(wanted.id, [bid])) == [lease]
    assert bid.provider in lease.lease_id


async def test_a_leased_order_is_nobody_elses(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await market.create(wanted)
    bid, other, *_ = (await arena.all_bids(wanted.id)).bids
    await market.accept(wanted.id, [bid])

    with pytest.raises(OrderNotOpen):
        await market.accept(wanted.id, [other])


async def test_a_bid_that_was_withdrawn_is_lost_and_the_next_one_can_be_had(
    arena: Arena, market: Marketplace
):
    wanted = arena.order(fault="lost-bid")
    await market.create(wanted)
    gone, next_best, *_ = (await arena.all_bids(wanted.id)).bids

    with pytest.raises(BidLost):
        await market.accept(wanted.id, [gone])

    assert next_best.provider in (await market.accept(wanted.id, [next_best]))[0].lease_id


async def test_nothing_runs_without_a_lease(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await market.create(wanted)

    with pytest.raises(OrderNotOpen):
        await market.send_manifest(wanted.id, WORKLOAD)


async def test_a_manifest_sent_twice_is_one_workload(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await leased(arena, wanted)
    first = await running(market, wanted.id)

    again = await running(market, wanted.id)

    assert (first.phase, again) == ("running", first)


async def test_another_manifest_for_the_same_resources_takes_the_place_of_the_first(
    arena: Arena, market: Marketplace
):
    wanted = arena.order()
    _, lease = await leased(arena, wanted)
    await running(market, wanted.id)

    await market.send_manifest(wanted.id, GREETS_OTHERWISE)
    async with asyncio.timeout(60):
        while (await market.status(wanted.id)).phase != "running":
            await asyncio.sleep(0.05)

    assert lease.lease_id


async def test_a_manifest_for_other_resources_is_refused_and_the_first_runs_on(
    arena: Arena, market: Marketplace
):
    wanted = arena.order()
    await leased(arena, wanted)
    await running(market, wanted.id)

    with pytest.raises(ManifestRefused):
        await market.send_manifest(wanted.id, BIGGER)

    assert (await market.status(wanted.id)).phase == "running"


async def test_a_provider_that_gets_no_manifest_in_time_closes_the_lease_and_that_is_the_reason(
    arena: Arena, market: Marketplace
):
    wanted = arena.order(fault="manifest-timeout")
    await leased(arena, wanted)

    refusals = [await until_it_ends(lambda: market.send_manifest(wanted.id, WORKLOAD)) for _ in range(2)]

    assert [type(refusal) for refusal in refusals] == [ManifestTimeout] * 2
    assert (await market.close(wanted.id)).reason is CloseReason.MANIFEST_TIMEOUT


async def test_a_lease_that_its_provider_closed_is_lost_and_the_order_can_be_opened_again(
    arena: Arena, market: Marketplace
):
    wanted = arena.order(fault="reclaim")
    _, first = await leased(arena, wanted)
    await market.send_manifest(wanted.id, WORKLOAD)

    lost = await until_it_ends(lambda: market.status(wanted.id))
    again = replace(wanted, number=2)
    for _ in range(2):
        await market.create(again)
    bid = (await arena.all_bids(wanted.id)).bids[0]
    (second,) = await market.accept(wanted.id, [bid])

    assert isinstance(lost, LeaseLost)
    assert lost.leases[0][1] in first.lease_id
    assert second.lease_id != first.lease_id
    assert (await running(market, wanted.id)).phase == "running"
    assert (await market.close(wanted.id)).reason is CloseReason.OWNER


async def test_closing_ends_everything_and_costs_the_price_of_the_blocks_to_the_uact(
    arena: Arena, market: Marketplace
):
    wanted = arena.order()
    bid, _ = await leased(arena, wanted)
    await market.send_manifest(wanted.id, WORKLOAD)
    for _ in range(3):
        await market.status(wanted.id)

    closed = await market.close(wanted.id)

    blocks = await arena.paid_blocks(wanted.id)
    assert closed == Closed(reason=CloseReason.OWNER, spent_uact=cost(bid, blocks))
    assert list(await market.held()) == []


async def test_a_deposit_that_is_used_up_closes_the_order_when_the_provider_asks_for_its_pay(
    arena: Arena, market: Marketplace
):
    wanted = arena.order(deposit_uact=1)
    await leased(arena, wanted)
    await market.send_manifest(wanted.id, WORKLOAD)

    ending = await until_it_ends(lambda: market.status(wanted.id))

    assert isinstance(ending, InsufficientFunds)
    assert await market.close(wanted.id) == Closed(reason=CloseReason.INSUFFICIENT_FUNDS, spent_uact=1)
    assert list(await market.held()) == []


async def test_a_deposit_is_topped_up_to_a_total_however_often_that_is_asked(
    arena: Arena, market: Marketplace
):
    wanted = arena.order(deposit_uact=1)
    bid, _ = await leased(arena, wanted)

    for _ in range(3):
        await market.deposit(wanted.id, 40)
    await market.deposit(wanted.id, 20)
    await market.send_manifest(wanted.id, WORKLOAD)
    ending = await until_it_ends(lambda: market.status(wanted.id))

    assert isinstance(ending, InsufficientFunds)
    assert (await market.close(wanted.id)).spent_uact == 40
    assert await arena.paid_blocks(wanted.id) >= Decimal(40) / bid.uact_per_block


async def test_closing_twice_is_closing_once(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await leased(arena, wanted)
    await running(market, wanted.id)

    closed = await market.close(wanted.id)

    assert await market.close(wanted.id) == closed
    assert closed.spent_uact > 0


async def test_what_was_never_leased_or_never_opened_costs_nothing(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await market.create(wanted)

    ended = [await market.close(wanted.id), await market.close(uuid4())]

    assert ended == [Closed(reason=CloseReason.OWNER, spent_uact=0)] * 2


async def test_a_closed_order_takes_no_further_step(arena: Arena, market: Marketplace):
    wanted = arena.order()
    bid, _ = await leased(arena, wanted)
    await market.close(wanted.id)

    for step in (
        market.bids(wanted.id),
        market.accept(wanted.id, [bid]),
        market.send_manifest(wanted.id, WORKLOAD),
        market.status(wanted.id),
        market.deposit(wanted.id, 2 * DEPOSIT),
        written(market, wanted.id),
        market.observed(wanted.id),
    ):
        with pytest.raises(OrderNotOpen):
            await step
    assert list(await market.held()) == []


async def test_an_order_that_nobody_opened_has_no_bids_no_condition_and_no_log(market: Marketplace):
    for step in (market.bids(uuid4()), market.status(uuid4()), written(market, uuid4())):
        with pytest.raises(OrderNotOpen):
            await step


async def test_everything_that_is_not_closed_is_held_and_found_by_the_next_process(
    arena: Arena, market: Marketplace
):
    opened, taken, closed = arena.order(), arena.order(), arena.order()
    await market.create(opened)
    await leased(arena, taken)
    await market.send_manifest(taken.id, WORKLOAD)
    await market.create(closed)
    await market.close(closed.id)

    found = arena.restarted()

    assert set(await found.held()) == {opened.id, taken.id}
    for left in (opened.id, taken.id):
        await found.close(left)
    assert list(await market.held()) == []


async def test_two_askers_at_once_get_the_same_lease(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await market.create(wanted)
    bid = (await arena.all_bids(wanted.id)).bids[0]

    leases = await asyncio.gather(*(market.accept(wanted.id, [bid]) for _ in range(5)))
    await asyncio.gather(*(market.send_manifest(wanted.id, WORKLOAD) for _ in range(3)))

    assert len(set(map(tuple, leases))) == 1
    assert (await running(market, wanted.id)).phase == "running"


async def test_what_a_workload_writes_can_be_read_the_last_lines_or_none(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await leased(arena, wanted)
    await running(market, wanted.id)

    lines = await written(market, wanted.id)

    assert lines
    assert {line.service for line in lines} == {"web"}
    assert await written(market, wanted.id, tail=0) == []


async def test_what_runs_is_reported_as_far_as_a_market_knows_it(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await leased(arena, wanted)
    await running(market, wanted.id)

    observed = await market.observed(wanted.id)

    assert [found.service for found in observed] == ["web"]
    assert drift(WORKLOAD, observed) == ()
    assert "replicas" not in unreported(observed)


async def test_nothing_is_reported_of_what_was_not_started(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await market.create(wanted)

    assert list(await market.observed(wanted.id)) == []


async def test_a_command_runs_beside_the_workload_or_is_refused_by_name(arena: Arena, market: Marketplace):
    wanted = arena.order()
    await leased(arena, wanted)
    await running(market, wanted.id)

    if not arena.can_exec:
        with pytest.raises(NotOffered):
            await market.exec(wanted.id, "web", ["true"])
        return
    output = await market.exec(wanted.id, "web", ["sh", "-c", "echo $GREETING; exit 3"])
    assert (output.exit_code, output.stdout, output.is_cut) == (3, "hello\n", False)
    with pytest.raises(ServiceUnknown):
        await market.exec(wanted.id, "nobody", ["true"])


async def test_a_step_that_was_cancelled_in_the_middle_can_be_taken_again(arena: Arena, market: Marketplace):
    for turns in arena.cancelled_after:
        wanted = arena.order()
        await cancelled_after(turns, market.create(wanted))
        await heard(partial(market.create, wanted))
        bid = (await arena.all_bids(wanted.id)).bids[0]
        await cancelled_after(turns, market.accept(wanted.id, [bid]))
        (lease,) = await market.accept(wanted.id, [bid])
        await cancelled_after(turns, market.send_manifest(wanted.id, WORKLOAD))
        condition = await running(market, wanted.id)
        await cancelled_after(turns, market.close(wanted.id))
        closed = await market.close(wanted.id)

        assert bid.provider in lease.lease_id
        assert condition.phase == "running"
        assert closed.spent_uact == cost(bid, await arena.paid_blocks(wanted.id))
        assert list(await market.held()) == []
