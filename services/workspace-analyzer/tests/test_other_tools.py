"""Workspaces of tools other than Nx: the same graph that each tool tells of them."""

import json
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mesh_workspace_analyzer.adapters.static.uv import normal
from mesh_workspace_analyzer.domain.affected import Change, find_affected
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.errors import BrokenProjectConfiguration, DuplicateProjectNames

ROOT = Path(__file__).parents[3]
TOLD = Path(__file__).parent / "told_by_tools"

Statically = Callable[[dict[str, str]], Awaitable[ProjectGraph]]
Read = Callable[[dict[str, Any]], Awaitable[ProjectGraph]]


@pytest.fixture
def read(statically: Statically) -> Read:
    async def written(files: dict[str, Any]) -> ProjectGraph:
        return await statically(
            {path: text if isinstance(text, str) else json.dumps(text) for path, text in files.items()}
        )

    return written


def edges(graph: ProjectGraph) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in graph.dependencies}


def roots(graph: ProjectGraph) -> dict[str, str]:
    return {project.name: project.root for project in graph.projects}


def targets(graph: ProjectGraph, name: str) -> dict[str, Target]:
    (project,) = [project for project in graph.projects if project.name == name]
    return {target.name: target for target in project.targets}


def affected(graph: ProjectGraph, path: str) -> list[str]:
    return [one.project for one in find_affected(graph, [Change(path)])]


SHOP: dict[str, Any] = {
    "package.json": {"name": "shop", "workspaces": ["apps/*", "packages/*"], "scripts": {"lint": "x"}},
    "packages/util/package.json": {
        "name": "@shop/util",
        "version": "1.0.0",
        "scripts": {"build": "x", "lint": "x"},
    },
    "packages/ui/package.json": {
        "name": "ui",
        "version": "1.0.0",
        "scripts": {"build": "x", "lint": "x"},
        "dependencies": {"@shop/util": "*"},
    },
    "apps/web/package.json": {
        "name": "web",
        "scripts": {"build": "x", "test": "x"},
        "dependencies": {"ui": "^1.0.0"},
        "devDependencies": {"docs": "2"},
    },
    "apps/docs/package.json": {
        "name": "docs",
        "version": "1.0.0",
        "scripts": {"test": "x"},
        "peerDependencies": {"ui": "*"},
    },
    "elsewhere/package.json": {"name": "elsewhere"},
}
TURBO: dict[str, Any] = {
    "turbo.json": {
        "globalDependencies": ["tsconfig.json", "config/**"],
        "tasks": {
            "build": {"dependsOn": ["^build", "$KEY"]},
            "test": {"dependsOn": ["build"], "cache": False},
            "web#build": {"dependsOn": ["^build", "ui#lint"]},
            "lint": {},
            "//#lint": {},
        },
    },
    "packages/ui/turbo.json": {"extends": ["//"], "tasks": {"build": {"dependsOn": ["lint"]}}},
}


@pytest.mark.parametrize(
    ("extra", "tool"),
    [
        ({}, "npm"),
        ({"yarn.lock": ""}, "yarn"),
        ({"pnpm-workspace.yaml": "packages: [apps/*, packages/*]"}, "pnpm"),
        ({"package.json": SHOP["package.json"] | {"packageManager": "bun@1.2.0"}}, "bun"),
    ],
)
async def test_packages_of_a_package_manager_are_projects(read: Read, extra: dict[str, Any], tool: str):
    graph = await read(SHOP | extra)

    assert graph.tool == tool
    assert roots(graph) == {
        "@shop/util": "packages/util",
        "docs": "apps/docs",
        "ui": "packages/ui",
        "web": "apps/web",
    }
    assert edges(graph) == {("ui", "@shop/util"), ("web", "ui"), ("docs", "ui")}
    assert graph.gaps == ()


async def test_scripts_are_targets_and_pnpm_runs_them_where_they_are_needed_first(read: Read):
    npm, pnpm = await read(SHOP), await read(SHOP | {"pnpm-workspace.yaml": "packages: [packages/*]"})

    assert targets(npm, "ui") == {"build": Target("build"), "lint": Target("lint")}
    assert targets(pnpm, "ui")["build"] == Target("build", ("^build",))


async def test_a_changed_package_affects_those_that_need_it_and_a_lock_file_all(read: Read):
    graph = await read(SHOP)

    assert affected(graph, "packages/util/x.js") == ["@shop/util", "docs", "ui", "web"]
    assert affected(graph, "apps/web/x.js") == ["web"]
    assert affected(graph, "README.md") == []
    assert affected(graph, "yarn.lock") == ["@shop/util", "docs", "ui", "web"]


async def test_turbo_describes_the_same_packages_and_tasks(read: Read):
    """`turbo run build test lint --dry=json`, `turbo query`, turbo 2.11.11."""
    told = json.loads((TOLD / "turbo-2.11.11.json").read_text())

    graph = await read(SHOP | TURBO)

    assert (graph.tool, roots(graph)) == ("turbo", told["packages"])
    assert edges(graph) == {tuple(edge) for edge in told["dependencies"]}
    assert {
        f"{project.name}#{target.name}": target.cache
        for project in graph.projects
        for target in project.targets
    } == told["cached"]
    assert targets(graph, "web")["build"].depends_on == ("^build", "ui:lint")
    assert targets(graph, "ui")["build"].depends_on == ("lint",)
    assert targets(graph, "@shop/util")["build"].depends_on == ("^build",)


async def test_turbo_1_called_its_tasks_a_pipeline(read: Read):
    graph = await read(SHOP | {"turbo.json": {"pipeline": {"build": {"dependsOn": ["^build"]}}}})

    assert targets(graph, "web") == {"build": Target("build", ("^build",), cache=True)}


async def test_what_turbo_takes_for_global_affects_all(read: Read):
    graph = await read(SHOP | TURBO)

    assert len(affected(graph, "config/deep/x.json")) == len(affected(graph, "turbo.json")) == 4


MOON: dict[str, Any] = {
    ".moon/workspace.yml": "projects:\n  globs: ['apps/*', 'packages/*']\n  sources: {core: 'crates/core'}\n",
    ".moon/tasks/all.yml": "tasks: {lint: {command: eslint}}",
    "apps/web/moon.yml": """
layer: application
tags: [web]
dependsOn: [ui, {id: util, scope: development}]
tasks:
  build: {command: vite build, deps: ['^:build', 'ui:lint', '~:lint'], inputs: ['src/**/*', '/tools/**/*']}
  dev: {command: vite, preset: server}
  test: {command: t, deps: [{target: '^:test'}, build], options: {cache: false}}
""",
    "packages/ui/moon.yml": "tasks: {build: {command: tsc}, test: {command: t}}",
    "packages/util/package.json": {"name": "@m/util"},
    "packages/ui/package.json": {"name": "@m/ui", "dependencies": {"@m/util": "*"}},
    "crates/core/x.rs": "",
}


async def test_moon_describes_the_same_projects_and_tasks(read: Read):
    """`moon query projects`, moon 2.5.5."""
    told = json.loads((TOLD / "moon-2.5.5.json").read_text())

    graph = await read(MOON)

    assert (graph.tool, roots(graph)) == ("moon", {name: one["source"] for name, one in told.items()})
    assert edges(graph) == {(name, needed) for name, one in told.items() for needed in one["needs"]}
    assert {p.name: {t.name: t.cache for t in p.targets} for p in graph.projects} == {
        name: one["tasks"] for name, one in told.items()
    }
    assert targets(graph, "web")["build"].depends_on == ("^build", "ui:lint", "lint")
    assert affected(graph, "tools/x.mjs") == ["web"]
    assert len(affected(graph, ".moon/tasks/all.yml")) == 4


async def test_a_task_that_waits_for_another_project_needs_it(read: Read):
    graph = await read(MOON | {"packages/util/moon.yml": "tasks: {build: {deps: ['core:lint']}}"})

    assert ("util", "core") in edges(graph)


async def test_where_moon_knows_javascript_packages_need_each_other(read: Read):
    graph = await read(MOON | {".moon/toolchains.yml": "javascript: {}"})

    assert ("ui", "util") in edges(graph)


@pytest.mark.parametrize("projects", ["[packages/*]", "{ui: packages/ui, util: packages/util}"])
async def test_moon_s_projects_have_other_spellings(read: Read, projects: str):
    graph = await read(MOON | {".moon/workspace.yml": f"projects: {projects}"})

    assert roots(graph) == {"ui": "packages/ui", "util": "packages/util"}


async def test_the_python_packages_of_this_repository_need_each_other_as_its_lock_says(read: Read):
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    here = {p["name"]: p for p in lock["package"] if {"editable", "virtual"} & p["source"].keys()}
    files = {
        p.relative_to(ROOT).as_posix(): p.read_text() for p in ROOT.glob("**/pyproject.toml") if _is_ours(p)
    }

    graph = await read(files)

    assert (graph.tool, {normal(name) for name in roots(graph)}) == ("uv", set(here))
    assert edges(graph) == {
        (name, needed["name"])
        for name, package in here.items()
        for needed in package.get("dependencies", [])
        if needed["name"] in here
    }


def _is_ours(path: Path) -> bool:
    return not {"node_modules", ".venv", ".cache", ".tools", "sample"} & set(path.relative_to(ROOT).parts)


UV: dict[str, Any] = {
    "pyproject.toml": '[project]\nname="top"\n[tool.uv.workspace]\nmembers=["libs/*"]\nexclude=["libs/old"]\n'
    "[tool.uv.sources]\nCore_Lib={workspace=true}\n",
    "libs/core/pyproject.toml": '[project]\nname="core-lib"\n',
    "libs/a/pyproject.toml": '[project]\nname="a"\ndependencies=["core.lib>=1; python_version>\'3\'"]\n',
    "libs/b/pyproject.toml": '[project]\nname="b"\n[dependency-groups]\ndev=["a[x]",{include-group="y"}]\n'
    '[tool.uv.sources]\na={path="../a"}\n',
    "libs/c/pyproject.toml": '[project]\nname="c"\ndependencies=["a"]\n',
    "libs/old/pyproject.toml": '[project]\nname="old"\n',
}


async def test_what_a_member_of_uv_s_workspace_finds_here_its_sources_say(read: Read):
    graph = await read(UV)

    assert set(roots(graph)) == {"a", "b", "c", "core-lib", "top"}
    assert edges(graph) == {("a", "core-lib"), ("b", "a")}
    assert len(affected(graph, "uv.lock")) == 5
    assert affected(graph, "libs/core/x.py") == ["a", "b", "core-lib"]


CARGO: dict[str, Any] = {
    "Cargo.toml": '[workspace]\nmembers=["crates/*"]\nexclude=["crates/old"]\n'
    '[workspace.dependencies]\ncore={path="crates/core"}\n',
    "crates/core/Cargo.toml": '[package]\nname="core"\n[build-dependencies]\ngen={path="../../tools/gen"}\n',
    "crates/app/Cargo.toml": '[package]\nname="app"\n[dependencies]\ncore.workspace=true\nserde="1"\n',
    "crates/win/Cargo.toml": '[package]\nname="win"\n[target.wasm32.dependencies]\nx={path="../app"}\n',
    "crates/old/Cargo.toml": '[package]\nname="old"\n',
    "tools/gen/Cargo.toml": '[package]\nname="gen"\n',
    "tools/loose/Cargo.toml": '[package]\nname="loose"\n',
}


async def test_crates_need_each_other_by_path_and_what_they_need_is_a_member(read: Read):
    graph = await read(CARGO)

    assert graph.tool == "cargo"
    assert set(roots(graph)) == {"app", "core", "gen", "win"}
    assert edges(graph) == {("app", "core"), ("core", "gen"), ("win", "app")}
    assert targets(graph, "app") == {"build": Target("build", ("^build",), cache=True)}
    assert len(affected(graph, "Cargo.lock")) == 4
    assert affected(graph, "crates/app/src/main.rs") == ["app", "win"]


async def test_the_first_tool_is_read_and_the_others_are_named(read: Read):
    graph = await read(SHOP | TURBO | CARGO | UV)

    assert graph.tool == "turbo"
    assert graph.gaps == ("This is a workspace of uv and cargo, too; only that of turbo was read.",)


@pytest.mark.parametrize(
    ("files", "error", "told"),
    [
        (SHOP | {"apps/web/package.json": "{"}, BrokenProjectConfiguration, "apps/web/package.json"),
        (SHOP | {"turbo.json": "nope"}, BrokenProjectConfiguration, "turbo.json"),
        (SHOP | {"pnpm-workspace.yaml": "packages: ["}, BrokenProjectConfiguration, "pnpm-workspace.yaml"),
        (SHOP | {"apps/docs/package.json": {"name": "web"}}, DuplicateProjectNames, "apps/docs and apps/web"),
        (MOON | {"packages/ui/moon.yml": "a: b: c"}, BrokenProjectConfiguration, "packages/ui/moon.yml"),
        (UV | {"libs/a/pyproject.toml": "="}, BrokenProjectConfiguration, "libs/a/pyproject.toml"),
        (CARGO | {"crates/app/Cargo.toml": "["}, BrokenProjectConfiguration, "crates/app/Cargo.toml"),
    ],
)
async def test_a_manifest_that_cannot_be_read_is_named(
    read: Read, files: dict[str, Any], error: type[Exception], told: str
):
    with pytest.raises(error, match=told):
        await read(files)


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, [1, {}], {"a": 1}])
async def test_values_of_another_shape_say_nothing(read: Read, odd: object):
    package = {"name": "p", "scripts": odd, "dependencies": odd, "devDependencies": odd}
    moon = {"projects": ["a"], "dependsOn": odd, "tasks": {"t": odd}, "tags": odd, "layer": odd}
    files = {"package.json": {"workspaces": ["a"]}, "a/package.json": package}

    for graph in (
        await read(files),
        await read(files | {"turbo.json": {"tasks": odd, "globalDependencies": odd}}),
        await read({".moon/workspace.yml": json.dumps(moon), "a/moon.yml": json.dumps(moon)}),
    ):
        assert len(graph.projects) == 1
