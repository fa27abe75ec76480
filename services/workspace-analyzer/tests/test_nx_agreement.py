"""Nx's own code is asked about thousands of graphs, globs and changes, and we agree with it."""

import json
import os
import random
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from mesh_workspace_analyzer.adapters.nx import QUIET, NxTool
from mesh_workspace_analyzer.adapters.sources import GitSources
from mesh_workspace_analyzer.domain.affected import Change, find_affected
from mesh_workspace_analyzer.domain.globs import matches
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind, Project, ProjectGraph

pytestmark = pytest.mark.again

Run = Callable[..., str]
Ask = Callable[[list[tuple[ProjectGraph, list[str]]]], list[set[str]]]

# Nx reads the graph from a file in a moment, and answers for any other graph that it is given just as well.
ORACLE = """
const nx = `${process.argv[1]}/dist/src/project-graph`;
const { filterAffected } = require(`${nx}/affected/affected-project-graph.js`);
const { calculateFileChanges } = require(`${nx}/file-utils.js`);
(async () => {
  const answers = [];
  for (const { graph, files } of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
    const affected = await filterAffected(graph, calculateFileChanges(files, { files }), {}, {});
    answers.push(Object.keys(affected.nodes));
  }
  process.stdout.write("\\n" + JSON.stringify(answers) + "\\n", () => process.exit(0));
})();
"""
ENVIRONMENT = {"PATH": os.environ["PATH"], "NX_ISOLATE_PLUGINS": "false", **QUIET}


def as_nx_has_it(graph: ProjectGraph) -> dict[str, Any]:
    nodes = {
        p.name: {
            "name": p.name,
            "type": p.kind,
            "data": {
                "root": p.root,
                "targets": {
                    "build": {"inputs": [f"{{workspaceRoot}}/{glob}" for glob in p.workspace_inputs]}
                },
            },
        }
        for p in graph.projects
    }
    dependencies: dict[str, list[dict[str, str]]] = {name: [] for name in graph.names}
    for d in graph.dependencies:
        dependencies[d.source].append({"source": d.source, "target": d.target, "type": d.kind})
    return {"nodes": nodes, "externalNodes": {}, "dependencies": dependencies}


@pytest.fixture(scope="module")
def ask(nx: Path, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """What Nx finds affected in graphs when files change; the files are all there."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "nx.json").write_text("{}")

    def nx_affected(cases: list[tuple[ProjectGraph, list[str]]]) -> list[set[str]]:
        for path in {path for _, files in cases for path in files}:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
        given = json.dumps([{"graph": as_nx_has_it(graph), "files": files} for graph, files in cases])
        done = subprocess.run(
            ["/usr/bin/env", "node", "-e", ORACLE, nx.parents[2]],
            cwd=folder,
            env=ENVIRONMENT,
            input=given.encode(),
            capture_output=True,
            timeout=60,
            check=True,
        )
        return [set(names) for names in json.loads(done.stdout.splitlines()[-1])]

    return nx_affected


def ours(graph: ProjectGraph, files: list[str]) -> set[str]:
    return {affected.project for affected in find_affected(graph, map(Change, files))}


FOLDERS = ["a", "b", "c", "libs/a", "libs/a/inner", "libs/b", "libs/bb", "apps/web", "apps/web-e2e"]
GLOBS = ["tools/**/*", "tools", "*.md", "{docs,tools}/*.ts", "**/*.snap", "apps/web/**"]
FILES = [
    "README.md",
    "tools/pack.ts",
    "tools/deep/er.mjs",
    "docs/x.ts",
    "libs/x.snap",
    "libs/a/inner/src/x.ts",
    "elsewhere/index.ts",
    *(f"{folder}/src/index.ts" for folder in FOLDERS),
]


def any_graph(dice: random.Random) -> ProjectGraph:
    """Projects in folders that are nested or alike, needing each other in any way, circles included."""
    roots = dice.sample(FOLDERS, dice.randint(1, len(FOLDERS)))
    names = [f"p{n}" for n in range(len(roots))]
    pairs = [(a, b) for a in names for b in names if a != b]
    edges = dice.sample(pairs, min(len(pairs), dice.randint(0, 2 * len(names))))
    return ProjectGraph(
        projects=tuple(
            Project(
                name=name, root=root, workspace_inputs=tuple(dice.sample(GLOBS, dice.choice([0, 0, 1, 2])))
            )
            for name, root in zip(names, roots, strict=True)
        ),
        dependencies=tuple(
            Dependency(source, target, dice.choice(list(DependencyKind))) for source, target in sorted(edges)
        ),
    )


@pytest.mark.parametrize("seed", [371, 372])
def test_in_any_graph_nx_finds_the_same_projects_affected(ask: Ask, seed: int):
    dice = random.Random(seed)  # noqa: S311 - a die, no secret
    cases = [(any_graph(dice), dice.sample(FILES, dice.randint(1, 4))) for _ in range(500)]

    for (graph, files), theirs in zip(cases, ask(cases), strict=True):
        assert ours(graph, files) == theirs, (graph, files)


def reader_of(glob: str) -> ProjectGraph:
    return ProjectGraph(projects=(Project(name="p", root="nowhere", workspace_inputs=(glob,)),))


def named_by_nx(ask: Ask, globs: list[str], paths: list[str]) -> dict[tuple[str, str], bool]:
    pairs = list(product(globs, paths))
    found = ask([(reader_of(glob), [path]) for glob, path in pairs])
    return {pair: bool(names) for pair, names in zip(pairs, found, strict=True)}


PATHS = [
    "x",
    "x1/y",
    "x1/q/y",
    "x1/q/r/y",
    "tools/a.mjs",
    "tools/deep/er/a.mjs",
    "libs/tools/a.mjs",
    "a.ts",
    "b.ts",
    "aa.ts",
    "a.b",
    "aXb",
    "ab",
    "v7.txt",
    "vx.txt",
    ".env",
    "prod.env",
    ".github/workflows/ci.yml",
    "*.js",
    "[",
    "jest.config.js",
    "jest.config.mjs",
    "späß.ts",
]
EXACT = [
    *("*", "**", "**/*", "*.ts", "?.ts", "*.env", ".*", "a.b", "a?b", "[", "**/*.mjs", "x1/*", "x1/*/y"),
    *("x1/**/y", "**/y", "x1/", "tools", "tools/", "tools/**", "tools/**/*", "tools/**/", "tools/*/"),
    *("jest.config.{ts,js}", "{a,b}.ts", "{tools,libs}/**", "v[0-9].txt", "v[!0-9].txt", "v[^0-9].txt"),
    *("v[9-0].txt", "(a|b).ts", "@(a|b).ts", "?(a).ts", r"\*.js", r"\[", "sp*.ts"),
    *(".github/workflows/?i.yml", "./a.ts", "nowhere/at/all"),
]
GENEROUS = [
    "!(a).ts",
    "+(a).ts",
    "*(a).ts",
    "!(tools)/**",
    "tools/!(deep)/**",
    "!a.ts",
    "{a,}.ts",
    "x/**",
    "!tools",
    "(tools|(libs|x1))/**",
]


@pytest.mark.parametrize("part", [EXACT[:20], EXACT[20:]])
def test_a_glob_names_the_files_that_it_names_in_nx(ask: Ask, part: list[str]):
    theirs = named_by_nx(ask, part, PATHS)

    assert {pair for pair in theirs if matches(*pair)} == {pair for pair in theirs if theirs[pair]}


def test_a_glob_that_is_not_followed_closely_names_more_and_never_less(ask: Ask):
    theirs = named_by_nx(ask, GENEROUS, PATHS)

    assert {pair for pair in theirs if theirs[pair]} <= {pair for pair in theirs if matches(*pair)}


def test_no_glob_made_of_these_pieces_names_less_than_in_nx(ask: Ask):
    dice = random.Random(371)  # noqa: S311 - a die, no secret
    pieces = [
        "*",
        "**",
        "?",
        "tools",
        "x1",
        "a",
        "[a-z]",
        "{a,b}",
        "(a|b)",
        ".ts",
        "/",
        "/",
        "deep",
        "!(q).ts",
    ]
    globs = sorted(
        {"".join(dice.choices(pieces, k=dice.randint(1, 5))).lstrip("/") for _ in range(250)} - {""}
    )

    theirs = named_by_nx(ask, globs, PATHS)

    assert [pair for pair in theirs if theirs[pair] and not matches(*pair)] == []


@pytest.fixture
def installed(storefront: Path, git: Run, nx: Path) -> Path:
    """The example workspace as a developer has it, with packages."""
    (storefront / ".git/info").mkdir(exist_ok=True)
    (storefront / ".git/info/exclude").write_text("node_modules\n.nx\n")
    (storefront / "node_modules").mkdir()
    for name in ("nx", "typescript"):
        (storefront / "node_modules" / name).symlink_to(nx.parents[3] / name)
    return storefront


async def found_since(sources: GitSources, tool: NxTool, base: str) -> list[str]:
    async with sources.open("storefront", base=base, head="HEAD") as source:
        graph = await tool.graph(await source.copy(for_build=False))
        return [affected.project for affected in find_affected(graph, source.comparison.changes or ())]


async def test_a_changed_path_of_the_tsconfig_is_taken_for_more_than_nx_takes_it_for_and_never_less(
    sources: GitSources, tool: NxTool, installed: Path, git: Run, nx: Path
):
    before = git(installed, "rev-parse", "HEAD")
    config = (installed / "tsconfig.base.json").read_text()
    (installed / "tsconfig.base.json").write_text(
        config.replace("libs/ui/src/index.ts", "libs/ui/src/html.ts")
    )
    git(installed, "commit", "-qam", "Change a path")

    ours = await found_since(sources, tool, before)

    assert config.count("libs/ui/src/index.ts") == 1
    assert set(told_by_command(installed, nx, before)) <= set(ours)


async def test_over_random_commits_the_command_of_nx_says_the_same(
    sources: GitSources, tool: NxTool, installed: Path, git: Run, nx: Path
):
    dice = random.Random(371)  # noqa: S311 - a die, no secret
    tracked = sorted(
        name for name in git(installed, "ls-files").splitlines() if name.endswith((".ts", ".mjs"))
    )

    for n in range(2):
        before = git(installed, "rev-parse", "HEAD")
        for path in dice.sample(tracked, 3):
            with (installed / path).open("a") as file:
                file.write(f"// {n}\n")
        git(installed, "mv", gone := tracked.pop(dice.randrange(len(tracked))), f"{gone}.md")
        git(installed, "commit", "-qam", f"Change {n}")

        ours = await found_since(sources, tool, before)

        assert ours == told_by_command(installed, nx, before), git(installed, "show", "--stat")


def told_by_command(workspace: Path, nx: Path, base: str) -> list[str]:
    argv = [
        "/usr/bin/env",
        "node",
        workspace / "node_modules/nx/dist/bin/nx.js",
        "show",
        "projects",
        "--affected",
        "--json",
    ]
    done = subprocess.run(
        [*argv, f"--base={base}", "--head=HEAD"],
        cwd=workspace,
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return sorted(json.loads(done.stdout.splitlines()[-1]))
