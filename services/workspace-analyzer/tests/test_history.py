"""How long tasks took: what is made of runs, and every place that tools keep them in."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.adapters import histories
from mesh_workspace_analyzer.adapters.folders import Roots
from mesh_workspace_analyzer.adapters.histories import FolderHistories
from mesh_workspace_analyzer.domain.history import SAMPLES, Flaky, History, Measured, Run, summarize
from mesh_workspace_analyzer.domain.run_files import NxRunFile, TurboRunFile
from mesh_workspace_analyzer.errors import WorkspaceNotFound
from mesh_workspace_analyzer.ports import Told

NX: dict[str, Any] = {
    "run": {"command": "nx run-many -t build", "inner": False},
    "tasks": [
        {
            "taskId": "money:build",
            "target": "build",
            "projectName": "money",
            "hash": "79",
            "startTime": "2026-01-02T03:04:05.000Z",
            "endTime": "2026-01-02T03:04:07.500Z",
            "params": "",
            "cacheStatus": "cache-miss",
            "status": 0,
        },
        {
            "target": "build",
            "projectName": "cart",
            "hash": "80",
            "startTime": "2026-01-02T03:04:07.500Z",
            "endTime": "2026-01-02T03:04:07.502Z",
            "cacheStatus": "local-cache-hit",
            "status": 0,
        },
    ],
}
TURBO: dict[str, Any] = {
    "id": "2x",
    "execution": {"startTime": 0, "endTime": 9000, "exitCode": 1},
    "tasks": [
        {
            "taskId": "web#build",
            "task": "build",
            "package": "web",
            "hash": "ab",
            "cache": {"local": False, "remote": False, "status": "MISS", "timeSaved": 0},
            "execution": {"startTime": 1000, "endTime": 4000, "exitCode": 1},
        },
        {
            "task": "build",
            "package": "ui",
            "cache": {"status": "HIT"},
            "execution": {"startTime": 5, "endTime": 4},
        },
        {"task": "build", "package": "dry"},
    ],
}


def run(duration_ms: int, *, at: int = 0, hash: str = "", failed: bool = False, hit: bool = False) -> Run:
    return Run(task="a:b", duration_ms=duration_ms, ended_ms=at, hash=hash, succeeded=not failed, is_hit=hit)


def test_a_task_takes_the_median_of_its_newest_successes():
    old = [run(9999, at=at) for at in range(100)]
    new = [run(at, at=1000 + at) for at in range(SAMPLES)]

    assert summarize([*new, *old]).measured == {"a:b": Measured(1, 10, 17, SAMPLES)}


def test_neither_hits_nor_failures_say_how_long_a_task_takes():
    assert summarize([run(1, hit=True), run(2, failed=True)]).measured == {}
    assert summarize([run(1, hit=True), run(2, failed=True), run(70)]).measured["a:b"].median_ms == 70


def test_the_hit_rate_is_of_runs_that_did_not_fail():
    history = summarize([run(1, hit=True), run(5), run(5), run(5), run(5, failed=True)])

    assert (history.hits, history.runs, history.hit_rate) == (1, 4, 0.25)
    assert History().hit_rate == 0


def test_a_task_that_fails_and_succeeds_on_the_same_inputs_is_flaky():
    runs = [run(1, hash="x", failed=True), run(1, hash="x"), run(1, hash="x"), run(1, hash="y", failed=True)]

    assert summarize(runs).flaky == (Flaky("a:b", failures=1, runs=3),)


@pytest.mark.parametrize("second", [run(1, hash="y"), run(1, hash="x", hit=True), run(1)])
def test_other_inputs_hits_and_inputs_that_nobody_knows_make_no_task_flaky(second: Run):
    assert summarize([run(1, hash="x", failed=True), run(1, failed=True), second]).flaky == ()


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_what_is_measured_lies_between_the_shortest_and_the_longest(durations: list[int]):
    found = summarize(run(duration, at=at) for at, duration in enumerate(durations)).measured["a:b"]

    newest = durations[-SAMPLES:]
    assert min(newest) <= found.p10_ms <= found.median_ms <= found.p90_ms <= max(newest)
    assert found.samples == len(newest)


def test_the_last_run_of_nx_is_read_as_it_stands():
    money, cart = NxRunFile.model_validate(NX).runs()

    assert money == Run(task="money:build", duration_ms=2500, ended_ms=1767323047500, hash="79")
    assert (cart.task, cart.is_hit) == ("cart:build", True)


def test_a_summary_of_turborepo_is_read_as_it_stands():
    web, ui = TurboRunFile.model_validate(TURBO).runs()

    assert web == Run(task="web:build", duration_ms=3000, ended_ms=4000, hash="ab", succeeded=False)
    assert (ui.is_hit, ui.succeeded, ui.duration_ms) == (True, True, 0)


@pytest.mark.parametrize("day", ["2026-02-31", "0000-01-01"])
def test_a_run_on_a_day_that_no_calendar_has_is_left_out(day: str):
    impossible = NX["tasks"][0] | {"endTime": f"{day}T03:04:05.000Z"}

    runs = NxRunFile.model_validate({"tasks": [impossible, NX["tasks"][1]]}).runs()

    assert [run.task for run in runs] == ["cart:build"]


@pytest.fixture
def folder(roots: Path) -> Path:
    (roots / "shop" / ".nx" / "workspace-data").mkdir(parents=True)
    (roots / "shop" / ".nx" / "cache").mkdir()
    return roots / "shop"


@pytest.fixture
def kept(folder: Path) -> Callable[[], Any]:
    return lambda: FolderHistories(Roots((folder.parent,))).runs("shop")


def database(folder: Path, *rows: tuple[str, str, int | str, int], journal: str = "wal") -> Path:
    path = folder / ".nx" / "workspace-data" / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(
            "CREATE TABLE task_details (hash TEXT PRIMARY KEY, project, target, configuration)"
        )
        connection.execute(
            "CREATE TABLE task_history (id INTEGER PRIMARY KEY, hash, status, code, start, end)"
        )
        connection.executemany(
            "INSERT OR IGNORE INTO task_details VALUES (?, 'a', 'b', NULL)", [(r[0],) for r in rows]
        )
        for row in rows:
            connection.execute("INSERT INTO task_history (hash, status, start, end) VALUES (?, ?, ?, ?)", row)
        connection.commit()
    return path


Kept = Callable[[], Any]


async def test_the_database_of_nx_is_read(folder: Path, kept: Kept):
    database(
        folder,
        ("x", "success", 0, 500),
        ("x", "failure", 0, 7),
        ("y", "local-cache", 0, 2),
        ("y", "skipped", 0, 0),
        ("y", "success", "soon", 9),
    )

    told = await kept()

    assert told.gaps == ()
    assert sorted((r.hash, r.duration_ms, r.succeeded, r.is_hit) for r in told.runs) == [
        ("x", 7, False, False),
        ("x", 500, True, False),
        ("y", 2, True, True),
    ]


async def test_reading_changes_nothing_in_the_workspace(folder: Path, kept: Kept):
    path = database(folder, ("x", "success", 0, 500))
    before = (path.read_bytes(), sorted(folder.rglob("*")))

    assert len((await kept()).runs) == 1

    assert (path.read_bytes(), sorted(folder.rglob("*"))) == before


async def test_without_a_database_the_last_run_is_read_and_with_one_it_is_not_counted_twice(
    folder: Path, kept: Kept
):
    (folder / ".nx" / "cache" / "run.json").write_text(json.dumps(NX))
    assert [run.task for run in (await kept()).runs] == ["money:build", "cart:build"]

    database(folder, ("x", "success", 0, 500))
    assert [run.task for run in (await kept()).runs] == ["a:b"]


async def test_summaries_of_turborepo_are_read_newest_last(folder: Path, kept: Kept):
    (folder / ".turbo" / "runs").mkdir(parents=True)
    for number in range(histories.MOST_FILES + 5):
        (folder / ".turbo" / "runs" / f"{number:02}.json").write_text(json.dumps(TURBO))

    assert len((await kept()).runs) == 2 * histories.MOST_FILES


async def test_a_workspace_without_history_has_none(kept: Kept):
    assert await kept() == Told(())


async def test_no_history_is_read_outside_of_the_roots(folder: Path):
    with pytest.raises(WorkspaceNotFound):
        await FolderHistories(Roots((folder,))).runs("..")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"x" * 5000, b"{}", b'{"tasks": [{}]}'])
@pytest.mark.parametrize("name", [".nx/workspace-data/x.db", ".nx/cache/run.json"])
async def test_what_is_not_readable_is_said_and_nothing_worse(
    folder: Path, kept: Kept, name: str, content: bytes
):
    (folder / name).write_bytes(content)

    told = await kept()

    assert told.runs == ()
    assert told.gaps == (f"What {name} says about former runs is not readable.",)


async def test_a_database_cannot_keep_us_busy(folder: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(histories, "PATIENCE_S", 0.05)
    path = folder / ".nx" / "workspace-data" / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE task_details (hash, project, target)")
        connection.execute(
            "CREATE VIEW task_history AS "
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i id, 'x' hash, '' status, 1 start, 2 end FROM n"
        )

    assert (await kept()).gaps == ("What .nx/workspace-data/x.db says about former runs is not readable.",)


async def test_links_pipes_and_what_is_too_large_are_not_read(
    folder: Path, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(histories, "MAX_FILE_BYTES", 100)
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps(NX))
    (folder / ".turbo" / "runs").mkdir(parents=True)
    (folder / ".turbo" / "runs" / "a.json").symlink_to(outside)
    os.mkfifo(folder / ".turbo" / "runs" / "b.json")
    (folder / ".turbo" / "runs" / "c.json").write_text(json.dumps(TURBO))

    told = await kept()

    assert told.runs == ()
    assert len(told.gaps) == 3


async def test_a_folder_that_leads_out_is_not_looked_into(folder: Path, kept: Kept, tmp_path: Path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.json").write_text(json.dumps(TURBO))
    (folder / ".turbo").symlink_to(tmp_path)

    assert await kept() == Told(())


async def test_durations_that_a_caller_sends_make_a_critical_path_of_time(
    http: AsyncClient, storefront: Path
):
    durations = [{"task": f"{name}:build", "durationMs": 1000} for name in ("money", "catalog", "ui", "web")]
    asked = {"workspace": "storefront", "durations": durations, "runs": [NX, TURBO]}

    path = (await http.post("/v1/analyses", json=asked)).json()["criticalPath"]

    assert (path["unit"], path["coverage"]) == ("ms", 0.5)
    money = path["tasks"][0]
    assert (money["id"], money["durationMs"], money["samples"], money["source"]) == (
        "money:build",
        1750,
        2,
        "history",
    )
    assert path["totalMs"] == sum(task["durationMs"] for task in path["tasks"])
    assert path["makespanMs"]["1"] >= path["makespanMs"]["2"] >= path["lowerBoundMs"]["2"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"runs": [{}]},
        {"runs": [{"tasks": "all"}]},
        {"runs": [NX] * 51},
        {"durations": [{"task": "a:b", "durationMs": -1}]},
        {"durations": [{"task": "a" * 301, "durationMs": 1}]},
        {"durations": [{"durationMs": 1}]},
    ],
)
async def test_runs_that_are_none_are_refused_with_their_place(http: AsyncClient, wrong: dict[str, Any]):
    response = await http.post("/v1/analyses", json={"workspace": "storefront", **wrong})

    assert response.status_code == 422
    assert next(iter(wrong)) in response.json()["errors"][0]["pointer"]


@pytest.mark.again
async def test_what_the_real_nx_keeps_of_its_runs_is_what_it_did(
    http: AsyncClient, tiny: Callable[..., Path], nx: Path, tmp_path: Path
):
    folder = tiny(a="sleep 0.3", b="exit 1")
    (folder / "node_modules").symlink_to(nx.parents[3])
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NX_DAEMON": "false",
        "NX_NO_CLOUD": "true",
        "CI": "true",
    }
    command = [shutil.which("node") or "", nx, "run-many", "-t", "build"]
    await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False
    )

    found = (await http.post("/v1/analyses", json={"workspace": "tiny"})).json()["criticalPath"]

    assert [(task["id"], task["samples"]) for task in found["tasks"]] == [("a:build", 1)]
    assert found["tasks"][0]["durationMs"] >= 300
    assert found["coverage"] == 0.5
