"""The example workspace is the same on every machine, and does what it says."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mesh_workspace_analyzer.adapters.nx import NxTool
from mesh_workspace_analyzer.adapters.sources import GitSources

Run = Callable[..., str]

EXAMPLES = Path(__file__).parents[3] / "examples" / "workspaces"
# They change with any file of the example, and with nothing else.
BASE = "d9913975639ab19fe3246636db9a913916a9e4f4"
HEAD = "fad8fd4d126e5f3ba4c234157214cb4ae3507b24"


def history(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, EXAMPLES / "history.py", *arguments]
    return subprocess.run(
        argv,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_machine_gets_the_same_commits(tmp_path: Path, git: Run):
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[commit]\n\tgpgsign = true\n[core]\n\tautocrlf = true\n[user]\n\tname = X\n"
    )

    made = history("storefront", tmp_path / "a", HOME=str(home), TZ="Asia/Tokyo", LC_ALL="de_DE.UTF-8")

    assert (made.returncode, made.stdout.strip()) == (0, HEAD), made.stderr
    assert git(tmp_path / "a", "rev-parse", "main") == BASE
    assert git(tmp_path / "a", "symbolic-ref", "--short", "HEAD") == "change"
    assert git(tmp_path / "a", "status", "--porcelain") == ""


def test_the_change_is_in_one_library(storefront: Path, git: Run):
    changed = git(storefront, "diff", "--name-only", "main", "HEAD").splitlines()

    assert {Path(name).parts[:2] for name in changed} == {("libs", "pricing")}


def test_a_folder_in_use_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")

    made = history("storefront", tmp_path)

    assert made.returncode == 1
    assert "not empty" in made.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("arguments", [[], ["nowhere", "x"], ["storefront"]])
def test_how_to_call_it_is_told(arguments: list[str]):
    made = history(*arguments)

    assert made.returncode == 1
    assert made.stderr.startswith("usage: history.py {storefront}")


def test_the_example_brings_no_packages_and_no_results():
    names = {path.name for path in (EXAMPLES / "storefront").iterdir()}

    assert not names & {"node_modules", "dist", ".git"}


async def test_its_table_of_imports_is_what_nx_finds(sources: GitSources, tool: NxTool, storefront: Path):
    async with sources.open("storefront", base="main", head="HEAD") as source:
        graph = await tool.graph(await source.copy(for_build=False))
    table = re.findall(r"^\| `([\w-]+)` \| ?(.*?) ?\|$", (storefront / "README.md").read_text(), re.MULTILINE)

    told = {name: set(re.findall(r"[\w-]+", needs.partition(" by ")[0])) - {"and"} for name, needs in table}

    assert told == {name: {d.target for d in graph.dependencies if d.source == name} for name in graph.names}


async def test_no_import_crosses_its_boundary(sources: GitSources, tool: NxTool, storefront: Path):
    async with sources.open("storefront", base="main", head="HEAD") as source:
        graph = await tool.graph(await source.copy(for_build=False))

    platform = {p.name: next(tag for tag in p.tags if tag.startswith("platform:")) for p in graph.projects}

    for dependency in graph.dependencies:
        assert platform[dependency.target] in ("platform:any", platform[dependency.source])
