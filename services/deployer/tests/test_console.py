"""A Console that lies, stalls and loses its answers; and a gateway that does not let the deployer in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import consoled
import pytest
from arenas import DEPOSIT, WORKLOAD
from console import Broken
from consoled import ConsoleArena
from mesh_deployer.adapters.akash.views import BidView
from mesh_deployer.adapters.console.api import NAME, Console, Refused
from mesh_deployer.adapters.console.market import ConsoleMarketplace
from mesh_deployer.domain.market import Cause
from mesh_deployer.domain.workload import Params, Workload
from mesh_deployer.errors import ConsoleNotConnected, ManifestRefused, NotWritten, OrderNotOpen, OrderRefused
from mesh_deployer.ports import Order
from mesh_deployer.repository.orders import RemoteOrders
from mesh_shared.errors import Unavailable

CREATE, LIST = "POST /v1/deployments", "GET /v1/deployments"
LOST = Broken(502, {"error": "Bad gateway"}, acts=True)
"""An answer that does not come through, after the Console has done what was asked."""
BID = BidView.model_validate(
    {
        "id": {"owner": "o", "dseq": "7", "gseq": 1, "oseq": 1, "provider": "p"},
        "state": "open",
        "price": {"denom": "uact", "amount": "7"},
    }
)
QUESTIONS: dict[str, Callable[[Console], Awaitable[object]]] = {
    "GET /v1/user/me": lambda console: console.check(),
    "GET /v1/deployments": lambda console: console.deployments(),
    "POST /v1/deployments": lambda console: console.create("{}", 1),
    "GET /v1/deployments/{dseq}": lambda console: console.deployment(7),
    "PUT /v1/deployments/{dseq}": lambda console: console.update(7, "{}"),
    "DELETE /v1/deployments/{dseq}": lambda console: console.close(7),
    "GET /v1/bids": lambda console: console.bids(7),
    "POST /v1/leases": lambda console: console.lease("[]", [BID]),
    "POST /v1/deposit-deployment": lambda console: console.deposit(7, 1),
    "GET /v1/providers": lambda console: console.providers(),
}
LIES = [
    Broken(200, "<html>It works!</html>"),
    Broken(200, 7),
    Broken(500, {"error": "panic"}),
    Broken(429, {"message": "Too many requests"}),
    Broken(503, {"code": "upstream-down"}, by_gateway="upstream_unreachable"),
]


@pytest.fixture
async def arena(tmp_path: Path) -> AsyncIterator[ConsoleArena]:
    async with consoled.consoled(f"sqlite+aiosqlite:///{tmp_path}/c.db") as arena:
        yield arena


@pytest.fixture
def market(arena: ConsoleArena) -> ConsoleMarketplace:
    return arena.market


async def opened(arena: ConsoleArena) -> Order:
    order = arena.order()
    await arena.market.create(order)
    return order


def deployments(arena: ConsoleArena) -> list[str]:
    """Every deployment that the account ever had, with its state."""
    return [found.state for found in arena.server.ledger.deployments.values()]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: f"{lie.status} {str(lie.body)[:20]}")
async def test_a_console_that_talks_nonsense_is_unavailable_whatever_it_was_asked(
    arena: ConsoleArena, lie: Broken
):
    for operation, ask in QUESTIONS.items():
        arena.server.broken[operation] = lie
        with pytest.raises(Unavailable):
            await ask(arena.market.console)

    assert arena.server.asked == list(QUESTIONS)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"deployment": {"id": {"owner": "o", "dseq": "7"}, "state": "active", "hash": "!"}, "leases": []},
        {"deployment": {}, "leases": {}, "escrow_account": {"state": {}}},
    ],
)
async def test_a_deployment_that_lacks_a_part_is_no_answer(arena: ConsoleArena, data: dict[str, Any]):
    arena.server.broken["GET /v1/deployments/{dseq}"] = Broken(200, {"data": data})

    with pytest.raises(Unavailable):
        await arena.market.console.deployment(7)


async def test_another_deployment_than_was_asked_for_is_no_answer(arena: ConsoleArena):
    orders = [await opened(arena) for _ in range(2)]
    one, other = [await arena.dseq(order.id) for order in orders]
    shown = arena.server.shown(other)
    arena.server.broken["GET /v1/deployments/{dseq}"] = Broken(200, {"data": shown})

    with pytest.raises(Unavailable):
        await arena.market.console.deployment(one)


async def test_bids_for_another_deployment_or_in_another_money_are_nobodys(arena: ConsoleArena):
    order = await opened(arena)
    (bid, _) = (await arena.market.bids(order.id)).bids
    shown = arena.server.bids_of(await arena.dseq(order.id))
    shown[0]["bid"]["price"] = {"denom": "uakt", "amount": "1"}
    shown[1]["bid"]["id"]["dseq"] = "1"
    arena.server.broken["GET /v1/bids"] = Broken(200, {"data": shown})

    assert bid.uact_per_block == Decimal("7.25")
    assert (await arena.market.bids(order.id)).bids == ()


async def test_an_order_whose_answer_was_lost_is_found_again_and_not_sent_twice(arena: ConsoleArena):
    order = arena.order()
    arena.server.broken[CREATE] = LOST
    with pytest.raises(Unavailable):
        await arena.market.create(order)

    await arena.market.create(order)

    assert deployments(arena) == ["active"]
    assert arena.server.asked.count(CREATE) == 1
    assert await arena.dseq(order.id) == arena.server.last


async def test_an_order_that_never_arrived_is_sent_again_once_it_cannot_come_through_any_more(
    arena: ConsoleArena,
):
    order, patient = arena.order(), replace(arena.market, settle_s=60)
    arena.server.broken[CREATE] = Broken(502, {})
    for _ in range(3):
        with pytest.raises(Unavailable):
            await patient.create(order)
    asked = arena.server.asked.count(CREATE)

    async with arena.market.database.write() as session:
        await RemoteOrders(session, NAME).set(order.id, void_after=1)
    await patient.create(order)

    assert (asked, arena.server.asked.count(CREATE)) == (1, 2)
    assert deployments(arena) == ["active"]


async def test_two_orders_of_one_manifest_do_not_take_each_others_deployment(arena: ConsoleArena):
    first, second = arena.order(), arena.order()
    for order in (first, second):
        arena.server.broken[CREATE] = LOST
        with pytest.raises(Unavailable):
            await arena.market.create(order)

    await asyncio.gather(arena.market.create(first), arena.market.create(second))

    assert await arena.dseq(first.id) != await arena.dseq(second.id)
    assert deployments(arena) == ["active"] * 2


async def test_an_order_that_is_closed_before_its_answer_is_heard_leaves_nothing(arena: ConsoleArena):
    order = arena.order()
    arena.server.broken[CREATE] = LOST
    with pytest.raises(Unavailable):
        await arena.market.create(order)

    closed = await arena.market.close(order.id)

    assert closed.spent_uact == 0
    assert deployments(arena) == ["closed"]


async def test_an_order_that_may_still_come_through_is_not_called_closed(arena: ConsoleArena):
    patient = replace(arena.market, settle_s=60)
    order = arena.order()
    arena.server.broken[CREATE] = Broken(502, {})
    with pytest.raises(Unavailable):
        await patient.create(order)

    with pytest.raises(Unavailable):
        await patient.close(order.id)

    assert list(await patient.held()) == [order.id]


async def test_what_the_console_does_not_open_is_refused_with_its_reason(arena: ConsoleArena):
    order = arena.order(deposit_uact=11 * DEPOSIT)

    for _ in range(2):
        with pytest.raises(OrderRefused, match="Insufficient balance"):
            await arena.market.create(order)

    assert deployments(arena) == []
    assert (await arena.market.close(order.id)).spent_uact == 0


@pytest.mark.parametrize("operation", ["POST /v1/leases", "PUT /v1/deployments/{dseq}"])
async def test_a_lost_answer_to_a_lease_or_a_manifest_is_no_second_lease(arena: ConsoleArena, operation: str):
    order = await opened(arena)
    bid = (await arena.market.bids(order.id)).bids[0]
    arena.server.broken[operation] = LOST

    for step in (
        lambda: arena.market.accept(order.id, [bid]),
        lambda: arena.market.send_manifest(order.id, WORKLOAD),
    ):
        try:
            await step()
        except Unavailable:
            await step()

    assert (await arena.market.status(order.id)).phase == "running"
    assert len(arena.server.leases(await arena.dseq(order.id))) == 1


async def test_a_deposit_whose_answer_was_lost_is_locked_once(arena: ConsoleArena):
    order = await opened(arena)
    arena.server.broken["POST /v1/deposit-deployment"] = LOST
    with pytest.raises(Unavailable):
        await arena.market.deposit(order.id, DEPOSIT + 250_000)

    await arena.market.deposit(order.id, DEPOSIT + 250_000)

    (found,) = arena.server.ledger.deployments.values()
    assert found.escrow.deposited_uact == DEPOSIT + 250_000
    assert arena.server.asked.count("POST /v1/deposit-deployment") == 1


async def test_a_console_that_stalls_is_left_after_a_while_and_asked_again(arena: ConsoleArena):
    order = await opened(arena)
    arena.server.broken["GET /v1/bids"] = Broken(stalls=True)
    asking = asyncio.create_task(arena.market.bids(order.id))
    async with asyncio.timeout(10):
        while "GET /v1/bids" not in arena.server.asked:
            await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert len((await arena.market.bids(order.id)).bids) == 2


async def test_a_console_that_compiles_to_another_manifest_gets_no_workload_to_run(arena: ConsoleArena):
    order = await opened(arena)
    bid = (await arena.market.bids(order.id)).bids[0]
    await arena.market.accept(order.id, [bid])
    arena.server.broken["PUT /v1/deployments/{dseq}"] = Broken(200, {"data": {}})
    (found,) = arena.server.ledger.deployments.values()
    found.hash = "AAAA"

    with pytest.raises(ManifestRefused, match="another manifest"):
        await arena.market.send_manifest(order.id, WORKLOAD)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Broken(404, {}, by_gateway="connection_not_found"),
            "connection_not_found",
        ),
        (Broken(403, {}, by_gateway="grant_missing"), "grant_missing"),
        (Broken(401, {"message": "Unauthorized"}), "does not know the key"),
    ],
)
async def test_who_is_not_let_in_is_told_before_anything_is_deployed(
    arena: ConsoleArena, answer: Broken, said: str
):
    arena.server.broken["GET /v1/user/me"] = answer

    with pytest.raises(ConsoleNotConnected, match=said):
        await arena.market.capabilities(WORKLOAD)

    assert arena.server.asked == ["GET /v1/user/me"]


async def test_what_cannot_be_written_down_is_not_offered(market: ConsoleMarketplace):
    (group,) = WORKLOAD.groups
    odd = replace(group, services=tuple(replace(s, params=Params(tee="cpu")) for s in group.services))

    with pytest.raises(NotWritten):
        await market.capabilities(Workload((odd,)))


async def test_a_reputation_is_how_long_the_console_has_met_the_provider(arena: ConsoleArena):
    order = await opened(arena)

    bid = (await arena.market.bids(order.id)).bids[0]

    assert (bid.reputation, bid.leases) == (Decimal("0.9877"), 12)
    assert bid.uri.startswith("https://")


async def test_providers_that_the_console_does_not_reach_would_not_bid(arena: ConsoleArena):
    shown = arena.server.providers()
    shown[0]["isOnline"] = False
    arena.server.broken["GET /v1/providers"] = Broken(200, shown)

    book = await arena.market.quote(arena.order())

    assert [(out.provider, out.cause) for out in book.declined] == [(shown[0]["owner"], Cause.CAPACITY)]


async def test_all_pages_of_deployments_are_read(arena: ConsoleArena):
    for _ in range(5):
        await opened(arena)

    listed = await arena.market.console.deployments(page=2)

    assert len({found.dseq for found in listed}) == 5
    assert arena.server.asked.count(LIST) == 3


async def test_a_refusal_without_a_reason_says_its_status(arena: ConsoleArena):
    arena.server.broken[CREATE] = Broken(400, ["no"])

    with pytest.raises(Refused, match="status 400"):
        await arena.market.console.create("{}", 1)


async def test_an_order_of_somebody_else_is_not_held(market: ConsoleMarketplace):
    assert list(await market.held()) == []
    assert (await market.close(uuid4())).spent_uact == 0


async def test_what_must_hold_is_in_the_sdl_that_goes_out(arena: ConsoleArena):
    order = replace(arena.order(), requirements={"region": "eu-west"})

    await arena.market.create(order)

    (found,) = arena.server.ledger.deployments.values()
    assert found.groups[0]["requirements"]["attributes"] == [{"key": "region", "value": "eu-west"}]


async def test_a_deposit_is_locked_to_the_uact(arena: ConsoleArena):
    order = arena.order(deposit_uact=1_234_567)
    await arena.market.create(order)
    await arena.market.deposit(order.id, 1_234_568)

    (found,) = arena.server.ledger.deployments.values()
    assert found.escrow.deposited_uact == 1_234_568


async def test_what_a_lost_lease_has_cost_is_in_the_bill_of_the_order(arena: ConsoleArena):
    order = arena.order(fault="reclaim")
    await arena.market.create(order)
    bid = (await arena.market.bids(order.id)).bids[0]
    await arena.market.accept(order.id, [bid])
    await arena.market.send_manifest(order.id, WORKLOAD)
    await arena.market.create(replace(order, number=2))
    again = (await arena.market.bids(order.id)).bids[1]
    await arena.market.accept(order.id, [again])
    await arena.market.send_manifest(order.id, WORKLOAD)

    closed = await arena.market.close(order.id)

    spent = [found.escrow.spent_uact for found in arena.server.ledger.deployments.values()]
    assert len(spent) == 2
    assert all(spent)
    assert closed.spent_uact == sum(spent)


async def test_a_session_that_the_gateway_does_not_know_is_told_apart_from_a_console_that_is_down(
    arena: ConsoleArena,
):
    arena.server.session = "Bearer somebody-else"

    with pytest.raises(ConsoleNotConnected, match="unauthenticated"):
        await arena.market.capabilities(WORKLOAD)
    with pytest.raises(Unavailable) as down:
        await arena.market.console.deployments()

    assert down.value.members["down"] == ["security-gateway"]


async def test_a_deployment_that_was_closed_by_hand_takes_no_further_step(arena: ConsoleArena):
    order = await opened(arena)
    bid = (await arena.market.bids(order.id)).bids[0]
    await arena.market.console.close(await arena.dseq(order.id))

    with pytest.raises(OrderNotOpen):
        await arena.market.accept(order.id, [bid])

    assert (await arena.market.close(order.id)).spent_uact == 0
