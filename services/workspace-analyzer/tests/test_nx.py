"""The real Nx: it agrees with us on what is affected, and its complaints become problems."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mesh_shared.errors import Unavailable
from mesh_workspace_analyzer.adapters.nx import QUIET, NxTool
from mesh_workspace_analyzer.adapters.sources import GitSources
from mesh_workspace_analyzer.domain.affected import Change, find_affected
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind, ProjectGraph, cycles
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.errors import (
    AnalysisTimedOut,
    BrokenProjectConfiguration,
    DuplicateProjectNames,
)

Run = Callable[..., str]
Write = Callable[[str, str], None]


@pytest.fixture
def write(storefront: Path, git: Run) -> Write:
    """Commits a file to the example workspace."""

    def commit(name: str, text: str) -> None:
        (storefront / name).parent.mkdir(parents=True, exist_ok=True)
        (storefront / name).write_text(text)
        git(storefront, "add", "-fA")
        git(storefront, "commit", "-qm", f"Write {name}")

    return commit


async def read(sources: GitSources, tool: NxTool) -> ProjectGraph:
    async with sources.open("storefront", base="main", head="HEAD") as source:
        return await tool.graph(await source.copy(for_build=False))


async def test_the_projects_are_read_with_all_that_the_rules_need(
    sources: GitSources, tool: NxTool, storefront: Path
):
    graph = await read(sources, tool)

    projects = {project.name: project for project in graph.projects}
    assert list(projects) == sorted(projects)
    assert len(projects) == 10
    assert (projects["web"].root, projects["web"].kind) == ("apps/web", "app")
    assert (projects["web-e2e"].kind, projects["test-data"].builds) == ("e2e", False)
    assert projects["ui"].tags == ("type:lib", "platform:browser")
    build, serve = projects["api"].targets
    assert build == Target("build", ("^build",), cache=True)
    assert (serve.name, serve.cache) == ("serve", False)
    assert projects["web-e2e"].targets == (Target("e2e", ("web:build",)),)
    assert projects["api"].workspace_inputs == ("tools/**/*",)
    assert Dependency("web-e2e", "web", DependencyKind.IMPLICIT) in graph.dependencies
    assert Dependency("cart", "pricing", DependencyKind.STATIC) in graph.dependencies
    assert "tsconfig.base.json" in graph.global_files
    assert graph.gaps == ()


async def test_the_versions_of_all_programs_are_told(tool: NxTool):
    versions = await tool.versions()

    assert versions["nx"] == "24.0.6"
    assert {name for name, version in versions.items() if version[0].isdigit()} == {
        "nx",
        "typescript",
        "node",
        "git",
    }


@pytest.mark.parametrize("missing", ["nx", "typescript"])
async def test_without_its_packages_the_tool_is_unavailable(tmp_path: Path, tool: NxTool, missing: str):
    for name in {"nx", "typescript"} - {missing}:
        (tmp_path / name).symlink_to(tool.modules / name)

    with pytest.raises(Unavailable):
        await replace(tool, modules=tmp_path, _versions={}).versions()


CHANGES = [
    [],
    ["README.md"],
    ["libs/money/src/index.ts"],
    ["libs/pricing/src/tax.ts"],
    ["libs/pricing/project.json"],
    ["libs/ui/src/html.ts", "libs/test-data/src/carts.mjs"],
    ["apps/web/src/index.ts"],
    ["apps/webby/src/index.ts"],
    ["tools/pack.mjs"],
    ["nx.json"],
    ["tsconfig.base.json"],
    ["tsconfig.json"],
    ["package-lock.json"],
    [".gitignore", "eslint.config.mjs"],
    ["libs/gone/project.json"],
    ["libs/gone/src/index.ts"],
]


async def test_nx_finds_the_same_projects_affected(
    sources: GitSources, tool: NxTool, storefront: Path, nx: Path
):
    graph = await read(sources, tool)
    ours = [_ours(graph, files, storefront) for files in CHANGES]

    theirs = _theirs(storefront, CHANGES, nx)

    assert ours == theirs


def _ours(graph: ProjectGraph, files: list[str], workspace: Path) -> list[str]:
    changes = [Change(name, is_deleted=not (workspace / name).exists()) for name in files]
    return [affected.project for affected in find_affected(graph, changes)]


# `nx show projects --affected --files=…` for many lists of files in one process.
SHOW_AFFECTED = """
const nx = `${process.argv[1]}/dist/src/project-graph`;
const { createProjectGraphAsync } = require(`${nx}/project-graph.js`);
const { filterAffected } = require(`${nx}/affected/affected-project-graph.js`);
const { calculateFileChanges } = require(`${nx}/file-utils.js`);
(async () => {
  const graph = await createProjectGraphAsync({ exitOnError: true });
  const answers = [];
  for (const files of JSON.parse(process.argv[2])) {
    const affected = await filterAffected(graph, calculateFileChanges(files, { files }));
    answers.push(Object.keys(affected.nodes));
  }
  process.stdout.write("\\n" + JSON.stringify(answers) + "\\n", () => process.exit(0));
})();
"""


def _theirs(workspace: Path, changes: list[list[str]], nx: Path) -> list[list[str]]:
    modules = workspace / "node_modules"
    modules.mkdir()
    for name in ("nx", "typescript"):
        (modules / name).symlink_to(nx.parents[3] / name)
    done = subprocess.run(
        ["/usr/bin/env", "node", "-e", SHOW_AFFECTED, modules / "nx", json.dumps(changes)],
        cwd=workspace,
        env={"PATH": os.environ["PATH"], "NX_ISOLATE_PLUGINS": "false", **QUIET},
        check=True,
        capture_output=True,
        timeout=60,
    )
    return [sorted(names) for names in json.loads(done.stdout.splitlines()[-1])]


async def test_a_changed_root_package_json_is_the_one_difference(
    sources: GitSources, tool: NxTool, storefront: Path, nx: Path
):
    graph = await read(sources, tool)

    assert _ours(graph, ["package.json"], storefront) == list(graph.names)
    assert _theirs(storefront, [["package.json"]], nx) == [[]]


BROKEN = [
    ("libs/money/project.json", "{ nope", BrokenProjectConfiguration, "libs/money/project.json"),
    ("libs/money/project.json", '{"name": 5}', BrokenProjectConfiguration, "String"),
    ("libs/cart/project.json", '{"name": "money"}', DuplicateProjectNames, "libs/cart"),
]
BROKEN_AS_WELL = [
    ("libs/money/project.json", '{"targets": [1]}', BrokenProjectConfiguration, "libs/money"),
    (
        "apps/web/project.json",
        '{"name": "web", "implicitDependencies": ["x"]}',
        BrokenProjectConfiguration,
        "x",
    ),
    ("nx.json", "{ nope", BrokenProjectConfiguration, "nx.json"),
    ("package.json", "{ nope", BrokenProjectConfiguration, "package.json"),
    ("tsconfig.base.json", "{ nope", BrokenProjectConfiguration, "tsconfig.base.json"),
]


@pytest.mark.parametrize(
    ("name", "text", "error", "told"),
    [*BROKEN, *(pytest.param(*case, marks=pytest.mark.again) for case in BROKEN_AS_WELL)],
)
async def test_what_nx_cannot_read_is_a_problem_that_says_where(
    sources: GitSources,
    tool: NxTool,
    write: Write,
    tmp_path: Path,
    name: str,
    text: str,
    error: type[BrokenProjectConfiguration],
    told: str,
):
    write(name, text)

    with pytest.raises(error) as raised:
        await read(sources, tool)

    assert told in raised.value.detail
    assert str(tmp_path) not in raised.value.detail
    assert len(raised.value.detail) <= 600


async def test_a_circle_is_no_error(sources: GitSources, tool: NxTool, write: Write):
    write("libs/money/src/circle.ts", 'import "@storefront/cart";\n')

    graph = await read(sources, tool)

    assert cycles(graph) == [("cart", "catalog", "money", "pricing")]


async def test_lock_files_without_their_packages_are_no_error(
    sources: GitSources, tool: NxTool, storefront: Path, write: Write
):
    for name in ("pnpm-lock.yaml", "yarn.lock", "package-lock.json"):
        (storefront / name).write_text("nothing that any package manager wrote")
    write("bun.lockb", "nothing that any package manager wrote")

    assert len((await read(sources, tool)).projects) == 10


async def test_comments_in_nx_json_are_taken_as_nx_takes_them(
    sources: GitSources, tool: NxTool, write: Write
):
    write(
        "nx.json",
        """{
  // "plugins": ["./no.js"],
  "namedInputs": { /* one */ "all": ["{workspaceRoot}/shared // not a comment/**",], },
  "targetDefaults": { "build": { "inputs": ["all", {"fileset": "{workspaceRoot}/x"}, {"env": "CI"}] } },
  "pluginsConfig": { "@nx/js": { "analyzeSourceFiles": true } },
}""",
    )

    graph = await read(sources, tool)

    (money,) = [project for project in graph.projects if project.name == "money"]
    assert money.workspace_inputs == ("shared // not a comment/**", "x")
    assert graph.gaps == ()


async def test_named_inputs_that_name_each_other_come_to_an_end(
    sources: GitSources, tool: NxTool, write: Write
):
    write(
        "libs/ui/project.json",
        json.dumps(
            {
                "name": "ui",
                "namedInputs": {"a": ["b", "{workspaceRoot}/a"], "b": ["a", "{workspaceRoot}/b"]},
                "targets": {"build": {"command": "true", "inputs": ["a"]}},
            }
        ),
    )

    (ui,) = [project for project in (await read(sources, tool)).projects if project.name == "ui"]

    assert ui.workspace_inputs == ("a", "b")


async def test_an_analysis_that_takes_too_long_is_stopped(
    sources: GitSources, tool: NxTool, storefront: Path
):
    await tool.versions()

    with pytest.raises(AnalysisTimedOut):
        await read(sources, replace(tool, timeout_s=0.01))
