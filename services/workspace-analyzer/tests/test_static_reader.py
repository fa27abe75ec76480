"""The static tier: what it looks into, what it leaves alone, and what it says it could not see."""

import json
from pathlib import Path

import pytest
from mesh_workspace_analyzer.adapters import sources as reading
from mesh_workspace_analyzer.adapters.sources import GitSources
from mesh_workspace_analyzer.adapters.static.reader import FORM, StaticReader
from mesh_workspace_analyzer.domain.graph import Dependency, ProjectGraph
from mesh_workspace_analyzer.errors import (
    BrokenProjectConfiguration,
    DuplicateProjectNames,
    NotAWorkspace,
    WorkspaceTooLarge,
)


async def version() -> str:
    return "2.40"


ROOT = {"nx.json": "{}", "package.json": '{"name": "r", "devDependencies": {"@nx/js": "1"}}'}


@pytest.fixture
def folder(roots: Path) -> Path:
    return roots / "w"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


async def read(sources: GitSources, folder: Path, files: dict[str, str]) -> ProjectGraph:
    write(folder, files)
    async with sources.open("w", base="main", head="HEAD") as source:
        return await StaticReader(version).graph(source)


async def test_its_versions_say_which_of_our_readers_it_was():
    assert await StaticReader(version).versions() == {"git": "2.40", "mesh-static": FORM}


async def test_imports_of_components_that_nx_does_not_read_count(sources: GitSources, folder: Path):
    files = {"a/project.json": "{}", "b/project.json": "{}", "c/project.json": "{}"}
    files |= {"a/x.svelte": "<script>import '../b/x'</script>", "b/x.astro": "---\nimport '../c/y'\n---\n"}

    found = await read(sources, folder, ROOT | files)

    assert found.dependencies == (Dependency("a", "b"), Dependency("b", "c"))


async def test_plugins_are_named_as_what_is_missing(sources: GitSources, folder: Path):
    files = ROOT | {"nx.json": json.dumps({"plugins": ["@nx/vite/plugin"]}), "a/project.json": "{}"}

    found = await read(sources, folder, files)

    assert "@nx/vite/plugin" in found.gaps[0]


async def test_a_file_that_a_program_made_is_not_looked_into_and_that_is_said(
    sources: GitSources, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "MAX_TEXT_BYTES", 100)
    files = {"a/project.json": "{}", "b/project.json": "{}", "a/big.js": "import '../b/x';" + " " * 100}

    found = await read(sources, folder, ROOT | files)

    assert found.dependencies == ()
    assert found.gaps == ("1 source files were too large to look for imports in them, a/big.js among them.",)


async def test_more_than_git_answers_at_once_is_read_in_parts(
    sources: GitSources, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "PART_BYTES", 30)
    files = {f"p{n}/project.json": "{}" for n in range(5)}
    files |= {f"p{n}/x.ts": f"import '../p{n + 1}/x';" for n in range(4)}

    found = await read(sources, folder, ROOT | files)

    assert found.dependencies == tuple(Dependency(f"p{n}", f"p{n + 1}") for n in range(4))


async def test_secrets_and_links_are_not_read(sources: GitSources, folder: Path, tmp_path: Path):
    write(folder, ROOT | {"a/project.json": "{}", ".env": "KEY=1", "a/.npmrc": "token"})
    (folder / "out").symlink_to(tmp_path)
    async with sources.open("w", base="main", head="HEAD") as source:
        names = await source.names()

        assert names == {"nx.json", "package.json", "a/project.json"}
        assert await source.texts([".env", "out", "nowhere"]) == {}


@pytest.mark.parametrize(
    ("files", "error", "told"),
    [
        ({"a/x.ts": ""}, NotAWorkspace, "nx.json"),
        (ROOT | {"a/project.json": "{"}, BrokenProjectConfiguration, "a/project.json"),
        (ROOT | {"a/project.json": "[]"}, BrokenProjectConfiguration, "a/project.json"),
        (ROOT | {"nx.json": "x"}, BrokenProjectConfiguration, "nx.json"),
        (ROOT | {"nx.json": '{"namedInputs": 1}'}, BrokenProjectConfiguration, "namedInputs"),
        (ROOT | {"tsconfig.json": "{", "a/project.json": "{}"}, BrokenProjectConfiguration, "tsconfig.json"),
        (ROOT | {"a/project.json": '{"name": 5}'}, BrokenProjectConfiguration, "no name"),
        (
            ROOT | {"a/project.json": '{"implicitDependencies": ["gone"]}'},
            BrokenProjectConfiguration,
            "a: implicitDependencies names gone",
        ),
        (
            ROOT | {"a/project.json": '{"name": "x"}', "b/project.json": '{"name": "x"}'},
            DuplicateProjectNames,
            "a and b are both named x",
        ),
        (
            ROOT | {"a/project.json": '{"targets": {"b": {"command": "c", "cache": 7}}}'},
            BrokenProjectConfiguration,
            "cache",
        ),
    ],
)
async def test_what_cannot_be_read_is_a_problem_that_says_where(
    sources: GitSources, folder: Path, files: dict[str, str], error: type[Exception], told: str
):
    with pytest.raises(error, match=told):
        await read(sources, folder, files)


async def test_a_workspace_with_too_many_files_is_not_read(sources: GitSources, folder: Path):
    many = {f"a/{n}.txt": "x" for n in range(20)}
    limited = GitSources(
        roots=sources.roots,
        scratch=sources.scratch,
        timeout_s=30,
        limits=reading.Limits(files=10, size_bytes=9),
    )

    with pytest.raises(WorkspaceTooLarge):
        await read(limited, folder, ROOT | many)
