"""Names that are hard on databases, file systems and JSON are answered like any others."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from mesh_workspace_analyzer.adapters.sources import GitSources
from mesh_workspace_analyzer.errors import WorkspaceUnreadable

Run = Callable[..., str]


async def analyzed(http: AsyncClient, workspace: str = "odd", **body: str) -> dict[str, Any]:
    response = await http.post("/v1/analyses", json={"workspace": workspace} | body)
    assert response.status_code == 201, response.text
    return response.json()


@pytest.fixture
def odd(roots: Path, git: Run) -> Callable[[dict[str | bytes, str]], Path]:
    """Commits files to a workspace of two projects, after a first commit of the two alone."""

    def make(files: dict[str | bytes, str]) -> Path:
        folder = roots / "odd"
        base: dict[str | bytes, str] = {
            "nx.json": "{}",
            "package.json": "{}",
            "a/project.json": '{"name": "a"}',
            "b/project.json": '{"name": "b", "implicitDependencies": ["a"]}',
        }
        for message, names in (("Begin", base), ("Plant", files)):
            for name, text in names.items():
                path = folder / (name.decode(errors="surrogateescape") if isinstance(name, bytes) else name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            if message == "Begin":
                git(folder, "init", "-q")
            git(folder, "add", "-fA")
            git(folder, "commit", "-qm", message, "--allow-empty")
            git(folder, "branch", "-f", message.lower())
        return folder

    return make


Odd = Callable[[dict[str | bytes, str]], Path]


async def test_changed_files_with_odd_names_are_told_on_every_database(
    stored: AsyncClient, odd: Odd, git: Run
):
    odd(
        {name: "x" for name in ["a/line\nbreak.ts", "a/späß.ts", 'a/"q".ts', b"a/\xff.ts", "a/\U0001f9ee.ts"]}
    )

    found = await analyzed(stored, base="begin")

    told = {detail["project"]: detail["files"] for detail in found["affectedDetail"]}
    names = ['a/"q".ts', "a/line\nbreak.ts", "a/späß.ts", "a/\N{REPLACEMENT CHARACTER}.ts", "a/\U0001f9ee.ts"]
    assert told == {"a": sorted(names), "b": sorted(names)}
    assert (await stored.get(f"/v1/analyses/{found['id']}")).json() == found


async def test_projects_may_be_called_anything_that_nx_takes(stored: AsyncClient, odd: Odd):
    names = ["späß", "a b", "a\nb", "a\u0000b", "\U0001f9ee", "x" * 2000]
    odd({f"c{n}/project.json": json.dumps({"name": name}) for n, name in enumerate(names)})

    found = await analyzed(stored, base="begin")

    assert found["affectedProjects"] == sorted(names)
    assert (await stored.get(f"/v1/analyses/{found['id']}")).json() == found


@pytest.mark.parametrize("name", ["\\ud800", "", "__proto__"])
async def test_a_project_without_a_name_that_can_be_told_is_a_problem(http: AsyncClient, odd: Odd, name: str):
    odd({"c/project.json": f'{{"name": "{name}"}}'})

    response = await http.post("/v1/analyses", json={"workspace": "odd"})

    assert response.status_code in (201, 409), response.text


async def test_a_plugin_whose_name_is_no_text_is_told_as_far_as_it_can_be(stored: AsyncClient, odd: Odd):
    odd({"nx.json": '{"plugins": ["./\\ud800\\u0000.js"]}'})

    found = await analyzed(stored)

    assert "(./?" in found["warnings"][0]


async def test_tags_and_targets_may_be_called_anything(stored: AsyncClient, odd: Odd):
    odd(
        {
            "c/project.json": json.dumps(
                {"name": "c", "tags": ["\u0000"], "targets": {"\u0000": {"command": ""}}}
            )
        }
    )

    first = await analyzed(stored)
    again = await analyzed(stored)

    assert again["graphHash"] == first["graphHash"]


async def test_a_workspace_in_a_folder_with_an_odd_name_is_one(stored: AsyncClient, odd: Odd, roots: Path):
    odd({}).rename(roots / "späß (1) \U0001f9ee")

    found = await analyzed(stored, "späß (1) \U0001f9ee")

    assert found["workspaceRoot"] == "späß (1) \U0001f9ee"
    assert (await stored.get("/v1/analyses")).json()["items"][0]["workspaceRoot"] == found["workspaceRoot"]


async def test_files_nested_deeper_than_anybody_can_walk_are_read_or_refused_and_nothing_is_left(
    sources: GitSources, odd: Odd, git: Run, scratch: Path
):
    folder = odd({})
    blob = git(folder, "rev-parse", "HEAD:nx.json")
    index = b"".join(f"100644 {blob}\t{'d/' * depth}f\n".encode() for depth in (900, 1500))
    git(folder, "update-index", "--add", "--index-info", input=index)
    git(folder, "commit", "-qm", "Deep")

    with suppress(WorkspaceUnreadable):
        async with sources.open("odd", base="main", head="HEAD") as source:
            assert (await source.copy(for_build=False) / "nx.json").exists()

    assert list(scratch.iterdir()) == []
