"""Row E, the building half: real builds in a copy, with limits, told by their row."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_shared.testing import Issuer, running
from sqlalchemy import text

Run = Callable[..., str]
MakeApp = Callable[..., FastAPI]
Tiny = Callable[..., Path]


@pytest.fixture
async def builder(make_app: MakeApp, caller: dict[str, str], nx: Path) -> AsyncIterator[AsyncClient]:
    async with running(make_app(allow_builds=True), caller) as http:
        yield http


async def analyzed(http: AsyncClient, workspace: str = "tiny", **body: str) -> str:
    response = await http.post("/v1/analyses", json={"workspace": workspace} | body)
    assert response.status_code == 201, response.text
    return response.json()["id"]


async def start(http: AsyncClient, analysis_id: str, key: str = "k1") -> httpx.Response:
    return await http.post(f"/v1/analyses/{analysis_id}/builds", headers={"Idempotency-Key": key})


async def settled(http: AsyncClient, location: str) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while (build := (await http.get(location)).json())["status"] in ("queued", "running"):
            await asyncio.sleep(0.05)
    return build


async def built(http: AsyncClient, workspace: str = "tiny", **body: str) -> dict[str, Any]:
    response = await start(http, await analyzed(http, workspace, **body))
    assert response.status_code == 202, response.text
    return await settled(http, response.headers["location"])


async def test_what_is_affected_is_built_after_what_it_needs_and_the_workspace_stays_as_it_was(
    builder: AsyncClient, tiny: Tiny, git: Run
):
    folder = tiny(a="mkdir dist", b="test -d dist")
    git(folder, "branch", "-f", "main", "change")
    needing = {"command": "test -d dist", "dependsOn": ["^build"]}
    (folder / "libs/b/project.json").write_text(
        json.dumps({"name": "b", "implicitDependencies": ["a"], "targets": {"build": needing}})
    )
    git(folder, "commit", "-qam", "Change b")
    analysis_id = await analyzed(builder)
    response = await start(builder, analysis_id)
    accepted = response.json()
    assert (response.status_code, accepted["status"]) == (202, "queued")
    assert (accepted["success"], accepted["duration"], accepted["log_tail"]) == (None, None, "")

    build = await settled(builder, response.headers["location"])

    assert (build["status"], build["success"]) == ("succeeded", True)
    assert (build["id"], build["analysis_id"]) == (accepted["id"], analysis_id)
    assert build["duration"] > 0
    assert "target build for project b and 1 task it depends on" in build["log_tail"]
    assert git(folder, "status", "--porcelain", "--ignored") == ""


async def test_a_build_that_fails_says_why_and_saw_nothing_of_our_environment(
    builder: AsyncClient, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MESH_KEY", "canary")
    tiny(a="echo a-is-fine", b="env && echo what-a-pity && exit 3")

    build = await built(builder)

    assert (build["status"], build["success"]) == ("failed", False)
    assert "what-a-pity" in build["log_tail"]
    assert "canary" not in build["log_tail"]
    assert "MESH_" not in build["log_tail"]


@pytest.mark.again
async def test_what_is_not_affected_is_not_built_and_the_end_is_announced(
    builder: AsyncClient, tiny: Tiny, git: Run
):
    folder = tiny(a="exit 1", b="true")
    git(folder, "branch", "-f", "main", "change")
    (folder / "libs/b/more.ts").write_text("export {};\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Change b")

    build = await built(builder)

    assert build["success"] is True
    assert "a:build" not in build["log_tail"]
    async with asyncio.timeout(60):
        while len(events := (await builder.get("/v1/events")).json()["items"]) < 2:
            await asyncio.sleep(0.02)
    assert events[1]["type"] == "workspace-analyzer.build-finished.v1"
    assert events[1]["data"] == {
        "build_id": build["id"],
        "analysis_id": build["analysis_id"],
        "status": "succeeded",
        "duration_s": build["duration"],
    }


@pytest.mark.again
async def test_when_what_changed_is_not_known_everything_is_built(builder: AsyncClient, tiny: Tiny):
    tiny(a="true", b="true")

    build = await built(builder, base="develop")

    assert build["success"] is True
    assert "Successfully ran target build for 2 projects" in build["log_tail"]


@pytest.mark.again
async def test_a_build_uses_the_packages_that_the_workspace_has_installed(
    builder: AsyncClient, tiny: Tiny, nx: Path
):
    folder = tiny(a="my-compiler")
    tools = folder / "node_modules" / ".bin"
    tools.mkdir(parents=True)
    (folder / "node_modules" / "nx").symlink_to(nx.parents[2])
    (tools / "my-compiler").write_text("#!/bin/sh\necho compiled-by-mine\n")
    (tools / "my-compiler").chmod(0o755)
    (folder / ".gitignore").write_text("node_modules\n")

    build = await built(builder)

    assert build["success"] is True, build["log_tail"]


@pytest.mark.again
async def test_a_build_that_takes_too_long_is_stopped(
    make_app: MakeApp, caller: dict[str, str], tiny: Tiny, nx: Path, tmp_path: Path
):
    tiny(a=f"echo $$ > {tmp_path}/pid; sleep 100")
    async with running(make_app(allow_builds=True, build_timeout_s=12), caller) as http:
        build = await built(http)

    assert (build["status"], build["log_tail"].splitlines()[-1]) == ("failed", "Stopped after 12 s.")
    await dies(int((tmp_path / "pid").read_text()))


@pytest.mark.again
async def test_a_build_that_writes_too_much_is_stopped(
    make_app: MakeApp, caller: dict[str, str], tiny: Tiny, nx: Path
):
    tiny(a="yes && exit 1")
    async with running(make_app(allow_builds=True, max_build_output_bytes=100_000), caller) as http:
        build = await built(http)

    assert build["log_tail"].splitlines()[-1] == "Stopped after 100000 bytes of output."
    assert len(build["log_tail"]) < 10_000


async def test_a_workspace_that_is_gone_fails_its_build(builder: AsyncClient, tiny: Tiny):
    folder = tiny(a="true")
    analysis_id = await analyzed(builder)
    folder.rename(folder.with_name("elsewhere"))

    build = await settled(builder, (await start(builder, analysis_id)).headers["location"])

    assert (build["status"], build["success"]) == ("failed", False)
    assert "no such folder" in build["log_tail"]


async def test_builds_run_only_where_the_operator_allows_them(http: AsyncClient, tiny: Tiny):
    tiny(a="true")

    response = await start(http, await analyzed(http))

    assert (response.status_code, response.json()["code"]) == (409, "builds-not-allowed")


async def test_a_build_needs_a_key_a_scope_and_an_analysis(
    make_app: MakeApp, issuer: Issuer, caller: dict[str, str], nx: Path
):
    app = make_app(allow_builds=True)
    only_reads = issuer.headers("workspace:analyze", audience="workspace-analyzer")
    async with running(app, caller) as http:
        nowhere = f"/v1/analyses/{uuid4()}/builds"
        key = {"Idempotency-Key": "k1"}

        assert (await http.post(nowhere)).status_code == 400
        assert (await http.post(nowhere, headers=key | only_reads)).status_code == 403
        assert (await http.post(nowhere, headers=key)).json()["code"] == "analysis-not-found"
        assert (await http.get(f"/v1/builds/{uuid4()}")).json()["code"] == "build-not-found"


@pytest.mark.again
async def test_a_build_is_accepted_once_and_others_wait_for_it(
    make_app: MakeApp, caller: dict[str, str], tiny: Tiny, nx: Path
):
    tiny(a="true")
    app = make_app(allow_builds=True)
    async with running(app, caller) as http:
        analysis_id = await analyzed(http)
        first = await start(http, analysis_id)
        async with app.state.platform.database.write() as session:
            await session.execute(text("DELETE FROM idempotency_keys"))

        again = await start(http, analysis_id)
        other = await start(http, analysis_id, "k2")
        ended = [await settled(http, answer.headers["location"]) for answer in (first, other)]
        etag = (await http.get(first.headers["location"])).headers["etag"]
        unchanged = await http.get(first.headers["location"], headers={"If-None-Match": etag})

    assert again.json()["id"] == first.json()["id"] != other.json()["id"]
    assert [build["success"] for build in ended] == [True, True]
    assert unchanged.status_code == 304


async def dies(pid: int) -> None:
    async with asyncio.timeout(60):
        while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
            await asyncio.sleep(0.02)
