"""Static reading finds what Nx itself finds: in the example, and in workspaces that dice have made."""

import json
import random
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mesh_shared.errors import MeshError
from mesh_workspace_analyzer.adapters.nx import NxTool
from mesh_workspace_analyzer.adapters.sources import GitSources
from mesh_workspace_analyzer.adapters.static.reader import StaticReader
from mesh_workspace_analyzer.domain.graph import ProjectGraph

ROOTS = [
    "libs/a",
    "libs/b",
    "libs/a/inner",
    "apps/web",
    "apps/web-e2e",
    "packages/p",
    "packages/q",
    "packages/x.y",
    "tools",
    "libs/UPPER",
    ".",
    "packages/.hidden",
]
PACKAGES = ["pkg-a", "@s/b", "@s/c", "util", "q", "@s/deep", "p"]
SPECIFIERS = [
    "../../a/src/i",
    "pkg-a",
    "@s/b",
    "@s/b/sub/k",
    "@s/c/no",
    "util",
    "@al/one",
    "@al/w/x/y",
    "@al/w/",
    "q",
    "libs/b/src/i",
    "../..",
    "@al/conf/z",
    "./x",
    "fs",
    "node:fs",
    "../../../../../x",
]
STATEMENTS = [
    "import '{}';",
    'import x from "{}"',
    "export * from '{}';",
    "const a = await import('{}');",
    "const r = require('{}')",
    "import type {{ T }} from '{}';",
    "// import '{}'",
    "const s = `'{}'`",
]
DEFAULTS: list[dict[str, Any]] = [
    {"build": {"dependsOn": ["^build"], "cache": True}},
    {
        "build": [
            {"filter": {"projects": ["*"]}, "inputs": ["{workspaceRoot}/x/**"]},
            {"dependsOn": ["...", "l"]},
        ]
    },
    {"nx:run-script": {"cache": True}, "t*": {"dependsOn": ["build"]}},
    {"@x/y:z": {"dependsOn": ["^b"]}, "lint": {"executor": "@x/y:z"}},
]
TARGETS: list[dict[str, Any]] = [
    {"build": {"command": "x", "dependsOn": ["^build"]}},
    {"test": {}, "lint": {"executor": "@x/y:z"}},
    {"build": {"dependsOn": ["...", "test"], "inputs": ["shared", "{workspaceRoot}/tools/*.js"]}},
]
IMPLICIT = [
    ["n-*"],
    ["web", "!tools"],
    ["tag:t1"],
    ["!pkg-a"],
    ["libs/*"],
    ["*", "!n-libs-a"],
    ["directory:libs"],
]
ALIASES = {
    "@al/one": ["libs/b/src/i.ts"],
    "@al/w/*": ["./nowhere/*", "libs/a/*"],
    "@al/conf/*": ["${configDir}/s/*"],
    "pkg-a": ["libs/a/inner/"],
}


Statically = Callable[[dict[str, str]], Awaitable[ProjectGraph]]


class Dice(random.Random):
    def happens(self, chance: float) -> bool:
        return self.random() < chance


def any_workspace(seed: int) -> dict[str, str]:
    dice = Dice(seed)
    names = dice.sample(PACKAGES, len(PACKAGES))
    files = {"nx.json": json.dumps(any_nx_json(dice)), "package.json": json.dumps(any_root(dice))}
    for root in dice.sample(ROOTS, dice.randint(2, 7)):
        files |= {
            path if root == "." else f"{root}/{path}": text for path, text in any_project(dice, root, names)
        }
    if dice.happens(0.8):
        options = {"baseUrl": ".", "paths": ALIASES}
        files[dice.choice(["tsconfig.base.json", "tsconfig.json"])] = json.dumps({"compilerOptions": options})
    if dice.happens(0.2):
        files["pnpm-workspace.yaml"] = "packages:\n  - 'libs/*'\n"
    if dice.happens(0.2):
        files[".nxignore"] = dice.choice(["libs/b", "*.mjs", "!x\npackages/**"])
    return files


def any_nx_json(dice: Dice) -> dict[str, Any]:
    found: dict[str, Any] = {"targetDefaults": dice.choice(DEFAULTS)} if dice.happens(0.6) else {}
    if dice.happens(0.3):
        found["namedInputs"] = {
            "shared": ["{workspaceRoot}/s.json"],
            "default": ["shared", "{projectRoot}/**"],
        }
    if dice.happens(0.3):
        found["workspaceLayout"] = {"appsDir": "apps", "libsDir": "libs"}
    if dice.happens(0.3):
        found["pluginsConfig"] = {"@nx/js": {"analyzeSourceFiles": dice.happens(0.8)}}
    return found


def any_root(dice: Dice) -> dict[str, Any]:
    root: dict[str, Any] = {"name": "root", "version": "1.0.0"}
    if dice.happens(0.7):
        root["devDependencies"] = {"@nx/js": "1"}
    if dice.happens(0.7):
        globs = [["packages/*"], ["packages/**", "!packages/q"], ["./packages/{p,q}"], ["*/*"]]
        root["workspaces"] = dice.choice([*globs, {"packages": ["packages/*", "libs/*"]}])
    return root | ({"nx": {}} if dice.happens(0.2) else {})


def any_project(dice: Dice, root: str, names: list[str]) -> list[tuple[str, str]]:
    files: list[tuple[str, str]] = []
    if dice.happens(0.7):
        text = json.dumps(any_project_json(dice, root))
        files.append(("project.json", text if dice.happens(0.8) else f"// odd\n{text}"))
    if dice.happens(0.7) and root != ".":
        files.append(("package.json", json.dumps(any_package(dice, names))))
    if dice.happens(0.2):
        files.append(("tsconfig.lib.json", "{}"))
    for _ in range(dice.randint(0, 2)):
        named = dice.sample(SPECIFIERS, dice.randint(1, 6))
        text = "\n".join(dice.choice(STATEMENTS).format(name) for name in named)
        path = dice.choice(["src/i.ts", "src/j.vue", "a.mjs", "src/deep/k.tsx"])
        files.append((path, f"<script>\n{text}\n</script>" if path.endswith(".vue") else text))
    return files


def any_project_json(dice: Dice, root: str) -> dict[str, Any]:
    choices = {
        "name": "n-" + root.replace("/", "-").replace(".", "d"),
        "tags": ["t1", "scope:x"],
        "projectType": dice.choice(["library", "application"]),
        "targets": dice.choice(TARGETS),
    }
    found = {name: value for name, value in choices.items() if dice.happens(0.5)}
    return found | ({"implicitDependencies": dice.choice(IMPLICIT)} if dice.happens(0.3) else {})


def any_package(dice: Dice, names: list[str]) -> dict[str, Any]:
    choices: dict[str, Any] = {
        "version": dice.choice(["1.0.0", "2.1.0-beta.1"]),
        "main": "x.js",
        "exports": dice.choice(
            ["./x.js", {".": "./x", "./sub/*": "./s/*.js", "./no": None}, {"import": "./y"}]
        ),
        "scripts": {"build": "tsc", "test": "t"},
        "private": True,
        "keywords": ["k"],
        "nx": dice.choice(
            [
                {"tags": ["nt"]},
                {"includedScripts": ["test"]},
                {"targets": {"build": {"cache": False}, "x": {"command": "c"}}},
                {"name": f"from-nx{dice.randint(0, 99)}"},
            ]
        ),
    }
    ranges = ["*", "workspace:*", "^1.0.0", "~2", "file:../p", "latest", ">=1"]
    wanted = {
        name: dice.choice(ranges)
        for name in dice.sample(sorted(set(PACKAGES) - {"util"}), dice.randint(0, 3))
    }
    own = {name: value for name, value in choices.items() if dice.happens(0.45)}
    return {"name": names.pop(), "dependencies": wanted, **own}


@pytest.fixture
def agree(tool: NxTool, statically: Statically, tmp_path: Path) -> Callable[[dict[str, str]], Any]:
    """Reads files both ways; a refusal of both is agreement."""

    async def read(files: dict[str, str]) -> tuple[object, object]:
        folder = tmp_path / "home" / "copy"
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        try:
            return await outcome(statically(files)), await outcome(tool.graph(folder))
        finally:
            shutil.rmtree(folder.parent)

    return read


async def no_version() -> str:
    return ""


async def outcome(reading: Any) -> object:
    try:
        return await reading
    except MeshError as refused:
        return refused.code


@pytest.mark.parametrize("seed", range(3))
async def test_in_any_workspace_nx_finds_the_same(agree: Callable[[dict[str, str]], Any], seed: int):
    ours, theirs = await agree(any_workspace(seed))

    assert ours == theirs


@pytest.mark.fuzz
@pytest.mark.timeout(900)
async def test_in_hundreds_of_workspaces_nx_finds_the_same(agree: Callable[[dict[str, str]], Any]):
    for seed in range(1000, 1200):
        ours, theirs = await agree(any_workspace(seed))

        assert ours == theirs, seed


async def test_in_the_example_nx_finds_the_same(sources: GitSources, tool: NxTool, storefront: Path):
    async with sources.open("storefront", base="main", head="HEAD") as source:
        ours = await StaticReader(no_version).graph(source)
        theirs = await tool.graph(await source.copy(for_build=False))

    assert ours == theirs
    assert len(ours.dependencies) > 10
