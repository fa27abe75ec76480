"""Budgets that several runs share: never overspent, and nobody's business but their owner's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import Request, Response

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRICE = 1_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(place: tuple[Caller, Town]) -> Agent:
    """Works for a thousand units; fails when it is told to."""

    async def work(request: Request, agent: Agent) -> Response:
        if (await request.json())["parameters"].get("fail"):
            return Response(status_code=400)
        return place[1].delivered(request, agent, "done")

    return await place[1].move_in("worker", work, price=PRICE, capability="budgeted")


@pytest.fixture
def caller(place: tuple[Caller, Town], worker: Agent) -> Caller:
    return place[0]


def task(name: str, *, steps: int = 1, **parameters: Any) -> Body:
    step = {"capability": "budgeted", "parameters": parameters}
    return {
        "task": "t",
        "requirements": [step | {"id": f"s{n}"} for n in range(steps)],
        "shared_budget": name,
    }


async def create(caller: Caller, name: str, limit: int) -> Any:
    return await caller.post("/v1/budgets", {"name": name, "limit": str(limit)})


async def read(caller: Caller, name: str) -> tuple[str, str]:
    told = (await caller.http.get(f"/v1/budgets/{name}")).json()
    return told["reserved"], told["spent"]


async def test_runs_spend_of_the_budget_that_they_name(caller: Caller):
    created = await create(caller, "research", 10 * PRICE)

    run = await caller.run(task("research", steps=2), "research")

    assert (created.status_code, created.headers["location"]) == (201, "/v1/budgets/research")
    assert run["status"] == "succeeded"
    assert await read(caller, "research") == ("0", str(2 * PRICE))


async def test_runs_at_the_edge_pay_as_many_as_the_budget_holds_and_no_more(
    caller: Caller, place: tuple[Caller, Town], worker: Agent
):
    before = await place[1].chain.units(worker.wallet.address)
    await create(caller, "edge", 3 * PRICE + 999)

    runs = await asyncio.gather(*(caller.run(task("edge", steps=2), f"edge{n}") for n in range(3)))

    steps = [step for run in runs for step in run["steps"]]
    assert sum(step["status"] == "succeeded" for step in steps) == 3
    assert {step["reason"] for step in steps} == {None, "budget-exhausted"}
    assert await read(caller, "edge") == ("0", str(3 * PRICE))
    assert await place[1].chain.units(worker.wallet.address) - before == 3 * PRICE


async def test_what_an_agent_did_not_earn_comes_back(caller: Caller):
    await create(caller, "refunds", PRICE)

    await caller.run(task("refunds", fail=True), "refunds")
    assert await read(caller, "refunds") == ("0", "0")
    await caller.run(task("refunds"), "refunds-2")

    assert await read(caller, "refunds") == ("0", str(PRICE))


async def test_a_plan_that_costs_more_than_is_left_is_not_begun(caller: Caller):
    await create(caller, "small", PRICE - 1)

    answer = await caller.post("/v1/runs", task("small"), **{"Idempotency-Key": "small"})

    assert (answer.status_code, answer.json()["code"]) == (409, "budget-too-small")
    assert answer.json()["budget"] == str(PRICE - 1)


async def test_a_budget_is_made_once(caller: Caller):
    first, again, other = [await create(caller, "once", limit) for limit in (5, 5, 6)]

    assert (again.status_code, again.json()) == (201, first.json())
    assert (other.status_code, other.json()["code"], other.json()["limit"]) == (409, "budget-exists", "5")


async def test_a_budget_is_its_owner_s_alone(caller: Caller, place: tuple[Caller, Town]):
    await create(caller, "mine", 5)
    stranger = place[1].issuer.headers("coordinator:run", audience="coordinator", subject="stranger")

    seen = await caller.http.get("/v1/budgets/mine", headers=stranger)
    listed = await caller.http.get("/v1/budgets", headers=stranger)
    used = await caller.post("/v1/runs", task("mine"), **stranger, **{"Idempotency-Key": "x"})

    assert (seen.status_code, seen.json()["code"]) == (404, "budget-not-found")
    assert listed.json()["items"] == []
    assert (used.status_code, used.json()["code"]) == (404, "budget-not-found")


async def test_budgets_are_listed_newest_first_in_pages(caller: Caller):
    for name in ("p1", "p2", "p3"):
        await create(caller, name, 1)

    first = (await caller.http.get("/v1/budgets", params={"limit": 2})).json()
    rest = await caller.http.get("/v1/budgets", params={"limit": 1, "cursor": first["next_cursor"]})

    assert [one["name"] for one in [*first["items"], *rest.json()["items"]]] == ["p3", "p2", "p1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "A", "limit": "1"},
        {"name": "a" * 64, "limit": "1"},
        {"name": "a", "limit": "9" * 19},
        {"name": "a", "limit": "-1"},
        {"name": "a", "limit": 1},
        {"name": "a"},
    ],
)
async def test_a_budget_out_of_bounds_is_refused(caller: Caller, wrong: dict[str, Any]):
    answer = await caller.post("/v1/budgets", wrong)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
