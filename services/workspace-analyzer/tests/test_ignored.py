"""git is asked what its own ignore files name, and static reading agrees."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from mesh_workspace_analyzer.adapters.sources import GitSources
from mesh_workspace_analyzer.adapters.static.ignored import visible

Run = Callable[..., str]
PATHS = [
    "a.ts",
    "b.js",
    "dist/a.ts",
    "dist/deep/x.js",
    "libs/a.ts",
    "libs/dist/a.ts",
    "libs/dist/keep.md",
    "libs/x/y/z.ts",
    "libs/x/keep.md",
    "#odd",
    "!odd",
    "sp ace.ts",
]
LINES = [
    "dist",
    "dist/",
    "/dist",
    "libs/dist",
    "/libs/*",
    "libs/**",
    "**/a.ts",
    "*.ts",
    "*.js",
    "!keep.md",
    "!a.ts",
    "!libs/x",
    "!/libs/x/",
    "x/y",
    "[ab].*",
    "[!a].js",
    "# dist",
    "",
    r"\#odd",
    r"\!odd",
    "sp ace.ts",
    "?.ts",
]


def seen_by_git(git: Run, folder: Path) -> set[str]:
    listed = git(folder, "-c", "core.quotePath=false", "ls-files", "--others", "--exclude-standard")
    return set(listed.splitlines()) - {".gitignore"}


@pytest.mark.parametrize("seed", range(4))
def test_git_sees_the_same_files(git: Run, tmp_path: Path, seed: int):
    dice = random.Random(seed)  # noqa: S311 - a die, no secret
    git(tmp_path, "init", "-q")
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    for _ in range(8):
        text = "\n".join(dice.sample(LINES, dice.randint(1, 5)))
        (tmp_path / ".gitignore").write_text(text)

        assert visible(PATHS, {".gitignore": text}) == seen_by_git(git, tmp_path), text


@pytest.mark.parametrize("line", ["[" * 10**6, "/" + "[" * 10**6, "*a" * 10**5], ids=range(3))
def test_a_line_that_would_take_too_long_names_nothing(line: str):
    assert visible(PATHS, {".nxignore": f"*.js\n{line}"}) == {path for path in PATHS if ".js" not in path}


async def test_contents_come_in_the_order_in_which_they_are_asked_for(sources: GitSources, roots: Path):
    texts = {"a": "x", "b": "", "c": "line\n\nline", "d": "é\0é", "e.ts": "y" * 5000}
    (roots / "w").mkdir()
    for name, text in texts.items():
        (roots / "w" / name).write_text(text)

    async with sources.open("w", base="main", head="HEAD") as source:
        assert await source.texts(["e.ts", "c", "a", "d", "b"]) == texts
        assert await source.texts([]) == {}
