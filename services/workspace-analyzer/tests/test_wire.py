"""The wire models: what a request may name, what an answer has, and what the settings take."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.actions import Patience, Subject
from mesh_workspace_analyzer.domain.affected import Affected, Change, Reason
from mesh_workspace_analyzer.domain.analysis import Analysis, Comparison, Revision, conclude
from mesh_workspace_analyzer.domain.build import OPEN, Build, BuildStatus
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind, Project, ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.events import AnalysisCompleted, BuildFinished
from mesh_workspace_analyzer.schemas.analyses import (
    AffectedView,
    AnalysisView,
    BuildView,
    WorkspaceResult,
)
from mesh_workspace_analyzer.schemas.requests import AnalysisRequest
from mesh_workspace_analyzer.settings import Settings
from pydantic import ValidationError

NOW = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "workspace",
    [
        ".",
        "storefront",
        "a/b/c",
        "/".join("abcdefghijklmnop"),
        "späß (1)",
        "a.b",
        "a..b",
        "-x",
        "$(touch x)",
        "x" * 60,
        "line's end",
    ],
)
def test_a_folder_may_be_named(workspace: str):
    assert AnalysisRequest(workspace=workspace).workspace == workspace


@pytest.mark.parametrize(
    "workspace",
    [
        "",
        "..",
        "../x",
        "a/..",
        "a/../b",
        "a/./b",
        "./a",
        "/a",
        "a/",
        "a//b",
        ".git",
        "a/.git",
        "a/.nx/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x7f",
        "a\n",
        "x" * 513,
    ],
)
def test_a_name_that_could_lead_out_or_into_hidden_folders_is_refused(workspace: str):
    with pytest.raises(ValidationError):
        AnalysisRequest(workspace=workspace)


@given(st.text(max_size=80))
def test_what_is_taken_as_a_folder_stays_under_its_root(workspace: str):
    try:
        taken = AnalysisRequest(workspace=workspace).workspace
    except ValidationError:
        return

    parts = Path(taken).parts
    assert not Path(taken).is_absolute()
    assert not any(part.startswith(".") for part in parts)
    assert "\0" not in taken


@pytest.mark.parametrize(
    "ref", ["main", "HEAD", "v1.2.3", "feature/x-1_y", "refs/heads/main", "0" * 40, "a" * 200, "."]
)
def test_a_branch_a_tag_or_a_commit_may_be_named(ref: str):
    assert AnalysisRequest(workspace="shop", base=ref, head=ref).head == ref


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "-x",
        "--upload-pack=x",
        "HEAD~1",
        "HEAD^",
        "@{u}",
        "main..x y",
        "a b",
        "a\nb",
        "a\n",
        "$(x)",
        "`x`",
        "a;b",
        "a|b",
        "späß",
        "a" * 201,
        "a:b",
    ],
)
def test_what_a_shell_or_git_could_take_for_more_than_a_name_is_refused(ref: str):
    for side in ("base", "head"):
        with pytest.raises(ValidationError):
            AnalysisRequest.model_validate({"workspace": "shop", side: ref})


def test_a_request_that_names_only_its_workspace_compares_head_with_main():
    request = AnalysisRequest(workspace="shop")

    assert (request.base, request.head) == ("main", "HEAD")


@pytest.mark.parametrize(
    "given_", [{}, {"workspace": 5}, {"workspace": "a", "more": 1}, {"workspace": None}, []]
)
def test_what_is_no_request_is_refused(given_: Any):
    with pytest.raises(ValidationError):
        AnalysisRequest.model_validate(given_)


@pytest.mark.parametrize("wait_s", [-1, 301, 1.5, "x", None])
def test_patience_has_its_bounds(wait_s: Any):
    with pytest.raises(ValidationError):
        Patience.model_validate({"workspace": "a", "wait_s": wait_s})


def test_an_action_takes_the_names_that_the_route_takes():
    assert Subject(workspace="shop").base == AnalysisRequest(workspace="shop").base
    with pytest.raises(ValidationError):
        Subject(workspace="../x")
    with pytest.raises(ValidationError):
        Subject(workspace="x", base="-x")


def analysis(changes: tuple[Change, ...] | None = (Change("libs/a/x.ts"),)) -> Analysis:
    graph = ProjectGraph(
        projects=(
            Project(name="a", root="libs/a", targets=(Target("build", ("^build",)),)),
            Project(name="b", root="libs/b", targets=(Target("build", ("^build",)),)),
            Project(name="c", root="libs/c"),
        ),
        dependencies=(Dependency("b", "a", DependencyKind.DYNAMIC),),
    )
    comparison = Comparison(
        workspace="shop",
        base=Revision("main", "1" * 40 if changes is not None else None),
        head=Revision("HEAD", "2" * 40),
        tree="3" * 40,
        changes=changes,
        warnings=("careful",),
    )
    return conclude(
        graph, comparison, id=UUID(int=1), tool_versions={"nx": "24"}, duration_ms=5, created_at=NOW
    )


NO_MONEY = dict.fromkeys(
    (
        "currency",
        "runner",
        "ratePerMinute",
        "rateSource",
        "rateDate",
        "full",
        "affected",
        "avoided",
        "avoidedPerMonth",
        "fullMinutes",
        "affectedMinutes",
        "minutesSkippedPct",
    )
)


def unmeasured(project: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("startMs", "durationMs", "p90Ms", "slackMs")) | {"source": "none", "samples": 0}
    return {"id": f"{project}:build", "project": project, **nothing}


def test_an_answer_has_every_field_under_its_name():
    told = json.loads(AnalysisView.of(analysis()).model_dump_json())

    assert told | {"recommendations": [], "graphHash": ""} == {
        "workspaceRoot": "shop",
        "totalProjects": 3,
        "affectedProjects": ["a", "b"],
        "criticalPath": {
            "unit": "hops",
            "tasks": [unmeasured("a"), unmeasured("b")],
            "length": 2,
            "near": [],
            "totalMs": None,
            "makespanMs": {},
            "lowerBoundMs": {},
            "coverage": 0,
        },
        "recommendations": [],
        "costImpact": {
            "projectsSkippedPct": 33,
            "method": "project-count",
            "assumptions": ["Every project counts the same: no durations were measured."],
            **NO_MONEY,
        },
        "id": "00000000-0000-0000-0000-000000000001",
        "text": "Workspace analysis complete. Found 3 projects, 2 affected by recent changes.",
        "affectedStatus": "exact",
        "warnings": ["careful"],
        "base": {"ref": "main", "sha": "1" * 40},
        "head": {"ref": "HEAD", "sha": "2" * 40},
        "analysisMode": "static",
        "fidelity": "complete",
        "tool": "nx",
        "affectedDetail": [
            {"project": "a", "reason": "direct", "files": ["libs/a/x.ts"], "via": [], "distance": 0},
            {
                "project": "b",
                "reason": "dependency",
                "files": ["libs/a/x.ts"],
                "via": [{"source": "b", "target": "a", "kind": "dynamic"}],
                "distance": 1,
            },
        ],
        "cycles": [],
        "hotspots": [],
        "boundaries": {"depConstraints": [], "file": None},
        "boundaryViolations": [],
        "cache": {"runs": 0, "hits": 0, "hitRate": None, "flaky": []},
        "graphHash": "",
        "durationMs": 5,
        "tool_versions": {"nx": "24"},
        "created_at": "2025-03-04T05:06:07Z",
    }


@pytest.mark.parametrize("changes", [None, (), (Change("libs/a/x.ts"),)])
def test_the_six_names_are_the_same_in_the_short_answer_and_in_the_long_one(
    changes: tuple[Change, ...] | None,
):
    short = WorkspaceResult.of(analysis(changes)).model_dump()
    long = AnalysisView.of(analysis(changes)).model_dump()

    assert short.items() <= long.items()
    assert len(short) == 6


@pytest.mark.parametrize("changes", [None, (), (Change("libs/a/x.ts"),)])
def test_an_event_counts_what_the_answer_names(changes: tuple[Change, ...] | None):
    made = analysis(changes)

    event, told = AnalysisCompleted.of(made), AnalysisView.of(made)

    assert event.subject() == str(told.id)
    assert event.affected_projects == len(told.affectedProjects)
    assert (event.total_projects, event.graph_hash) == (told.totalProjects, told.graphHash)
    assert (event.head_sha, event.affected_status) == (told.head.sha, told.affectedStatus)


def test_a_project_that_is_affected_says_so_in_plain_lists():
    view = AffectedView.of(Affected("b", Reason.GLOBAL, ("nx.json",)))

    assert view.model_dump(mode="json") == {
        "project": "b",
        "reason": "global",
        "files": ["nx.json"],
        "via": [],
        "distance": 0,
    }


def build(status: BuildStatus, **times: datetime) -> Build:
    return Build(
        id=UUID(int=2), analysis_id=UUID(int=1), status=status, created_at=NOW, log_tail="x", **times
    )


@pytest.mark.parametrize("status", list(BuildStatus))
def test_a_build_has_succeeded_or_not_once_it_is_no_longer_open(status: BuildStatus):
    told = BuildView.of(build(status))

    assert (told.success is None) == (status in OPEN)
    assert told.success in (None, status is BuildStatus.SUCCEEDED)


@pytest.mark.parametrize("status", list(BuildStatus))
def test_a_duration_is_known_when_both_ends_were_seen(status: BuildStatus):
    later = NOW.replace(second=NOW.second + 2, microsecond=500_000)

    assert BuildView.of(build(status, started_at=NOW, finished_at=later)).duration == 2.5
    assert BuildView.of(build(status, started_at=NOW)).duration is None
    assert BuildView.of(build(status)).duration is None


def test_the_end_of_a_build_is_announced_with_its_duration():
    ended = build(BuildStatus.FAILED, started_at=NOW, finished_at=NOW.replace(second=9))

    event = BuildFinished.of(ended)

    assert event.subject() == str(ended.id)
    assert (event.status, event.duration_s, event.analysis_id) == (BuildStatus.FAILED, 2.0, ended.analysis_id)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 0),
        ("port", 65_536),
        ("analysis_timeout_s", 0),
        ("analysis_timeout_s", 3601),
        ("parallel_analyses", 0),
        ("parallel_analyses", 65),
        ("max_workspace_files", 0),
        ("max_workspace_bytes", 0),
        ("graphs_kept", 0),
        ("build_timeout_s", 0),
        ("build_timeout_s", 86_401),
        ("max_build_output_bytes", 0),
        ("allow_builds", "perhaps"),
    ],
)
def test_a_setting_beyond_its_bounds_is_no_start(tmp_path: Path, name: str, value: Any):
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({"state_dir": tmp_path, name: value})


def test_nothing_may_be_read_and_nothing_built_unless_somebody_says_so(tmp_path: Path):
    settings = Settings.model_validate({"state_dir": tmp_path})

    assert settings.workspace_roots == ()
    assert settings.allow_builds is False


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MESH_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("MESH_WORKSPACE_ROOTS", '["/srv/a", "/srv/b"]')
    monkeypatch.setenv("MESH_ALLOW_BUILDS", "true")
    monkeypatch.setenv("MESH_GRAPHS_KEPT", "7")

    settings = Settings()  # pyright: ignore[reportCallIssue] - the environment has the rest

    assert settings.workspace_roots == (Path("/srv/a"), Path("/srv/b"))
    assert (settings.allow_builds, settings.graphs_kept) == (True, 7)
