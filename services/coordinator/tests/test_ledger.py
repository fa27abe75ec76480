"""Small amounts on the ledger: held and judged like those in escrows, paid out together on the real chain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from fastapi import Response
from mesh_shared.chain.abi import Function

if TYPE_CHECKING:
    from callers import Caller
    from chains import Chain
    from fastapi import Request
    from towns import Agent, Body, Town

    from conftest import Calling

ON_CHAIN = pytest.mark.asyncio(loop_scope="module")
PRICE = 40
PAYOUTS = "/v1/ledger/payouts"
TRANSFER = Function("transfer", ["address", "uint256"])
GOOD = {"expectedOutcome": {"work": "done"}}


@dataclass
class Stall:
    """An agent that does small things on the ledger."""

    town: Town
    name: str
    told: list[Body] = field(default_factory=list[dict[str, Any]])
    keys: list[str] = field(default_factory=list[str])
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: Request, agent: Agent) -> Response:
        body = await request.json()
        self.told.append(body["context"])
        self.keys.append(request.headers["idempotency-key"])
        await self.may_answer.wait()
        work = body["parameters"].get("work", "done")
        if work == "fail":
            return Response(status_code=500)
        return self.town.delivered(request, agent, {"work": work})

    def task(self, *works: str, **more: Any) -> Body:
        steps = [
            {
                "id": f"s{number}",
                "capability": self.name,
                "parameters": {"work": work},
                "quality": GOOD,
                "max_price": "50",
                "payment": "ledger",
            }
            | more
            for number, work in enumerate(works)
        ]
        return {"task": "t", "requirements": steps}

    @property
    def wallet(self) -> str:
        return self.town.agents[self.name].wallet.address

    @property
    def account(self) -> str:
        return f"payee:{self.wallet.lower()}"


async def open_stall(town: Town, price: int = PRICE) -> Stall:
    stall = Stall(town, f"stall-{uuid4().hex[:8]}")
    await town.move_in(stall.name, stall, price=price, capability=stall.name)
    stall.may_answer.set()
    return stall


@pytest_asyncio.fixture(loop_scope="module")
async def stall(place: tuple[Caller, Town]) -> Stall:
    return await open_stall(place[1])


@pytest.fixture
def caller(place: tuple[Caller, Town]) -> Caller:
    return place[0]


async def listed(caller: Caller, what: str, **asked: Any) -> list[Body]:
    """All pages of a list."""
    items: list[Body] = []
    cursor: dict[str, str] = {}
    while True:
        params = {"limit": 100} | asked | cursor
        page = (await caller.http.get(f"/v1/ledger/{what}", params=params)).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


async def balances(caller: Caller) -> dict[str, int]:
    return {item["name"]: int(item["balance"]) for item in await listed(caller, "accounts")}


async def paid_out(caller: Caller) -> list[Body]:
    """The payouts once the chain has made all of them."""
    return await caller.listed_when(PAYOUTS, lambda seen: all(payout["paid_at"] for payout in seen))


@ON_CHAIN
async def test_good_work_is_owed_and_poor_work_is_not_and_nothing_is_sent_for_either(
    caller: Caller, stall: Stall
):
    run = await caller.run(stall.task("done", "poor", "fail", "done"), uuid4().hex)

    attempts = [step["attempts"][0] for step in run["steps"]]
    ends = [(one["outcome"], one["state"]) for one in attempts]
    assert ends == [
        ("success", "closed"),
        ("refunded", "closed"),
        ("refunded", "closed"),
        ("success", "closed"),
    ]
    assert {one["on_ledger"] for one in attempts} == {True}
    assert {one["escrow_id"] for one in attempts} == {None}
    found = await balances(caller)
    assert (found[stall.account], found["held"], sum(found.values())) == (2 * PRICE, 0, 0)
    assert run["budget"]["spent"] == str(2 * PRICE)
    assert await stall.town.chain.units(stall.wallet) == 0
    assert await stall.town.chain.ratings(stall.town.agents[stall.name].token_id) == (0, 0)


@ON_CHAIN
async def test_what_happened_to_an_attempt_is_in_the_ledger_under_its_key(caller: Caller, stall: Stall):
    run = await caller.run(stall.task("done"), uuid4().hex)

    key = run["steps"][0]["attempts"][0]["key"]
    transfers = await listed(caller, "transfers", account="held")
    mine = [
        (one["debit"], one["credit"], one["amount"]) for one in transfers if one["key"].endswith(f":{key}")
    ]
    assert mine == [("held", stall.account, str(PRICE)), ("payer", "held", str(PRICE))]


@ON_CHAIN
async def test_pages_of_the_ledger_follow_one_another_without_gap(caller: Caller, stall: Stall):
    await caller.run(stall.task("done", "poor"), uuid4().hex)

    for what, key in (("accounts", "name"), ("transfers", "key")):
        whole = [item[key] for item in await listed(caller, what)]
        pieces = [item[key] for item in await listed(caller, what, limit=1)]
        assert len(whole) > 1
        assert pieces == whole


@ON_CHAIN
async def test_the_agent_is_told_what_it_will_be_owed(caller: Caller, stall: Stall):
    await caller.run(stall.task("done"), uuid4().hex)

    assert stall.told[0]["ledger_price"] == str(PRICE)


@ON_CHAIN
async def test_money_is_held_while_the_agent_works_and_comes_back_when_the_run_was_cancelled(
    caller: Caller, stall: Stall
):
    stall.may_answer.clear()
    run = await caller.start(stall.task("fail"), uuid4().hex)
    await caller.attempt_when(run["id"], lambda _: stall.told)

    working = await balances(caller)
    await caller.post(f"/v1/runs/{run['id']}/cancel")
    stall.may_answer.set()
    await caller.ended(run["id"])

    assert working["held"] == PRICE
    assert (await balances(caller))["held"] == 0


@ON_CHAIN
async def test_a_dear_step_is_not_paid_by_the_ledger(caller: Caller, stall: Stall):
    answers = [
        await caller.post("/v1/plans", stall.task("done", max_price=price)) for price in ("10001", None)
    ]

    for answer in answers:
        assert answer.status_code == 409
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/requirements/0/max_price"]


@ON_CHAIN
async def test_one_call_can_be_paid_by_the_ledger(caller: Caller, stall: Stall):
    body = {"capability": stall.name, "max_price": "50", "payment": "ledger"}

    outcome = (await caller.execute(body, uuid4().hex)).json()

    assert (outcome["economicOutcome"], outcome["escrow_id"]) == ("success", None)
    assert (await balances(caller))[stall.account] == PRICE


@ON_CHAIN
async def test_work_that_is_in_question_is_reviewed_before_the_ledger_pays(caller: Caller, stall: Stall):
    checks = [
        {"at": "/work", "op": "exists", "weight": 7},
        {"at": "/more", "op": "exists", "weight": 3},
    ]
    review = {"assertions": checks, "review": {"otherwise": "release"}}

    run = await caller.run(stall.task("done", quality=review), uuid4().hex)

    assert run["steps"][0]["attempts"][0]["outcome"] == "success"
    assert (await balances(caller))[stall.account] == PRICE


async def test_what_is_owed_is_paid_out_in_one_transfer_for_each_payee(
    calling: Calling, town: Town, chain: Chain, payer: str
):
    one, other = await open_stall(town), await open_stall(town, price=7)
    async with calling() as caller:
        await caller.run(one.task("done", "done", "done", "poor"), "one")
        await caller.run(other.task("done"), "other")
    async with calling() as caller:  # a new life looks at once
        payouts = await paid_out(caller)
        found = await balances(caller)

    assert {(payout["payee"].lower(), payout["amount"]) for payout in payouts} == {
        (one.wallet.lower(), str(3 * PRICE)),
        (other.wallet.lower(), "7"),
    }
    assert (await chain.units(one.wallet), await chain.units(other.wallet)) == (3 * PRICE, 7)
    assert await chain.units(payer) == 1_000_000 - 3 * PRICE - 7
    left = {name: units for name, units in found.items() if units}
    assert left == {"payer": -3 * PRICE - 7, "chain": 3 * PRICE + 7}


async def test_a_payout_that_the_chain_refuses_is_repeated_until_there_is_money_and_made_once(
    calling: Calling, town: Town, chain: Chain, payer: str
):
    stall = await open_stall(town, price=9)
    poor = {"ledger_period_s": 0.2}
    await chain.rpc.request("anvil_impersonateAccount", payer)
    await chain.send(payer, "MeshToken", TRANSFER, chain.minter, await chain.units(payer))
    async with calling(**poor) as caller:
        await caller.run(stall.task("done"))
        (payout,) = await caller.listed_when(PAYOUTS, lambda seen: seen[0]["sends"] > 0)
        waiting = await balances(caller)
        await chain.enrich(payer, 100)
        (made,) = await paid_out(caller)

    assert (payout["paid_at"], waiting["transit"]) == (None, 9)
    assert made["id"] == payout["id"]
    assert (await chain.units(stall.wallet), await chain.units(payer)) == (9, 91)


async def test_who_dies_between_paying_and_booking_pays_nothing_more_when_it_lives_again(
    calling: Calling, town: Town, chain: Chain
):
    stall = await open_stall(town)
    async with calling() as caller:
        await caller.run(stall.task("done"))
    await chain.rpc.request("evm_setAutomine", False)
    try:
        async with calling() as caller:
            await caller.listed_when(PAYOUTS, bool)
    finally:
        await chain.rpc.request("evm_setAutomine", True)
        await chain.rpc.request("evm_mine")
    lives: list[Body] = []
    for _ in range(2):
        async with calling() as caller:
            lives += await paid_out(caller)

    assert [payout["amount"] for payout in lives] == [str(PRICE)] * 2
    assert lives[0] == lives[1]
    assert await chain.units(stall.wallet) == PRICE


async def test_a_call_that_a_crash_cut_off_is_made_again_and_held_and_paid_once(calling: Calling, town: Town):
    stall = await open_stall(town)
    stall.may_answer.clear()
    async with calling() as caller:
        run = await caller.start(stall.task("done"))
        await caller.attempt_when(run["id"], lambda _: stall.keys)
    stall.may_answer.set()
    async with calling() as caller:
        await caller.ended(run["id"])
        transfers = await listed(caller, "transfers")

    assert len(stall.keys) == 2
    assert len(set(stall.keys)) == 1
    assert [one["key"].partition(":")[0] for one in transfers] == ["end", "hold"]
