"""A repository that wants to run a program, or to be read beyond its root, gets neither.

Where an attack works on an ordinary git, the test shows that first: a payload that never fires proves
nothing.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from mesh_workspace_analyzer.adapters.sources import UNCOMMITTED, UNKNOWN_STATE, GitSources
from mesh_workspace_analyzer.domain.analysis import Comparison
from mesh_workspace_analyzer.errors import (
    HistoryOutsideRoots,
    RevisionNotFound,
    WorkspaceNotFound,
    WorkspaceUnreadable,
)

Run = Callable[..., str]

GIT = ("/usr/bin/env", "git")


@pytest.fixture
def fired(tmp_path: Path) -> Path:
    """Appears when a payload runs."""
    return tmp_path / "fired"


@pytest.fixture
def payload(tmp_path: Path, fired: Path) -> Path:
    program = tmp_path / "payload.sh"
    program.write_text(f"#!/bin/sh\ntouch {fired}\nexit 1\n")
    program.chmod(0o755)
    return program


def ordinary(storefront: Path, *arguments: str) -> None:
    """What git does for a developer; whether it succeeds does not matter."""
    argv = [*GIT, "-C", storefront, *arguments]
    subprocess.run(argv, capture_output=True, timeout=10, check=False)


async def read(sources: GitSources, **names: str) -> Comparison:
    """Everything that an analysis does with a repository."""
    async with sources.open("storefront", **({"base": "main", "head": "HEAD"} | names)) as source:
        await source.copy(for_build=False)
        return source.comparison


def attributes(storefront: Path, text: str) -> None:
    (storefront / ".git" / "info").mkdir(exist_ok=True)
    (storefront / ".git" / "info" / "attributes").write_text(text)


def dirty(storefront: Path) -> None:
    """A change that makes git look into the file."""
    (storefront / "nx.json").write_text("{ }\n")


async def test_a_file_system_monitor_does_not_run(
    sources: GitSources, storefront: Path, git: Run, payload: Path, fired: Path
):
    git(storefront, "config", "core.fsmonitor", payload)
    dirty(storefront)
    git(storefront, "status")
    assert fired.exists()
    fired.unlink()

    comparison = await read(sources)

    assert comparison.warnings == (UNCOMMITTED.format(count=1),)
    assert not fired.exists()


@pytest.mark.parametrize("direction", ["clean", "smudge", "process"])
async def test_a_filter_does_not_run(
    sources: GitSources, storefront: Path, git: Run, payload: Path, fired: Path, direction: str
):
    git(storefront, "config", f"filter.evil.{direction}", payload)
    (storefront / ".gitattributes").write_text("* filter=evil\n")
    attributes(storefront, "* filter=evil\n")
    dirty(storefront)
    ordinary(storefront, *(["archive", "HEAD"] if direction == "smudge" else ["diff"]))
    assert fired.exists()
    fired.unlink()

    await read(sources)

    assert not fired.exists()


@pytest.mark.parametrize(
    "setting", ["diff.external", "diff.evil.textconv", "diff.evil.command", "core.pager"]
)
async def test_a_diff_program_does_not_run(
    sources: GitSources, storefront: Path, git: Run, payload: Path, fired: Path, setting: str
):
    git(storefront, "config", setting, payload)
    attributes(storefront, "* diff=evil\n")
    dirty(storefront)

    await read(sources)

    assert not fired.exists()


@pytest.mark.parametrize(
    "hook", ["post-index-change", "post-checkout", "reference-transaction", "pre-commit"]
)
async def test_a_hook_does_not_run(
    sources: GitSources, storefront: Path, git: Run, payload: Path, fired: Path, hook: str
):
    hooks = storefront / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    shutil.copy(payload, hooks / hook)
    git(storefront, "config", "core.hooksPath", hooks)
    dirty(storefront)

    await read(sources)

    assert not fired.exists()


async def test_a_partial_clone_fetches_nothing(
    sources: GitSources, storefront: Path, git: Run, payload: Path, fired: Path
):
    missing = git(storefront, "rev-parse", "main:nx.json")
    (storefront / ".git" / "objects" / missing[:2] / missing[2:]).unlink()
    tree = git(storefront, "rev-parse", "main^{tree}")
    (storefront / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    git(storefront, "config", "core.repositoryFormatVersion", "1")
    git(storefront, "config", "extensions.partialClone", "origin")
    git(storefront, "config", "remote.origin.promisor", "true")
    git(storefront, "config", "remote.origin.url", f"ext::{payload} %S")
    git(storefront, "config", "protocol.ext.allow", "always")
    ordinary(storefront, "cat-file", "-p", missing)
    assert fired.exists()
    fired.unlink()

    with pytest.raises(WorkspaceUnreadable):
        await read(sources)
    with pytest.raises(RevisionNotFound):
        await read(sources, head=tree)

    assert not fired.exists()


@pytest.mark.parametrize(
    "ref",
    [
        "--upload-pack=touch fired",
        "--output=fired",
        "$(touch fired)",
        "`touch fired`",
        "-h",
        "--all",
        "main; touch fired",
    ],
)
async def test_a_name_that_looks_like_an_option_is_a_name(
    sources: GitSources, storefront: Path, ref: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    assert (await read(sources, base=ref)).changes is None
    with pytest.raises(RevisionNotFound):
        await read(sources, head=ref)

    assert list(tmp_path.glob("**/fired")) == []


async def test_a_work_tree_elsewhere_is_not_looked_at(
    sources: GitSources, storefront: Path, git: Run, tmp_path: Path
):
    git(storefront, "config", "core.worktree", tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()

    assert (await read(sources)).warnings == ()


@pytest.mark.parametrize("name", [".git", "..", "."])
async def test_a_name_that_leads_out_of_the_copy_is_refused(
    sources: GitSources, storefront: Path, git: Run, name: str, tmp_path: Path
):
    blob = git(storefront, "rev-parse", "HEAD:nx.json")
    inner = git(storefront, "mktree", input=f"100644 blob {blob}\tescaped.json\n".encode())
    entries = f"40000 {name}\0".encode() + bytes.fromhex(inner) + b"100644 nx.json\0" + bytes.fromhex(blob)
    tree = git(storefront, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", input=entries)
    commit = git(storefront, "commit-tree", tree, "-m", "Evil")
    git(storefront, "update-ref", "refs/heads/evil", commit)

    with pytest.raises(WorkspaceUnreadable):
        await read(sources, head="evil")

    assert list(tmp_path.rglob("escaped.json")) == []


async def test_links_and_submodules_are_not_part_of_a_copy_for_reading(
    sources: GitSources, storefront: Path, git: Run, tmp_path: Path
):
    (tmp_path / "secret").write_text("canary")
    (storefront / "libs/ui/src/secret.ts").symlink_to(tmp_path / "secret")
    (storefront / "libs/etc").symlink_to("/etc")
    git(storefront, "add", "-A")
    git(storefront, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},libs/sub")
    git(storefront, "commit", "-qm", "Link")

    async with sources.open("storefront", base="main", head="HEAD") as source:
        folder = await source.copy(for_build=False)
        assert not [path for path in folder.rglob("*") if path.is_symlink()]
        assert not (folder / "libs/sub").exists()
        assert not (folder / "libs/etc").exists()


async def test_links_in_a_folder_without_git_are_not_followed(
    sources: GitSources, storefront: Path, tmp_path: Path
):
    shutil.rmtree(storefront / ".git")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "project.json").write_text('{"name": "canary"}')
    (storefront / "libs/linked").symlink_to(tmp_path / "outside")
    os.mkfifo(storefront / "libs/ui/src/pipe")

    async with sources.open("storefront", base="main", head="HEAD") as source:
        folder = await source.copy(for_build=False)
        assert "canary" not in "".join(p.read_text() for p in folder.rglob("*") if p.is_file())


async def test_secrets_and_programs_are_not_part_of_a_copy_for_reading(
    sources: GitSources, storefront: Path, git: Run
):
    unwanted = [
        ".env",
        ".env.local",
        ".local.env",
        "apps/api/.env.production",
        ".npmrc",
        ".yarnrc.yml",
        ".pnp.cjs",
        "node_modules/nx/package.json",
        "libs/ui/node_modules/x/index.js",
        ".nx/installation/node_modules/nx/bin/nx.js",
        "package-lock.json",
    ]
    for name in unwanted:
        (storefront / name).parent.mkdir(parents=True, exist_ok=True)
        (storefront / name).write_text("canary")
    git(storefront, "add", "-fA")
    git(storefront, "commit", "-qm", "Add")

    async with sources.open("storefront", base="main", head="HEAD") as source:
        folder = await source.copy(for_build=False)
        assert "canary" not in "".join(p.read_text() for p in folder.rglob("*") if p.is_file())


async def test_a_folder_that_a_link_leads_out_to_is_not_found(
    sources: GitSources, roots: Path, tmp_path: Path
):
    (tmp_path / "outside").mkdir()
    (roots / "storefront").symlink_to(tmp_path / "outside")

    with pytest.raises(WorkspaceNotFound):
        await read(sources)


async def test_a_root_that_is_a_link_is_a_root(sources: GitSources, storefront: Path, roots: Path):
    real = roots.rename(roots.with_name("real"))
    roots.symlink_to(real)

    assert (await read(sources)).changes


async def test_history_outside_of_the_roots_is_not_read(
    sources: GitSources, storefront: Path, tmp_path: Path, git: Run
):
    outside = tmp_path / "outside"
    shutil.copytree(storefront, outside)
    shutil.rmtree(storefront / ".git")

    (storefront / ".git").write_text(f"gitdir: {outside}/.git\n")
    with pytest.raises(HistoryOutsideRoots):
        await read(sources)

    (storefront / ".git").unlink()
    (storefront / ".git").symlink_to(outside / ".git")
    with pytest.raises(HistoryOutsideRoots):
        await read(sources)

    (storefront / ".git").unlink()
    git(storefront, "init", "-q")
    (storefront / ".git/objects/info/alternates").write_text(f"{outside}/.git/objects\n")
    with pytest.raises(HistoryOutsideRoots):
        await read(sources)


async def test_a_repository_above_the_root_is_not_looked_at(
    sources: GitSources, storefront: Path, roots: Path, git: Run
):
    shutil.rmtree(storefront / ".git")
    git(roots.parent, "init", "-q")

    assert (await read(sources)).head.sha is None


async def test_a_broken_repository_is_refused_without_naming_our_folders(
    sources: GitSources, storefront: Path, git: Run, tmp_path: Path
):
    blob = git(storefront, "rev-parse", "HEAD:nx.json")
    (storefront / ".git/objects" / blob[:2] / blob[2:]).unlink()

    with pytest.raises(WorkspaceUnreadable) as refused:
        await read(sources)

    assert "git cannot read it" in refused.value.detail
    assert str(tmp_path) not in refused.value.detail


async def test_an_index_that_makes_no_sense_costs_only_the_word_about_it(
    sources: GitSources, storefront: Path
):
    (storefront / ".git" / "index").write_bytes(b"DIRC nonsense")

    assert (await read(sources)).warnings == (UNKNOWN_STATE,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
async def test_whose_repository_it_is_does_not_matter(sources: GitSources, storefront: Path):
    for path in (storefront, *storefront.rglob("*")):
        os.chown(path, 12345, 12345)

    assert (await read(sources)).changes
