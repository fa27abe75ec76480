"""The tier in which a workspace's plugins run: where the operator allows it, in a room of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from mesh_cli import parts
from mesh_shared.testing import Issuer, running
from mesh_workspace_analyzer.adapters import nx
from mesh_workspace_analyzer.errors import BrokenProjectConfiguration

MakeApp = Callable[..., FastAPI]
Tiny = Callable[..., Path]
SCOPES = ("workspace:analyze", "workspace:plugins")
FULL = {"workspace": "tiny", "mode": "nx-full"}
# A target of every lib, which no file of the workspace names.
INFERS = """
exports.createNodesV2 = ['libs/*/project.json', (files) => files.map((file) => {
  const root = file.slice(0, file.lastIndexOf('/'));
  return [file, {projects: {[root]: {targets: {[name]: {command: 'true'}}}}}];
})];
"""


@pytest.fixture
def can_sandbox() -> None:
    if parts.sandbox() == "none":
        pytest.skip("bubblewrap is missing, or this kernel lets nobody make user namespaces")


@pytest.fixture
def trusted(issuer: Issuer) -> dict[str, str]:
    """A caller who may have plugins run."""
    return issuer.headers(*SCOPES, audience="workspace-analyzer")


@pytest.fixture
async def full(
    make_app: MakeApp, trusted: dict[str, str], nx: Path, can_sandbox: None
) -> AsyncIterator[AsyncClient]:
    async with running(make_app(allow_plugins=True, sandbox="bubblewrap"), trusted) as http:
        yield http


@pytest.mark.parametrize("settings", [{"sandbox": "bubblewrap"}, {"allow_plugins": True, "sandbox": "none"}])
async def test_plugins_run_only_where_the_operator_allows_it_and_there_is_a_sandbox(
    make_app: MakeApp, trusted: dict[str, str], tiny: Tiny, settings: dict[str, Any]
):
    tiny(a="true")
    async with running(make_app(**settings), trusted) as http:
        refused = await http.post("/v1/analyses", json=FULL)

    assert (refused.status_code, refused.json()["code"]) == (409, "plugins-not-allowed")
    assert "MESH_ALLOW_PLUGINS" in refused.json()["detail"]


async def test_having_plugins_run_and_ending_that_need_a_scope_of_their_own(
    app: FastAPI, caller: dict[str, str]
):
    async with running(app, caller) as http:
        answers = [
            await http.post("/v1/analyses", json=FULL),
            await http.post(f"/v1/analysis-jobs/{uuid4()}/cancel"),
        ]

    assert [(answer.status_code, answer.json()["missing"]) for answer in answers] == [
        (403, ["workspace:plugins"])
    ] * 2


async def test_a_job_that_nobody_knows_is_not_found(app: FastAPI, trusted: dict[str, str]):
    place = f"/v1/analysis-jobs/{uuid4()}"
    async with running(app, trusted) as http:
        answers = [await http.get(place), await http.post(f"{place}/cancel")]

    assert {answer.json()["code"] for answer in answers} == {"job-not-found"}


async def test_a_workspace_that_is_broken_fails_with_what_a_problem_would_have_said(
    full: AsyncClient, roots: Path
):
    (roots / "tiny").mkdir()
    job = await ended(full, await full.post("/v1/analyses", json=FULL))

    assert (job["status"], job["problem"]["code"]) == ("failed", "not-an-nx-workspace")


def test_what_a_program_left_is_read_only_where_it_was_told_to_leave_it(tmp_path: Path):
    place, elsewhere = tmp_path.resolve() / "graph.json", tmp_path.resolve() / "secret"
    elsewhere.write_text("{}")
    with pytest.raises(BrokenProjectConfiguration):
        nx.left(place)
    place.symlink_to(elsewhere)
    with pytest.raises(BrokenProjectConfiguration):
        nx.left(place)
    place.unlink()
    place.write_text("{}")

    assert nx.left(place) == b"{}"


def test_of_what_a_program_left_not_more_than_the_limit_is_read(tmp_path: Path):
    place = tmp_path.resolve() / "graph.json"
    with place.open("wb") as file:
        file.truncate(nx.MAX_GRAPH_BYTES + 1)

    with pytest.raises(BrokenProjectConfiguration):
        nx.left(place)


async def ended(http: AsyncClient, accepted: Response) -> dict[str, Any]:
    """The job when it has ended."""
    assert accepted.status_code == 202, accepted.text
    async with asyncio.timeout(90):
        while (job := (await http.get(accepted.headers["location"])).json())["finished_at"] is None:
            await asyncio.sleep(0.05)
    return job


def with_plugin(folder: Path, git: Callable[..., str], plugin: str) -> None:
    """Plants a plugin in the workspace's newest commit."""
    (folder / "tools").mkdir()
    (folder / "tools" / "plugin.js").write_text(plugin)
    (folder / "nx.json").write_text(json.dumps({"plugins": ["./tools/plugin.js"]}))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Plant")


async def analysed(http: AsyncClient) -> dict[str, Any]:
    job = await ended(http, await http.post("/v1/analyses", json=FULL))
    assert job["status"] == "succeeded", job
    return (await http.get(f"/v1/analyses/{job['analysis_id']}")).json()


async def targets(http: AsyncClient, analysis: dict[str, Any]) -> set[str]:
    graph = (await http.get(f"/v1/analyses/{analysis['id']}/graph")).json()
    return {target for project in graph["projects"] for target in project["targets"]}


@pytest.mark.again
async def test_what_a_plugin_infers_is_seen_by_this_tier_alone(
    full: AsyncClient, tiny: Tiny, git: Callable[..., str]
):
    with_plugin(tiny(a="true", b="true"), git, f"const name = 'inferred';{INFERS}")
    others = [
        (await full.post("/v1/analyses", json=FULL | {"mode": mode})).json() for mode in ("static", "nx-core")
    ]
    analysis = await analysed(full)

    assert (analysis["analysisMode"], analysis["fidelity"]) == ("nx-full", "complete")
    assert analysis["affectedProjects"] == ["a", "b"]
    assert await targets(full, analysis) == {"build", "inferred"}
    for other in others:
        assert await targets(full, other) == {"build"}
        assert other["fidelity"] == "partial"


@pytest.mark.again
async def test_a_plugin_reaches_no_network_writes_nothing_outside_and_sees_none_of_our_secrets(
    full: AsyncClient, tiny: Tiny, git: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MESH_KEY", "canary")
    (tmp_path / "secret").write_text("canary")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    folder = tiny(a="true")
    with_plugin(folder, git, hostile(tmp_path, folder, port))

    async with server:
        analysis = await analysed(full)
    (told,) = {name for name in await targets(full, analysis) if name.startswith("[")}

    assert json.loads(told) == ["refused"] * 3
    assert not (tmp_path / "escaped").exists()
    assert not (folder / "escaped").exists()


def hostile(outside: Path, folder: Path, port: int) -> str:
    """A plugin that tries to get out, and names a target after how that went."""
    return f"""
const fs = require('fs');
const bash = (script) => require('child_process').execFileSync('bash', ['-c', script]);
const tried = (what) => {{ try {{ what(); return 'done'; }} catch (error) {{ return 'refused'; }} }};
const name = JSON.stringify([
  tried(() => fs.readFileSync('{outside}/secret')),
  tried(() => bash('echo > /dev/tcp/127.0.0.1/{port}')),
  tried(() => bash('test -n "$MESH_KEY"')),
]);
for (const place of ['{outside}', '{folder}']) tried(() => fs.writeFileSync(`${{place}}/escaped`, ''));
{INFERS}"""


@pytest.mark.again
async def test_cancelling_kills_a_plugin_with_all_that_it_has_started(
    full: AsyncClient, issuer: Issuer, tiny: Tiny, git: Callable[..., str]
):
    mark = f"plugin-{uuid4()}"
    script = f"require('child_process').execFileSync('sh', ['-c', 'sleep 100; : {mark}']);"
    with_plugin(tiny(a="true"), git, script)
    place = (await full.post("/v1/analyses", json=FULL)).headers["location"]
    async with asyncio.timeout(60):
        while not alive(mark):
            await asyncio.sleep(0.05)

    cancelled = await full.post(f"{place}/cancel")
    job = await ended(full, cancelled)

    assert cancelled.json()["status"] == "cancelling"
    assert (job["status"], job["analysis_id"]) == ("cancelled", None)
    assert not alive(mark)


def alive(mark: str) -> bool:
    """Whether a process has that word on its command line; those in a room are seen from outside."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in line.read_bytes():
                return True
    return False
