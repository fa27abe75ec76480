"""One plan with everything that a plan can say, on each database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

PRICE = 100


@pytest.fixture
async def called(town: Town) -> list[str]:
    """The steps for which the town's agents were called; they fail when they are told to."""
    called: list[str] = []

    async def work(request: Request, agent: Agent) -> Response:
        asked = await request.json()
        called.append(asked["context"]["step_id"])
        if asked["parameters"].get("fail"):
            return Response(status_code=400)
        return town.delivered(request, agent, {"list": [1, 2], "of": called[-1]})

    async def undo(request: Request) -> Response:
        called.append((await request.json())["context"]["step_id"])
        return JSONResponse({"content": {"success": True, "data": "undone"}})

    await town.move_in("worker", work, price=PRICE)
    town.app.add_route("/agents/worker/actions/UNDO", undo, methods=["POST"])
    return called


def step(id: str, *needs: str, **more: Any) -> Body:
    return {"id": id, "capability": "work", "needs": list(needs)} | more


def plan(*, fails: bool) -> Body:
    undo = {"action": "UNDO", "parameters": {"of": {"$ref": "#/steps/each/result/of"}}}
    each = step(
        "each",
        "first",
        for_each={"$ref": "#/steps/first/result/list"},
        parameters={"n": {"$ref": "#/item"}},
        compensate=undo,
    )
    asks = step("asks", "each", approval={"above": "1"}, parameters={"fail": fails})
    return {
        "task": "t",
        "requirements": [step("first", policy={"retries": 1, "fallback_agents": 0}), each, asks],
        "budget": "1000",
        "shared_budget": "all",
        "deadline_s": 600,
        "parallel": 2,
        "on_failure": {"quorum": 3},
        "output": {"items": {"$ref": "#/steps/each/result"}},
    }


async def run_with_approval(caller: Caller, body: Body, key: str) -> Body:
    run = await caller.start(body, key)
    asking = await caller.run_when(run["id"], lambda seen: seen["steps"][-1]["approval"]["id"] is not None)
    url = f"/v1/runs/{run['id']}/approvals/{asking['steps'][-1]['approval']['id']}"
    assert (await caller.post(url, {"decision": "approve"})).status_code == 200
    return await caller.ended(run["id"])


async def test_a_plan_with_everything_in_it_is_carried_out_and_forked(
    caller_on_both: Caller, called: list[str]
):
    caller = caller_on_both
    await caller.post("/v1/budgets", {"name": "all", "limit": "1000"})

    run = await run_with_approval(caller, plan(fails=False), "good")
    fork = await caller.post(
        f"/v1/runs/{run['id']}/fork", {"from_step": "asks"}, **{"Idempotency-Key": "fork"}
    )
    await caller.post(f"/v1/runs/{fork.json()['id']}/cancel")
    forked = await caller.ended(fork.json()["id"])

    assert run["status"] == "succeeded"
    assert [item["of"] for item in run["output"]["items"]] == ["each.1", "each.2"]
    assert sorted(called) == ["asks", "each.1", "each.2", "first"]
    assert (forked["status"], forked["output"]) == ("cancelled", run["output"])
    budget = (await caller.http.get("/v1/budgets/all")).json()
    assert (budget["reserved"], budget["spent"]) == ("0", str(4 * PRICE))


async def test_a_plan_with_everything_in_it_that_fails_is_taken_back(
    caller_on_both: Caller, called: list[str]
):
    caller = caller_on_both
    await caller.post("/v1/budgets", {"name": "all", "limit": "1000"})

    run = await run_with_approval(caller, plan(fails=True), "bad")

    assert run["status"] == "failed"
    assert sorted(called[-2:]) == ["each.1.undo", "each.2.undo"]
    assert (await caller.http.get("/v1/budgets/all")).json()["spent"] == str(3 * PRICE)
