"""Rows D and E over HTTP, on both databases."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_shared.testing import Issuer, running
from mesh_workspace_analyzer.domain.analysis import Mode
from sqlalchemy import text

Run = Callable[..., str]

SIX = {
    "workspaceRoot",
    "totalProjects",
    "affectedProjects",
    "criticalPath",
    "recommendations",
    "costImpact",
}
AFFECTED = ["api", "cart", "checkout", "pricing", "web", "web-e2e"]


async def analyze(http: AsyncClient, **body: str) -> dict[str, Any]:
    response = await http.post("/v1/analyses", json={"workspace": "storefront"} | body)
    assert response.status_code == 201, response.text
    return response.json()


def no_run_of_nx_survives(app: FastAPI) -> None:
    app.state.service.analyses.readers[Mode.NX_CORE].reader.tool.timeout_s = 0.001


async def refusal(http: AsyncClient, **body: str) -> tuple[int, str]:
    response = await http.post("/v1/analyses", json={"workspace": "storefront"} | body)
    return response.status_code, response.json()["code"]


async def test_an_analysis_has_the_six_names_and_says_how_it_came_to_be(
    http: AsyncClient, storefront: Path, git: Run
):
    response = await http.post("/v1/analyses", json={"workspace": "storefront", "base": "main"})

    found = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/analyses/{found['id']}"
    assert found["text"] == "Workspace analysis complete. Found 10 projects, 6 affected by recent changes."
    assert found.keys() >= SIX
    assert (found["workspaceRoot"], found["totalProjects"]) == ("storefront", 10)
    assert found["affectedProjects"] == AFFECTED
    path = found["criticalPath"]
    chain = ["money", "catalog", "pricing", "cart", "checkout", "api"]
    assert [task["id"] for task in path["tasks"]] == [f"{name}:build" for name in chain]
    assert (path["unit"], path["length"], path["totalMs"], path["coverage"]) == ("hops", 6, None, 0)
    assert found["costImpact"]["projectsSkippedPct"] == 40
    assert (found["costImpact"]["currency"], found["costImpact"]["avoided"]) == (None, None)
    assert (found["affectedStatus"], found["analysisMode"]) == ("exact", "static")
    assert found["base"] == {"ref": "main", "sha": git(storefront, "rev-parse", "main")}
    assert found["head"] == {"ref": "HEAD", "sha": git(storefront, "rev-parse", "HEAD")}
    assert found["tool_versions"].keys() == {"git", "mesh-static"}
    assert found["durationMs"] > 0
    assert len(found["graphHash"]) == 64


async def test_every_affected_project_says_why(http: AsyncClient, storefront: Path):
    found = await analyze(http)

    why = {detail["project"]: detail for detail in found["affectedDetail"]}
    changed = ["libs/pricing/src/discount.ts", "libs/pricing/test/pricing.test.mjs"]
    assert list(why) == AFFECTED
    assert why["pricing"] == {
        "project": "pricing",
        "reason": "direct",
        "files": changed,
        "via": [],
        "distance": 0,
    }
    assert why["web-e2e"] == {
        "project": "web-e2e",
        "reason": "dependency",
        "files": changed,
        "via": [
            {"source": "web-e2e", "target": "web", "kind": "implicit"},
            {"source": "web", "target": "pricing", "kind": "static"},
        ],
        "distance": 2,
    }


async def test_recommendations_carry_their_evidence(http: AsyncClient, storefront: Path):
    found = await analyze(http)

    rules = [recommendation["rule"] for recommendation in found["recommendations"]]
    assert rules == ["hub", "hub", "hub", "longest-chain", "missing-build-target"]
    assert found["recommendations"][0]["evidence"] == {"projects": ["money"], "count": 9, "of": 10}


async def test_a_base_that_git_cannot_resolve_takes_all_projects_and_claims_nothing(
    http: AsyncClient, storefront: Path
):
    found = await analyze(http, base="develop")

    assert len(found["affectedProjects"]) == found["totalProjects"] == 10
    assert found["affectedStatus"] == "fallback_all"
    assert found["costImpact"]["projectsSkippedPct"] == 0
    assert "develop" in found["warnings"][0]
    assert found["base"] == {"ref": "develop", "sha": None}


async def test_a_workspace_without_git_takes_all_projects(http: AsyncClient, storefront: Path):
    shutil.rmtree(storefront / ".git")

    found = await analyze(http)

    assert (found["affectedStatus"], found["head"]["sha"]) == ("fallback_all", None)
    assert "no git history" in found["warnings"][0]


async def test_when_nothing_changed_nothing_is_affected(http: AsyncClient, storefront: Path):
    found = await analyze(http, base="HEAD")

    assert found["affectedProjects"] == []
    assert found["costImpact"]["projectsSkippedPct"] == 100
    assert found["text"].endswith("Found 10 projects, 0 affected by recent changes.")


async def test_an_unchanged_tree_is_not_read_again(
    stored_app: FastAPI, caller: dict[str, str], storefront: Path, nx: Path, git: Run
):
    async with running(stored_app, caller) as http:
        first = await analyze(http, mode="nx-core")
        no_run_of_nx_survives(stored_app)

        again = await analyze(http, mode="nx-core")
        git(storefront, "commit", "-q", "--allow-empty", "-m", "Same files")
        same_files = await analyze(http, base="main", mode="nx-core")

        assert again["id"] != first["id"]
        assert again["graphHash"] == same_files["graphHash"] == first["graphHash"]
        (storefront / "libs/ui/src/new.ts").write_text("export {};\n")
        git(storefront, "add", "-A")
        git(storefront, "commit", "-qm", "Other files")
        assert await refusal(http, mode="nx-core") == (409, "analysis-timed-out")


async def test_a_read_tree_is_known_after_a_restart(
    stored_app: FastAPI, caller: dict[str, str], storefront: Path, nx: Path
):
    async with running(stored_app, caller) as http:
        await analyze(http, mode="nx-core")
    async with running(stored_app, caller) as http:
        no_run_of_nx_survives(stored_app)
        assert (await analyze(http, mode="nx-core"))["totalProjects"] == 10


async def test_only_the_newest_trees_are_remembered(
    make_app: Callable[..., FastAPI], caller: dict[str, str], storefront: Path, nx: Path
):
    app = make_app(graphs_kept=1)
    async with running(app, caller) as http:
        await analyze(http, head="main", mode="nx-core")
        await analyze(http, head="change", mode="nx-core")
        no_run_of_nx_survives(app)

        assert (await analyze(http, head="change", mode="nx-core"))["totalProjects"] == 10
        assert await refusal(http, head="main", mode="nx-core") == (409, "analysis-timed-out")


async def test_a_stored_analysis_is_read_again_and_not_sent_twice(stored: AsyncClient, storefront: Path):
    found = await analyze(stored)

    read = await stored.get(f"/v1/analyses/{found['id']}")
    unchanged = await stored.get(
        f"/v1/analyses/{found['id']}", headers={"If-None-Match": read.headers["etag"]}
    )

    assert read.json() == found
    assert unchanged.status_code == 304


async def test_the_list_is_newest_first_and_goes_on_where_it_stopped(stored: AsyncClient, storefront: Path):
    ids = [(await analyze(stored))["id"] for _ in range(3)]

    first = (await stored.get("/v1/analyses", params={"limit": 2})).json()
    await analyze(stored)
    second = (await stored.get("/v1/analyses", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [item["id"] for item in first["items"] + second["items"]] == ids[::-1]
    assert first["items"][0] | {"id": "", "created_at": ""} == {
        "id": "",
        "workspaceRoot": "storefront",
        "totalProjects": 10,
        "affectedProjects": 6,
        "affectedStatus": "exact",
        "created_at": "",
    }


async def test_a_repeated_request_is_one_analysis(http: AsyncClient, storefront: Path):
    body, key = {"workspace": "storefront"}, {"Idempotency-Key": "k1"}
    first = await http.post("/v1/analyses", json=body, headers=key)

    again = await http.post("/v1/analyses", json=body, headers=key)

    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await http.get("/v1/analyses")).json()["items"]) == 1


async def test_a_request_that_is_executed_again_after_a_crash_finds_its_analysis(
    stored_app: FastAPI, stored: AsyncClient, storefront: Path
):
    body, key = {"workspace": "storefront"}, {"Idempotency-Key": "k1"}
    first = await stored.post("/v1/analyses", json=body, headers=key)
    async with stored_app.state.platform.database.write() as session:
        await session.execute(text("DELETE FROM idempotency_keys"))

    again = await stored.post("/v1/analyses", json=body, headers=key)

    assert again.json()["id"] == first.json()["id"]
    assert len((await stored.get("/v1/analyses")).json()["items"]) == 1


async def test_an_analysis_is_announced(stored: AsyncClient, storefront: Path):
    found = await analyze(stored)

    async with asyncio.timeout(60):
        while not (events := (await stored.get("/v1/events")).json()["items"]):
            await asyncio.sleep(0.02)

    assert events[0]["type"] == "workspace-analyzer.analysis-completed.v1"
    assert events[0]["subject"] == found["id"]
    assert events[0]["data"] == {
        "analysis_id": found["id"],
        "workspace": "storefront",
        "head_sha": found["head"]["sha"],
        "total_projects": 10,
        "affected_projects": 6,
        "affected_status": "exact",
        "graph_hash": found["graphHash"],
    }


async def test_many_analyses_at_once_are_all_right(http: AsyncClient, storefront: Path):
    async with asyncio.TaskGroup() as tasks:
        running_ = [tasks.create_task(analyze(http, head=head)) for head in ["main", "change"] * 3]

    assert [task.result()["costImpact"]["projectsSkippedPct"] for task in running_] == [100, 40] * 3


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"workspace": "nowhere"}, 404, "workspace-not-found"),
        ({"workspace": "storefront/libs"}, 409, "not-a-workspace"),
        ({"head": "nowhere"}, 404, "revision-not-found"),
        ({"workspace": "../roots/storefront"}, 422, "invalid-request"),
        ({"workspace": "/etc"}, 422, "invalid-request"),
        ({"workspace": "a/../../etc"}, 422, "invalid-request"),
        ({"workspace": "storefront/"}, 422, "invalid-request"),
        ({"workspace": ""}, 422, "invalid-request"),
        ({"base": "--upload-pack=touch x"}, 422, "invalid-request"),
        ({"base": "-x"}, 422, "invalid-request"),
        ({"head": "$(touch x)"}, 422, "invalid-request"),
        ({"head": "a\nb"}, 422, "invalid-request"),
        ({"base": "HEAD~1"}, 422, "invalid-request"),
    ],
)
async def test_what_cannot_be_analysed_is_a_problem(
    make_app: Callable[..., FastAPI],
    caller: dict[str, str],
    storefront: Path,
    nx: Path,
    body: dict[str, str],
    status: int,
    code: str,
):
    async with running(make_app(), caller) as http:
        assert await refusal(http, **body) == (status, code)


async def test_a_broken_workspace_is_a_problem_that_says_where(http: AsyncClient, storefront: Path, git: Run):
    (storefront / "libs/cart/project.json").write_text('{"name": "money"}')
    git(storefront, "commit", "-qam", "Break")

    response = await http.post("/v1/analyses", json={"workspace": "storefront"})

    assert (response.status_code, response.json()["code"]) == (409, "duplicate-project-names")
    assert "libs/cart" in response.json()["detail"]
    assert (await http.get("/v1/analyses")).json()["items"] == []


async def test_without_roots_there_is_no_workspace(
    make_app: Callable[..., FastAPI], caller: dict[str, str], storefront: Path, nx: Path
):
    async with running(make_app(workspace_roots=()), caller) as http:
        assert await refusal(http) == (404, "workspace-not-found")


async def test_without_nx_all_is_well_but_for_who_asks_for_nx(
    make_app: Callable[..., FastAPI], caller: dict[str, str], storefront: Path, tmp_path: Path
):
    async with running(make_app(nx_modules_dir=tmp_path), caller) as http:
        readiness = await http.get("/readyz")
        refused = await http.post("/v1/analyses", json={"workspace": "storefront", "mode": "nx-core"})

        assert readiness.status_code == 200
        assert (await analyze(http))["totalProjects"] == 10
        assert (refused.status_code, refused.json()["down"]) == (503, ["nx"])
        assert refused.headers["retry-after"]


async def test_an_analysis_needs_its_scope_also_to_be_read(app: FastAPI, issuer: Issuer, nx: Path):
    async with running(app, issuer.headers("workspace:build", audience="workspace-analyzer")) as http:
        answers = [
            await http.post("/v1/analyses", json={"workspace": "storefront"}),
            await http.get("/v1/analyses"),
            await http.get("/v1/analyses/00000000-0000-0000-0000-000000000000"),
        ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]


async def test_what_was_left_behind_by_a_killed_service_is_cleared(
    make_app: Callable[..., FastAPI], caller: dict[str, str], tmp_path: Path
):
    left = tmp_path / "state" / "scratch" / "tmp1" / "copy"
    left.mkdir(parents=True)

    async with running(make_app(), caller):
        assert list((tmp_path / "state" / "scratch").iterdir()) == []
