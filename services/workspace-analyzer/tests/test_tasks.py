"""What a target runs in all: the rules one by one, and the real Nx on all of them together."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.adapters.nx import QUIET, NxTool
from mesh_workspace_analyzer.adapters.sources import GitSources
from mesh_workspace_analyzer.domain import tasks
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.domain.tasks import TaskGraph, derive

Run = Callable[..., str]


def workspace(needs: dict[str, str], **targets: dict[str, list[str]]) -> ProjectGraph:
    """Projects named by letters, `needs` by letter, and targets with what they depend on."""
    names = sorted(targets)
    return ProjectGraph(
        projects=tuple(
            Project(
                name=name,
                root=name,
                tags=(f"tag-{name}",),
                targets=tuple(Target(t, tuple(on)) for t, on in targets[name].items()),
            )
            for name in names
        ),
        dependencies=tuple(Dependency(a, b) for a in names for b in needs.get(a, "")),
    )


def waits(graph: TaskGraph) -> dict[str, set[str]]:
    """Who waits for whom, without relays."""

    def real(at: int, seen: set[int]) -> set[str]:
        if at in seen:
            return set()
        seen.add(at)
        if not graph.tasks[at].is_relay:
            return {graph.tasks[at].id}
        return {name for need in graph.needs[at] for name in real(need, seen)}

    return {
        task.id: {name for need in graph.needs[at] for name in real(need, set())} - {task.id}
        for at, task in enumerate(graph.tasks)
        if not task.is_relay
    }


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("^build", {"b:build"}),
        ("gen", {"a:gen"}),
        ("gen*", {"a:gen", "a:gen:all"}),
        ("gen:all", {"a:gen:all"}),
        ("^b*", {"b:build"}),
        ("c:build", {"c:build"}),
        ("[bc]:build", {"b:build", "c:build"}),
        ("tag:tag-c:build", {"c:build"}),
        ("*:b*", {"b:build", "c:build"}),
        ("build", set()),
        ("nobody:build", set()),
        ("a:nothing", set()),
        ("^nothing", set()),
        ("", set()),
        (":", set()),
        pytest.param("[" * 10**6, set(), id="brackets"),
        pytest.param("^" + "[" * 10**6, set(), id="brackets of others"),
        pytest.param(":" * 10**6, set(), id="colons"),
    ],
)
def test_a_task_waits_for_what_its_target_depends_on(entry: str, expected: set[str]):
    graph = workspace(
        {"a": "b", "b": "c"},
        a={"build": [entry], "gen": [], "gen:all": []},
        b={"build": []},
        c={"build": []},
    )

    assert waits(derive(graph, only={"a"}))["a:build"] == expected


def test_what_is_not_asked_for_is_run_when_something_waits_for_it_and_not_otherwise():
    graph = workspace({"a": "b"}, a={"build": ["^build"]}, b={"build": []}, c={"build": []})

    assert waits(derive(graph, only={"a"})) == {"a:build": {"b:build"}, "b:build": set()}
    assert waits(derive(graph, only=set())) == {}
    assert waits(derive(graph, "lint")) == {}


def test_projects_without_the_target_pass_the_waiting_on():
    graph = workspace({"a": "b", "b": "c", "c": "d"}, a={"build": ["^build"]}, b={}, c={}, d={"build": []})

    assert waits(derive(graph))["a:build"] == {"d:build"}
    assert [task.id for task in derive(graph).real] == ["a:build", "d:build"]


def test_a_circle_of_projects_without_the_target_comes_to_an_end():
    graph = workspace({"a": "b", "b": "cd", "c": "b"}, a={"build": ["^build"]}, b={}, c={}, d={"build": []})

    assert waits(derive(graph))["a:build"] == {"d:build"}


def test_what_would_wait_in_too_many_ways_is_cut_off_and_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "MOST_WAITS", 5)
    graph = workspace({}, **{name: {"build": ["*:build"]} for name in "abcdef"})

    assert not derive(graph).is_whole
    assert sum(map(len, derive(graph).needs)) <= 5


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_more_projects_never_run_fewer_tasks(some: set[str], more: set[str]):
    on = {"build": ["^build", "gen"], "gen": ["^gen"]}
    graph = workspace(
        {a: b for b, a in pairwise("abcdef")}, **{name: {} if name in "be" else on for name in "abcdef"}
    )

    assert waits(derive(graph, only=some)).keys() <= waits(derive(graph, only=some | more)).keys()


PROJECTS: dict[str, dict[str, Any]] = {
    "app": {"needs": ["ui", "empty"], "targets": {"build": ["^build", "prepare", {"target": "gen*"}]}},
    "ui": {"needs": ["core"], "targets": {"build": [{"target": "build", "dependencies": True}], "lint": []}},
    "empty": {"needs": ["hollow"], "targets": {"lint": []}},
    "hollow": {"needs": ["core", "deep"], "targets": {}},
    "core": {"needs": [], "targets": {"build": [], "prepare": ["build"]}},
    "deep": {
        "needs": ["core"],
        "targets": {"build": [{"projects": ["tag:tools", "core"], "target": "prepare"}]},
    },
    "tool": {"needs": [], "tags": ["tools"], "targets": {"prepare": [], "build": ["core:prepare"]}},
    "many": {"needs": ["app"], "targets": {"build": [{"projects": "*", "target": "prepare"}, "^gen*"]}},
}


@pytest.mark.again
async def test_nx_itself_runs_the_same_tasks_and_waits_for_the_same(
    sources: GitSources, tool: NxTool, nx: Path, roots: Path, tmp_path: Path
):
    folder = roots / "rules"
    more = {"app": {"prepare": [], "generate": [], "gen:types": []}}
    for name, told in PROJECTS.items():
        targets = {
            target: {"executor": "nx:noop", "dependsOn": on}
            for target, on in (told["targets"] | more.get(name, {})).items()
        }
        project = {
            "name": name,
            "implicitDependencies": told["needs"],
            "tags": told.get("tags", []),
            "targets": targets,
        }
        (folder / name).mkdir(parents=True)
        (folder / name / "project.json").write_text(json.dumps(project))
    (folder / "nx.json").write_text("{}")
    (folder / "package.json").write_text('{"name": "rules"}')

    async with sources.open("rules", base="main", head="HEAD") as source:
        graph = await tool.graph(copy := await source.copy(for_build=False))
        written = tmp_path / "tasks.json"
        await asyncio.to_thread(
            subprocess.run,
            [shutil.which("node") or "", nx, "run-many", "-t", "build", f"--graph={written}"],
            cwd=copy,
            env=QUIET | {"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            check=True,
            capture_output=True,
            timeout=60,
        )
    found = json.loads(written.read_bytes())["tasks"]

    assert waits(derive(graph)) == {
        id: {need["id"] for need in needs} for id, needs in found["dependencies"].items()
    }
