"""Beside a slow agent the next is called, when that does no harm; the first good result counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRICE = 100


class Worker:
    """Works for a hundred units, once it may."""

    def __init__(self, town: Town, *, is_fast: bool) -> None:
        self.town = town
        self.may_answer = asyncio.Event()
        self.called = asyncio.Event()
        if is_fast:
            self.may_answer.set()

    async def __call__(self, request: Request, agent: Agent) -> Response:
        self.called.set()
        await self.may_answer.wait()
        return self.town.delivered(request, agent, agent.endpoint.rpartition("/")[2])


async def pair(town: Town, name: str, **declared: bool) -> tuple[Worker, Worker]:
    """A slow agent that is asked first, and a fast one; both declare so of their tool."""
    slow, fast = Worker(town, is_fast=False), Worker(town, is_fast=True)
    for suffix, worker, reputation in (("slow", slow, 0.9), ("fast", fast, 0.1)):
        agent = await town.move_in(
            f"{name}-{suffix}", worker, price=PRICE, capability=name, reputation=reputation
        )
        town.listings[agent.agent_id]["toolDefinitions"][0] |= declared
    return slow, fast


def task(capability: str) -> Body:
    policy = {"hedge_after_s": 1}
    return {"task": "t", "requirements": [{"id": "a", "capability": capability, "policy": policy}]}


def step(run: Body) -> Body:
    return run["steps"][0]


@pytest.mark.parametrize("hint", ["readOnly", "idempotent"])
async def test_the_first_good_result_counts_and_each_is_paid_by_its_own(
    place: tuple[Caller, Town], hint: str
):
    caller, town = place
    name = f"hedged-{hint}".lower()
    slow, _ = await pair(town, name, **{hint: True})

    run = await caller.start(task(name), name)
    won = await caller.run_when(run["id"], lambda seen: step(seen)["status"] == "succeeded")
    slow.may_answer.set()
    ended = await caller.ended(run["id"])

    assert (won["status"], step(won)["result"]) == ("running", f"{name}-fast")
    assert (ended["status"], step(ended)["result"]) == ("succeeded", f"{name}-fast")
    attempts = step(ended)["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["success", "success"]
    assert len({attempt["escrow_id"] for attempt in attempts}) == 2
    assert ended["budget"] == {"limit": "100000000", "reserved": "0", "spent": str(2 * PRICE)}
    events = (await caller.http.get(f"/v1/runs/{run['id']}/events")).text
    assert events.count("event: attempt.hedged") == 1


async def test_a_tool_that_does_not_say_that_it_is_harmless_is_not_hedged(place: tuple[Caller, Town]):
    caller, town = place
    slow, fast = await pair(town, "harmful")

    run = await caller.start(task("harmful"), "harmful")
    await asyncio.wait_for(slow.called.wait(), 60)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fast.called.wait(), 3)
    slow.may_answer.set()
    ended = await caller.ended(run["id"])

    assert (step(ended)["result"], len(step(ended)["attempts"])) == ("harmful-slow", 1)


async def test_a_plan_shows_who_says_so(place: tuple[Caller, Town]):
    caller, town = place
    await pair(town, "shown", readOnly=True)

    plan = await caller.plan(task("shown"))

    assert [one["is_safe"] for one in plan["steps"][0]["candidates"]] == [True, True]
    assert plan["steps"][0]["policy"]["hedge_after_s"] == 1


@pytest.mark.parametrize("wrong", [0, 301, 8e20, "1"])
async def test_a_time_out_of_bounds_is_refused(place: tuple[Caller, Town], wrong: Any):
    body = {"task": "t", "requirements": [{"id": "a", "capability": "x", "policy": {"hedge_after_s": wrong}}]}

    answer = await place[0].post("/v1/plans", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
