"""The agent's side: what the coordinator hires."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_shared.agents.registration import metadata
from mesh_shared.testing import Issuer, running
from mesh_workspace_analyzer.actions import PLUGIN

MakeApp = Callable[..., FastAPI]
Tiny = Callable[..., Path]


async def invoke(http: AsyncClient, action: str, **parameters: Any) -> dict[str, Any]:
    response = await http.post(
        f"/actions/{action}", json={"parameters": {"workspace": "storefront"} | parameters}
    )
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
async def builder(make_app: MakeApp, caller: dict[str, str], nx: Path) -> AsyncIterator[AsyncClient]:
    async with running(make_app(allow_builds=True), caller) as http:
        yield http


async def test_a_workspace_is_analysed_on_request(http: AsyncClient, storefront: Path):
    answer = await invoke(http, "ANALYZE_WORKSPACE")

    data = answer["content"]["data"]
    assert answer["handled"] is True
    assert answer["text"] == "Workspace analysis complete. Found 10 projects, 6 affected by recent changes."
    assert answer["content"]["success"] is True
    assert data.keys() == {
        "workspaceRoot",
        "totalProjects",
        "affectedProjects",
        "criticalPath",
        "recommendations",
        "costImpact",
        "analysisId",
    }
    stored = (await http.get(f"/v1/analyses/{data.pop('analysisId')}")).json()
    assert data.items() <= stored.items()


async def test_affected_projects_are_named_with_their_reasons(http: AsyncClient, storefront: Path):
    answer = await invoke(http, "FIND_AFFECTED_PROJECTS", base="main")

    assert answer["text"] == "6 of 10 projects are affected."
    data = answer["content"]["data"]
    assert data["affectedProjects"] == [detail["project"] for detail in data["affectedDetail"]]
    assert (data["affectedStatus"], data["warnings"]) == ("exact", [])


async def test_when_the_base_is_unknown_all_projects_are_named_with_a_warning(
    http: AsyncClient, storefront: Path
):
    data = (await invoke(http, "FIND_AFFECTED_PROJECTS", base="develop"))["content"]["data"]

    assert len(data["affectedProjects"]) == 10
    assert data["affectedStatus"] == "fallback_all"
    assert "develop" in data["warnings"][0]


@pytest.mark.again
async def test_a_build_tells_its_success_and_its_duration(builder: AsyncClient, tiny: Tiny):
    tiny(a="true")

    answer = await invoke(builder, "BUILD_AFFECTED", workspace="tiny")

    data = answer["content"]["data"]
    assert (data["success"], data["status"]) == (True, "succeeded")
    assert data["duration"] > 0
    assert answer["text"].startswith("The build succeeded after ")
    assert (await builder.get(f"/v1/builds/{data['buildId']}")).json()["success"] is True


async def test_a_build_that_is_not_waited_for_can_be_followed(builder: AsyncClient, tiny: Tiny):
    tiny(a="sleep 1")

    answer = await invoke(builder, "BUILD_AFFECTED", workspace="tiny", wait_s=0)

    data = answer["content"]["data"]
    assert (data["success"], data["duration"]) == (None, None)
    assert answer["text"].endswith(f"/v1/builds/{data['buildId']}.")


async def test_a_refusal_is_an_answer(http: AsyncClient, storefront: Path):
    unknown = await invoke(http, "ANALYZE_WORKSPACE", workspace="nowhere")
    unbuilt = await invoke(http, "BUILD_AFFECTED")

    assert (unknown["content"]["success"], unknown["content"]["error"]["code"]) == (
        False,
        "workspace-not-found",
    )
    assert unbuilt["content"]["error"]["code"] == "builds-not-allowed"


async def test_a_repeated_invocation_is_one_analysis(http: AsyncClient, storefront: Path):
    body, key = {"parameters": {"workspace": "storefront"}}, {"Idempotency-Key": "k1"}
    first = await http.post("/actions/ANALYZE_WORKSPACE", json=body, headers=key)

    again = await http.post("/actions/ANALYZE_WORKSPACE", json=body, headers=key)

    assert again.content == first.content
    assert len((await http.get("/v1/analyses")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("action", "scope"),
    [
        ("ANALYZE_WORKSPACE", "workspace:analyze"),
        ("FIND_AFFECTED_PROJECTS", "workspace:analyze"),
        ("BUILD_AFFECTED", "workspace:build"),
    ],
)
async def test_an_action_needs_the_scope_of_what_it_does(
    app: FastAPI, issuer: Issuer, nx: Path, action: str, scope: str
):
    async with running(app, issuer.headers("actions:invoke", audience="workspace-analyzer")) as http:
        response = await http.post(f"/actions/{action}", json={"parameters": {"workspace": "storefront"}})

    assert (response.status_code, response.json()["missing"]) == (403, [scope])


def test_the_registry_lists_it_under_workspace_optimization():
    listed = metadata(PLUGIN, "http://127.0.0.1:8375")

    tools = {(tool["capability"], tool["name"]) for tool in listed["toolDefinitions"]}
    assert {
        ("workspace.analyze", "ANALYZE_WORKSPACE"),
        ("workspace-optimization", "ANALYZE_WORKSPACE"),
    } <= tools
    assert {"workspace.affected", "workspace.build"} <= set(listed["capabilities"])


def test_every_example_is_a_question_and_an_answer():
    for action in PLUGIN.actions:
        for user, agent in action.examples:
            assert (user.role, agent.role, agent.action) == ("user", "agent", action.name)
