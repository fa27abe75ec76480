"""The published document is the whole truth: a fuzzer that believes it finds nothing to complain about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_coordinator.domain.quality import Op
from mesh_shared.agents.plugin import Plugin
from mesh_shared.testing import fuzz, served
from shout_agent import SHOUT

if TYPE_CHECKING:
    from callers import Caller
    from fastapi import FastAPI
    from towns import Town

    from conftest import MakeApp

ROUTES = {
    ("/v1/plans", "post"): "create_plan",
    ("/v1/runs", "post"): "start_run",
    ("/v1/runs", "get"): "list_runs",
    ("/v1/runs/{run_id}", "get"): "get_run",
    ("/v1/runs/{run_id}/graph", "get"): "get_run_graph",
    ("/v1/runs/{run_id}/cancel", "post"): "cancel_run",
    ("/v1/runs/{run_id}/pause", "post"): "pause_run",
    ("/v1/runs/{run_id}/resume", "post"): "resume_run",
    ("/v1/runs/{run_id}/fork", "post"): "fork_run",
    ("/v1/runs/{run_id}/events", "get"): "stream_run_events",
    ("/v1/runs/{run_id}/approvals/{approval_id}", "post"): "decide_approval",
    ("/v1/runs/{run_id}/steps/{step_id}/bids", "post"): "bid",
    ("/v1/budgets", "post"): "create_budget",
    ("/v1/budgets", "get"): "list_budgets",
    ("/v1/budgets/{name}", "get"): "get_budget",
    ("/v1/ledger/accounts", "get"): "list_ledger_accounts",
    ("/v1/ledger/transfers", "get"): "list_ledger_transfers",
    ("/v1/ledger/payouts", "get"): "list_ledger_payouts",
    ("/v1/execute", "post"): "execute",
    ("/v1/escrows/{escrow_id}", "get"): "get_escrow",
    ("/actions/COORDINATE_AGENTS", "post"): "invoke_coordinate_agents",
    ("/actions/EXECUTE_WITH_INCENTIVES", "post"): "invoke_execute_with_incentives",
}


@pytest.mark.fuzz
@pytest.mark.timeout(600)
async def test_a_fuzzer_finds_no_failure(make_app: MakeApp, payer: str, client: dict[str, str], town: Town):
    await town.hire_sample("careful")
    async with served(make_app()) as url:
        complaints = await fuzz(url, client)

    assert complaints == "", complaints


def test_every_route_is_published_under_its_name(make_app: MakeApp):
    paths = make_app().openapi()["paths"]

    assert {route: paths[route[0]][route[1]]["operationId"] for route in ROUTES} == ROUTES


def examples(app: FastAPI, name: str) -> list[Any]:
    return app.openapi()["components"]["schemas"][name]["examples"]


async def test_the_document_s_own_examples_run_as_pasted(caller: Caller, town: Town):
    await town.hire_sample("careful", reputation=0.9)
    await town.settle_down("shout", Plugin(name="shout", description="Shouts.", actions=[SHOUT]), price=5_000)
    assert caller.app is not None
    _, paid, reviewed = examples(caller.app, "TaskBody")
    (call,) = examples(caller.app, "ExecutionBody")

    run = await caller.run(paid)
    small = await caller.run(reviewed, "small")
    transfers = (await caller.http.get("/v1/ledger/transfers")).json()["items"]
    outcome = (await caller.execute(call)).json()

    assert (run["status"], small["status"]) == ("succeeded", "succeeded")
    assert [transfer["amount"] for transfer in transfers] == ["5000", "5000"]
    assert outcome["economicOutcome"] == "success"


async def test_the_first_example_is_understood_without_requirements(caller: Caller):
    assert caller.app is not None
    worded, *_ = examples(caller.app, "TaskBody")

    plan = await caller.plan(worded)

    assert [step["capability"] for step in plan["steps"]] == ["workspace.analyze", "registry.discover"]


def test_the_document_names_every_way_to_judge(make_app: MakeApp):
    schemas = make_app().openapi()["components"]["schemas"]

    assert schemas["Op"]["enum"] == [op.value for op in Op]
