"""Rows I, J and K of the mesh's promises, each in its own words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from callers import Caller
    from chains import Chain
    from towns import Agent, Town

ANALYSIS = {
    "workspaceRoot": "storefront",
    "totalProjects": 8,
    "affectedProjects": ["cart"],
    "criticalPath": {"tasks": ["money:build", "cart:build"]},
    "recommendations": [],
    "costImpact": {"projectsSkippedPct": 88},
}


async def offer(town: Town, name: str, action: str, capability: str, data: Any) -> list[Any]:
    """A service of the mesh, as far as it can be seen from here; returns what it was asked."""
    asked: list[Any] = []

    async def act(request: Request) -> Response:
        asked.append(await request.json())
        return JSONResponse({"content": {"success": True, "data": data}})

    endpoint = f"{town.url}/agents/{name}"
    tools = [{"name": action, "capability": capability}]
    described = {"name": name, "endpoint": endpoint, "capabilities": [capability], "toolDefinitions": tools}
    await town.enlist(name, described, price=0)
    town.app.add_route(f"/agents/{name}/actions/{action}", act, methods=["POST"])
    return asked


async def test_row_k_analysis_and_discovery_succeed_together_in_one_run(caller: Caller, town: Town):
    analysed = await offer(town, "analyzer", "ANALYZE_WORKSPACE", "workspace.analyze", ANALYSIS)
    found = {"count": 1, "tools": [{"name": "ANALYZE_WORKSPACE", "capability": "workspace-optimization"}]}
    searched = await offer(town, "registry", "DISCOVER_UNIVERSAL_TOOLS", "registry.discover", found)

    run = await caller.run(
        {"task": "Analyze the storefront workspace and find tools for workspace-optimization."}
    )

    assert run["status"] == "succeeded"
    assert run["waves"] == [["workspace-analysis", "tool-discovery"]]
    assert run["result"]["workspace-analysis"] == ANALYSIS
    assert run["result"]["tool-discovery"]["count"] >= 1
    assert [one["parameters"] for one in analysed] == [{"workspace": "storefront"}]
    assert [one["parameters"] for one in searched] == [{"capability": "workspace-optimization"}]


async def test_row_k_an_agent_that_lists_test_capability_is_hired_for_it(caller: Caller, town: Town):
    await offer(town, "tester", "TEST", "test-capability", "tested")

    outcome = (await caller.execute({"capability": "test-capability"})).json()

    assert (outcome["result"], outcome["economicOutcome"]) == ("tested", "success")


async def test_row_i_steps_run_in_parallel_with_action_parameters_and_context_and_are_aggregated(
    caller: Caller, town: Town
):
    together = asyncio.Barrier(3)
    asked: dict[str, Any] = {}

    async def meet(request: Request, agent: Agent) -> Response:
        body = await request.json()
        asked[body["context"]["step_id"]] = (request.url.path.rpartition("/")[2], body)
        async with together:
            return JSONResponse({"content": {"success": True, "data": body["parameters"]["n"] * 10}})

    await town.move_in("worker", meet, price=0)
    steps = [{"id": f"s{n}", "capability": "work", "parameters": {"n": n}} for n in range(3)]

    run = await caller.run({"task": "Count.", "requirements": steps})

    assert run["result"] == {"s0": 0, "s1": 10, "s2": 20}
    assert {action for action, _ in asked.values()} == {"WORK"}
    assert {body["context"]["run_id"] for _, body in asked.values()} == {run["id"]}


@pytest.mark.parametrize(
    ("weights", "economic_outcome", "change"),
    [
        ((4, 1), "refunded", 0),
        ((81, 19), "success", 1_000),
        ((1, 0), "success", 1_000),
        ((0, 1), "refunded", 0),
    ],
)
async def test_row_j_a_score_above_four_fifths_releases_and_any_other_refunds(
    caller: Caller,
    town: Town,
    chain: Chain,
    payer: str,
    weights: tuple[int, int],
    economic_outcome: str,
    change: int,
):
    async def work(request: Request, agent: Agent) -> Response:
        return town.delivered(request, agent, {"done": True})

    agent = await town.move_in("worker", work)
    places = zip(("/done", "/undone"), weights, strict=True)
    assertions = [{"at": at, "op": "exists", "weight": weight} for at, weight in places if weight]

    outcome = (await caller.execute({"capability": "work", "quality": {"assertions": assertions}})).json()

    assert set(outcome) >= {"result", "quality", "economicOutcome"}
    assert outcome["economicOutcome"] == economic_outcome
    assert await chain.units(agent.wallet.address) == change
    assert await chain.units(payer) == 1_000_000 - change
    assert (await chain.ratings(agent.token_id))[0] == 1
