"""A workspace that wants Nx to run a program does not get it to, and is told what was left out."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from mesh_workspace_analyzer.adapters import nx_files
from mesh_workspace_analyzer.adapters.nx import NxTool
from mesh_workspace_analyzer.adapters.sources import GitSources
from mesh_workspace_analyzer.domain.graph import ProjectGraph

Run = Callable[..., str]


@pytest.fixture
def fired(tmp_path: Path) -> Path:
    """Appears when a payload runs."""
    return tmp_path / "fired"


@pytest.fixture
def payload(fired: Path) -> str:
    write = (
        f"require('fs').writeFileSync({json.dumps(str(fired))}, JSON.stringify([__filename, process.env]))"
    )
    return f"{write}; module.exports = {{}};"


async def read(
    sources: GitSources, tool: NxTool, storefront: Path, git: Run, files: dict[str, str]
) -> ProjectGraph:
    """The graph of the example workspace with these files."""
    for name, text in files.items():
        (storefront / name).parent.mkdir(parents=True, exist_ok=True)
        (storefront / name).write_text(text)
    git(storefront, "add", "-fA")
    git(storefront, "commit", "-qm", "Plant")
    async with sources.open("storefront", base="main", head="HEAD") as source:
        return await tool.graph(await source.copy(for_build=False))


def ordinary(storefront: Path, tool: NxTool) -> None:
    """What a developer's own Nx does with the workspace."""
    modules = storefront / "node_modules"
    modules.mkdir(exist_ok=True)
    for name in ("nx", "typescript"):
        if not (modules / name).exists():
            (modules / name).symlink_to(tool.modules / name)
    argv = ["node", modules / "nx" / "dist" / "bin" / "nx.js", "show", "projects"]
    environment = {"PATH": os.environ["PATH"], "NX_DAEMON": "false", "CI": "true"}
    subprocess.run(argv, cwd=storefront, env=environment, capture_output=True, timeout=60, check=False)


BY_EXTENDS = {
    "nx.json": '{"extends": "./tools/preset.json"}',
    "tools/preset.json": '{"plugins": ["./tools/p.js"]}',
}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"nx.json": '{"plugins": ["./tools/p.js"]}'}, "./tools/p.js"),
        pytest.param(
            {"nx.json": '{"plugins": [{"plugin": "./tools/p.js", "options": {}}]}'},
            "./tools/p.js",
            marks=pytest.mark.again,
        ),
        pytest.param(BY_EXTENDS, "extends", marks=pytest.mark.again),
    ],
)
async def test_a_plugin_does_not_run_and_its_absence_is_told(
    sources: GitSources,
    tool: NxTool,
    storefront: Path,
    git: Run,
    payload: str,
    fired: Path,
    files: dict[str, str],
    told: str,
):
    graph = await read(sources, tool, storefront, git, files | {"tools/p.js": payload})

    assert not fired.exists()
    assert told in graph.gaps[0]
    assert len(graph.projects) == 10
    ordinary(storefront, tool)
    assert fired.exists(), "the payload does not fire where it should"


@pytest.mark.parametrize(
    "extends",
    ["nx/presets/../../../../tools/preset.json", "nx/presets/x", "/etc/passwd", "tools/preset.json"],
)
def test_only_presets_of_nx_are_extended(tmp_path: Path, extends: str):
    (tmp_path / "nx.json").write_text(json.dumps({"extends": extends}))

    gaps = nx_files.defuse(tmp_path).gaps

    assert "extends" in gaps[0]
    assert json.loads((tmp_path / "nx.json").read_text()) == {}


async def test_a_preset_of_nx_is_extended(sources: GitSources, tool: NxTool, storefront: Path, git: Run):
    config = json.loads((storefront / "nx.json").read_text()) | {"extends": "nx/presets/npm.json"}

    graph = await read(sources, tool, storefront, git, {"nx.json": json.dumps(config)})

    assert graph.gaps == ()


PLANTED = [
    {
        ".nx/nxw.js": "PAYLOAD",
        ".nx/installation/node_modules/nx/bin/nx.js": "PAYLOAD",
        "node_modules/nx/dist/bin/nx.js": "PAYLOAD",
        "node_modules/nx/package.json": '{"bin": {"nx": "x"}}',
        "libs/ui/node_modules/typescript/lib/typescript.js": "PAYLOAD",
        ".pnp.cjs": "PAYLOAD",
        "yarn.lock": "# yarn lockfile v1\n",
        ".local.env": "NX_WORKSPACE_ROOT_PATH=/\n",
    },
    {
        ".yarnrc.yml": "yarnPath: ./y.js\n",
        "y.js": "PAYLOAD",
        "yarn.lock": "__metadata:\n  version: 6\n",
        ".env": "NODE_OPTIONS=--require ./p.js\nNX_ISOLATE_PLUGINS=true\n",
        "p.js": "PAYLOAD",
    },
    {
        "nx.json": '{"installation": {}, "tasksRunnerOptions": {"x": {"runner": "./p.js"}}}',
        "p.js": "PAYLOAD",
    },
]


@pytest.mark.parametrize("files", PLANTED)
async def test_nothing_else_of_the_workspace_runs_either(
    sources: GitSources,
    tool: NxTool,
    storefront: Path,
    git: Run,
    payload: str,
    fired: Path,
    files: dict[str, str],
):
    planted = {name: text.replace("PAYLOAD", payload) for name, text in files.items()}

    graph = await read(sources, tool, storefront, git, planted)

    assert not fired.exists(), fired.read_text()
    assert len(graph.projects) == 10


async def test_nx_sees_no_environment_of_ours(
    sources: GitSources,
    tool: NxTool,
    storefront: Path,
    git: Run,
    monkeypatch: pytest.MonkeyPatch,
    fired: Path,
):
    hook = storefront.parent / "hook.js"
    hook.write_text(f'require("fs").writeFileSync({json.dumps(str(fired))}, "")')
    monkeypatch.setenv("NODE_OPTIONS", f"--require {hook}")
    monkeypatch.setenv("NX_BASE", "x")

    graph = await read(sources, tool, storefront, git, {"README.md": "Hello\n"})

    assert len(graph.projects) == 10
    assert not fired.exists()
