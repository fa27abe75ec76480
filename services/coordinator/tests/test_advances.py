"""Agents that want their money first (x402 v2): paid no more than may be, once, and followed to its end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from eth_account import Account
from fastapi import Response
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.adapters.purse import LONGEST_S, TokenPurse
from mesh_coordinator.domain.advance import Advance, Fate, fate, most_units
from mesh_coordinator.domain.requirements import Requirement
from mesh_coordinator.ports import Demand
from mesh_shared.chain.rpc import Rpc
from mesh_shared.x402.wire import (
    REQUIRED,
    Payment,
)
from shops import PRICE, TILL, TOKEN, WAY, Shop, demand, open_shop

if TYPE_CHECKING:
    from callers import Caller
    from fastapi import Request
    from towns import Agent, Body, Town

    from conftest import Calling

ON_CHAIN = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def shop(place: tuple[Caller, Town]) -> Shop:
    return await open_shop(place[1], f"shop-{uuid4().hex[:8]}")


def task(shop: Shop, **step: Any) -> Body:
    return {"task": "t", "requirements": [{"id": "a", "capability": shop.name, "max_price": "50"} | step]}


async def attempt_of(caller: Caller, body: Body) -> tuple[Body, Body]:
    """The run when it has ended, and its one attempt."""
    run = await caller.run(body, uuid4().hex)
    return run, run["steps"][0]["attempts"][0]


async def sold(shop: Shop) -> int:
    return await shop.town.chain.units(shop.wallet)


@ON_CHAIN
async def test_an_agent_that_wants_its_money_first_has_it_and_works(place: tuple[Caller, Town], shop: Shop):
    run, attempt = await attempt_of(place[0], task(shop))

    assert (run["status"], run["result"]) == ("succeeded", {"a": {"work": "done"}})
    assert (attempt["outcome"], attempt["advance"], attempt["price"]) == ("success", str(PRICE), "0")
    assert (run["budget"]["spent"], run["budget"]["reserved"]) == (str(PRICE), "0")
    assert await sold(shop) == PRICE
    events = await place[0].http.get(f"/v1/runs/{run['id']}/events")
    states = [line[7:] for line in events.text.splitlines() if line.startswith("event: attempt.")]
    assert states == [f"attempt.{name}" for name in ("selected", "invoking", "paying", "clearing", "closed")]


@ON_CHAIN
@pytest.mark.parametrize(
    ("step", "way"),
    [
        ({"max_price": None}, {}),
        ({"max_price": str(PRICE - 1)}, {}),
        ({"approval": {"above": str(PRICE - 1)}}, {}),
        ({}, {"network": "eip155:1"}),
        ({}, {"asset": TILL}),
        ({}, {"scheme": "upto"}),
        ({}, {"amount": "0"}),
    ],
)
async def test_what_may_not_be_paid_is_not_and_the_agent_is_left(
    place: tuple[Caller, Town], shop: Shop, step: dict[str, Any], way: dict[str, str]
):
    shop.ways = [one.model_copy(update=way) for one in shop.ways]

    run, attempt = await attempt_of(place[0], task(shop, **step))

    assert (run["status"], attempt["failure"], attempt["outcome"]) == ("failed", "price-refused", "refunded")
    assert (attempt["advance"], run["budget"]["spent"], shop.payments) == (None, "0", [])


@ON_CHAIN
async def test_what_the_budget_has_not_is_not_promised(place: tuple[Caller, Town], shop: Shop):
    run, attempt = await attempt_of(place[0], task(shop) | {"budget": str(PRICE - 1)})

    assert (run["status"], attempt["failure"]) == ("failed", "budget-exhausted")
    assert (run["budget"]["reserved"], shop.payments) == ("0", [])


@ON_CHAIN
async def test_what_was_paid_in_advance_for_poor_work_is_forfeited(place: tuple[Caller, Town], shop: Shop):
    wanted = {"assertions": [{"at": "/work", "op": "minLength", "value": 500}]}

    run, attempt = await attempt_of(place[0], task(shop, quality=wanted))

    assert (run["status"], attempt["failure"], attempt["outcome"]) == ("failed", "poor-quality", "forfeited")
    assert (run["budget"]["spent"], await sold(shop)) == (str(PRICE), PRICE)


@ON_CHAIN
async def test_a_call_that_is_repeated_carries_the_same_money_and_it_is_taken_once(
    place: tuple[Caller, Town], shop: Shop
):
    shop.answers = [Response(status_code=500)]

    run, attempt = await attempt_of(place[0], task(shop, policy={"retries": 1}))

    assert (run["status"], attempt["retries"]) == ("succeeded", 1)
    assert len(shop.payments) == 2
    assert len(set(shop.payments)) == 1
    assert (run["budget"]["spent"], await sold(shop)) == (str(PRICE), PRICE)


@ON_CHAIN
async def test_an_agent_that_takes_the_money_and_wants_more_gets_no_more(
    place: tuple[Caller, Town], shop: Shop
):
    shop.answers = [Response(status_code=402, headers={REQUIRED: demand(*shop.ways)})]

    run, attempt = await attempt_of(place[0], task(shop))

    assert (run["status"], attempt["failure"], attempt["outcome"]) == ("failed", "price-refused", "forfeited")
    assert (len(shop.payments), run["budget"]["spent"]) == (1, str(PRICE))


@ON_CHAIN
async def test_money_that_nobody_took_comes_back_when_nobody_can_take_it_any_more(
    place: tuple[Caller, Town], shop: Shop
):
    caller, town = place
    shop.takes_money = False
    shop.ways = [one.model_copy(update={"max_timeout_seconds": 1}) for one in shop.ways]
    run = await caller.start(task(shop), uuid4().hex)

    clearing = await caller.attempt_when(run["id"], lambda attempt: attempt["state"] == "clearing")
    held = (await caller.get(run["id"]))["budget"]["reserved"]
    async with asyncio.timeout(60):
        while (ended := await caller.get(run["id"]))["status"] == "running":
            await town.chain.rpc.request("evm_mine")
            await asyncio.sleep(0.1)

    assert (clearing["advance"], held) == (str(PRICE), str(PRICE))
    assert (ended["status"], ended["steps"][0]["attempts"][0]["outcome"]) == ("succeeded", "success")
    assert (ended["budget"]["spent"], ended["budget"]["reserved"], await sold(shop)) == ("0", "0", 0)


@ON_CHAIN
async def test_nobody_is_paid_in_advance_once_the_run_was_cancelled(place: tuple[Caller, Town], shop: Shop):
    caller, _ = place
    shop.may_ask.clear()
    run = await caller.start(task(shop), uuid4().hex)
    await asyncio.wait_for(shop.asked.wait(), 60)

    await caller.post(f"/v1/runs/{run['id']}/cancel")
    shop.may_ask.set()
    ended = await caller.ended(run["id"])

    assert (ended["status"], shop.payments) == ("cancelled", [])
    assert ended["steps"][0]["attempts"][0]["failure"] == "withdrawn"
    assert ended["budget"]["reserved"] == "0"


@ON_CHAIN
async def test_an_agent_with_money_in_escrow_is_not_paid_beside_it(place: tuple[Caller, Town], shop: Shop):
    caller, town = place
    name = f"greedy-{uuid4().hex[:8]}"
    await town.move_in(name, shop, price=10, capability=name)

    run, attempt = await attempt_of(
        caller, {"task": "t", "requirements": [{"id": "a", "capability": name, "max_price": "50"}]}
    )

    assert (run["status"], attempt["failure"], attempt["outcome"]) == ("failed", "price-refused", "refunded")
    assert (run["budget"]["spent"], shop.payments) == ("0", [])


async def test_who_dies_after_the_money_was_taken_pays_nothing_more_when_it_lives_again(
    calling: Calling, town: Town
):
    shop, cut_off = Shop(town, "shop", Account.create().address), asyncio.Event()

    async def sell(request: Request, agent: Agent) -> Response:
        answer = await shop(request, agent)
        if len(shop.payments) == 1:
            cut_off.set()
            while not await request.is_disconnected():
                await asyncio.sleep(0.02)
        return answer

    await town.move_in("shop", sell, price=0, capability="shop")
    token = town.chain.deployed.address("MeshToken")
    shop.ways = [WAY.model_copy(update={"asset": token, "pay_to": shop.wallet})]
    shop.may_ask.set()
    async with calling() as first:
        run = await first.start(task(shop))
        await asyncio.wait_for(cut_off.wait(), 60)
    async with calling() as second:
        ended = await second.ended(run["id"])

    assert (ended["status"], ended["budget"]["spent"]) == ("succeeded", str(PRICE))
    assert (len(shop.payments), len(set(shop.payments))) == (2, 1)
    assert await sold(shop) == PRICE


PURSE = TokenPurse(
    Rpc("http://nowhere.invalid", 31337), TOKEN, {"name": "T", "version": "1"}, Account.create()
)
NONCE = "0x" + "17" * 32


@given(st.lists(st.integers(0, 200), max_size=6), st.integers(0, 100))
def test_the_cheapest_way_is_taken_and_never_one_above_what_may_be_paid(amounts: list[int], most: int):
    ways = [WAY.model_copy(update={"amount": str(amount)}) for amount in amounts]

    advance = PURSE.sign(Demand(demand(*ways)), most_units=most, nonce=NONCE)

    fitting = [amount for amount in amounts if 0 < amount <= most]
    assert (advance and advance.units) == (min(fitting) if fitting else None)


def test_an_advance_cannot_be_taken_for_longer_than_it_must_and_never_twice():
    way = WAY.model_copy(update={"max_timeout_seconds": 10**6})

    advance = PURSE.sign(Demand(demand(way)), most_units=PRICE, nonce=NONCE)

    assert advance is not None
    assert advance.valid_before <= time.time() + LONGEST_S
    signed = Payment.decoded(advance.header).payload.authorization
    assert (signed.nonce, signed.to, signed.value) == (NONCE, TILL, str(PRICE))


@pytest.mark.parametrize(
    "header",
    ["", "e30=", demand(), demand(WAY.model_copy(update={"pay_to": PURSE.account.address}))],
    ids=["nothing", "empty", "no-way", "to-ourselves"],
)
def test_a_demand_without_a_way_that_we_know_is_not_paid(header: str):
    assert PURSE.sign(Demand(header), most_units=PRICE, nonce=NONCE) is None


@pytest.mark.parametrize(
    ("is_used", "after_s", "expected"),
    [(False, -1, Fate.OPEN), (False, 0, Fate.LAPSED), (True, -1, Fate.TAKEN), (True, 9, Fate.TAKEN)],
)
def test_the_token_says_what_became_of_an_advance(is_used: bool, after_s: int, expected: Fate):
    advance = Advance(header="", units=1, payer=TILL, nonce=NONCE, valid_before=1_000)

    assert fate(advance, is_used=is_used, chain_time_s=1_000 + after_s) is expected


@pytest.mark.parametrize(
    ("max_price", "unasked", "expected"),
    [(None, None, 0), (50, None, 50), (50, -1, 0), (50, 20, 20), (50, 90, 50), (None, 20, 0)],
)
def test_no_more_is_paid_in_advance_than_was_allowed_without_a_question(
    max_price: int | None, unasked: int | None, expected: int
):
    wanted = Requirement(id="a", capability="c", max_price_units=max_price, asks_above_units=unasked)

    assert most_units(wanted) == expected
    assert most_units(replace(wanted, max_price_units=None)) == 0
