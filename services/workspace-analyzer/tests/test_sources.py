"""What is compared with what, and what is said when that is not known."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mesh_workspace_analyzer.adapters.sources import (
    NO_GIT,
    NOT_COMMITTED,
    SHALLOW,
    UNKNOWN_STATE,
    GitSources,
    Limits,
)
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import Comparison
from mesh_workspace_analyzer.errors import (
    AnalysisTimedOut,
    NotAnNxWorkspace,
    RevisionNotFound,
    WorkspaceNotFound,
    WorkspaceTooLarge,
)

Run = Callable[..., str]

CHANGED = (Change("libs/pricing/src/discount.ts"), Change("libs/pricing/test/pricing.test.mjs"))


async def compared(sources: GitSources, workspace: str = "storefront", **names: str) -> Comparison:
    async with sources.open(workspace, **({"base": "main", "head": "HEAD"} | names)) as source:
        return source.comparison


async def copied(sources: GitSources, workspace: str = "storefront", *, for_build: bool = False) -> set[str]:
    """The files of a copy."""
    async with sources.open(workspace, base="main", head="HEAD") as source:
        folder = await source.copy(for_build=for_build)
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


async def test_a_head_is_compared_with_its_base(sources: GitSources, storefront: Path, git: Run):
    comparison = await compared(sources)

    assert comparison.changes == CHANGED
    assert comparison.base.sha == git(storefront, "rev-parse", "main")
    assert comparison.head.sha == git(storefront, "rev-parse", "HEAD")
    assert comparison.warnings == ()


async def test_a_head_can_be_any_commit_that_git_can_name(sources: GitSources, storefront: Path, git: Run):
    git(storefront, "tag", "v1")

    assert (await compared(sources, head="main")).changes == ()
    assert (await compared(sources, head="v1")).changes == CHANGED
    assert (await compared(sources, head="refs/heads/change")).changes == CHANGED
    assert (await compared(sources, head=git(storefront, "rev-parse", "v1"))).changes == CHANGED


async def test_what_happened_on_the_base_since_is_no_change_of_ours(
    sources: GitSources, storefront: Path, git: Run
):
    fork = git(storefront, "rev-parse", "main")
    git(storefront, "checkout", "-q", "main")
    (storefront / "libs/ui/src/new.ts").write_text("export {};\n")
    git(storefront, "add", "-A")
    git(storefront, "commit", "-qm", "Go on")
    git(storefront, "checkout", "-q", "change")

    comparison = await compared(sources)

    assert comparison.changes == CHANGED
    assert comparison.base.sha == fork


async def test_a_base_without_common_history_is_compared_as_it_is(
    sources: GitSources, storefront: Path, git: Run
):
    git(storefront, "checkout", "-q", "--orphan", "other")
    git(storefront, "commit", "-qm", "Begin again")
    (storefront / "libs/ui/src/new.ts").write_text("export {};\n")
    git(storefront, "add", "-A")
    git(storefront, "commit", "-qm", "Add")

    comparison = await compared(sources, base="change")

    assert comparison.changes == (Change("libs/ui/src/new.ts"),)


async def test_deletions_renames_and_odd_names_are_told(sources: GitSources, storefront: Path, git: Run):
    git(storefront, "mv", "libs/ui/src/html.ts", "libs/ui/src/markup.ts")
    (storefront / "libs/ui/src/späß\n.ts").write_text("export {};\n")
    (storefront / b"libs/ui/src/\xff.ts".decode(errors="surrogateescape")).write_text("export {};\n")
    git(storefront, "add", "-A")
    git(storefront, "commit", "-qm", "Move")

    comparison = await compared(sources, base="HEAD", head="HEAD")
    assert comparison.changes == ()
    changes = set((await compared(sources, base="main")).changes or ())
    assert changes - set(CHANGED) == {
        Change("libs/ui/src/html.ts", is_deleted=True),
        Change("libs/ui/src/markup.ts"),
        Change("libs/ui/src/späß\n.ts"),
        Change("libs/ui/src/\N{REPLACEMENT CHARACTER}.ts"),
    }


async def test_a_base_that_git_does_not_know_is_said_and_nothing_is_assumed(
    sources: GitSources, storefront: Path
):
    comparison = await compared(sources, base="develop")

    assert comparison.changes is None
    assert (comparison.base.ref, comparison.base.sha) == ("develop", None)
    assert "develop" in comparison.warnings[0]


async def test_a_folder_without_git_is_read_as_it_stands(sources: GitSources, storefront: Path):
    shutil.rmtree(storefront / ".git")

    comparison = await compared(sources)

    assert (comparison.changes, comparison.head.sha) == (None, None)
    assert comparison.warnings == (NO_GIT,)
    assert comparison.tree == (await compared(sources)).tree


async def test_the_tree_of_a_folder_without_git_changes_with_its_files(sources: GitSources, storefront: Path):
    shutil.rmtree(storefront / ".git")
    before = (await compared(sources)).tree

    (storefront / "node_modules").mkdir()
    (storefront / "node_modules" / "x.js").write_text("")
    assert (await compared(sources)).tree == before
    (storefront / "libs/ui/src/new.ts").write_text("export {};\n")
    assert (await compared(sources)).tree != before


async def test_a_repository_without_any_commit_is_read_as_it_stands(
    sources: GitSources, storefront: Path, git: Run
):
    shutil.rmtree(storefront / ".git")
    git(storefront, "init", "-q")

    assert (await compared(sources)).warnings == (NOT_COMMITTED,)


async def test_a_shallow_clone_knows_no_changes(sources: GitSources, storefront: Path, roots: Path, git: Run):
    git(roots, "clone", "-q", "--depth=1", f"file://{storefront}", "shallow")

    comparison = await compared(sources, "shallow", base="HEAD")

    assert comparison.changes is None
    assert comparison.warnings == (SHALLOW,)


@pytest.mark.parametrize("head", ["nowhere", "0" * 40, "main..change"])
async def test_a_head_that_git_does_not_know_is_not_found(sources: GitSources, storefront: Path, head: str):
    with pytest.raises(RevisionNotFound):
        await compared(sources, head=head)


async def test_a_head_is_not_found_where_there_is_no_git(sources: GitSources, storefront: Path):
    shutil.rmtree(storefront / ".git")

    with pytest.raises(RevisionNotFound):
        await compared(sources, head="main")


async def test_files_that_are_not_committed_are_told_and_not_read(
    sources: GitSources, storefront: Path, git: Run
):
    (storefront / "nx.json").write_text("{}")
    (storefront / "libs/ui/src/staged.ts").write_text("")
    git(storefront, "add", "libs/ui/src/staged.ts")
    (storefront / "libs/ui/src/new.ts").write_text("")

    comparison = await compared(sources)

    assert comparison.changes == CHANGED
    assert comparison.warnings[0].startswith("3 files are changed but not committed")
    assert (await compared(sources, head="change")).warnings == ()
    assert "libs/ui/src/new.ts" not in await copied(sources)


async def test_without_an_index_nobody_knows_what_is_not_committed(sources: GitSources, storefront: Path):
    (storefront / ".git" / "index").unlink()

    assert (await compared(sources)).warnings == (UNKNOWN_STATE,)


async def test_a_workspace_may_be_a_folder_of_its_repository(
    sources: GitSources, storefront: Path, roots: Path, git: Run
):
    mono = roots / "mono"
    (mono / "web shop").mkdir(parents=True)
    git(mono, "init", "-q")
    (mono / "README.md").write_text("Ours\n")
    git(mono, "add", "-A")
    git(mono, "commit", "-qm", "Before the shop")
    shutil.copytree(storefront, mono / "web shop" / "front", ignore=shutil.ignore_patterns(".git"))
    git(mono, "add", "-A")
    git(mono, "commit", "-qm", "Add the shop")
    git(mono, "checkout", "-qb", "change")
    (mono / "web shop/front/libs/ui/src/new.ts").write_text("export {};\n")
    (mono / "other.txt").write_text("elsewhere\n")
    git(mono, "add", "-A")
    git(mono, "commit", "-qm", "Change")

    comparison = await compared(sources, "mono/web shop/front")
    since_before = await compared(sources, "mono/web shop/front", base="main", head="main")

    assert comparison.changes == (Change("libs/ui/src/new.ts"),)
    assert since_before.changes == ()
    assert "libs/ui/src/new.ts" in await copied(sources, "mono/web shop/front")
    first = git(mono, "rev-list", "--max-parents=0", "HEAD")
    everything = (await compared(sources, "mono/web shop/front", base=first)).changes or ()
    assert Change("nx.json") in everything
    with pytest.raises(NotAnNxWorkspace):
        await copied(sources, "mono")


async def test_a_folder_that_is_in_no_commit_yet_is_read_as_it_stands(
    sources: GitSources, storefront: Path, git: Run
):
    shutil.copytree(storefront / "libs", storefront / "fresh")

    assert (await compared(sources, "storefront/fresh")).warnings == (NOT_COMMITTED,)


async def test_a_worktree_is_a_workspace_too(sources: GitSources, storefront: Path, roots: Path, git: Run):
    git(storefront, "worktree", "add", "-q", roots / "tree", "main")

    assert (await compared(sources, "tree", base="change", head="main")).changes == ()
    assert "nx.json" in await copied(sources, "tree")


async def test_a_repository_may_name_its_objects_by_sha256(sources: GitSources, storefront: Path, git: Run):
    shutil.rmtree(storefront / ".git")
    git(storefront, "init", "-q", "--object-format=sha256")
    git(storefront, "add", "-A")
    git(storefront, "commit", "-qm", "Begin")

    comparison = await compared(sources)

    assert comparison.changes == ()
    assert len(comparison.tree) == 64
    assert "nx.json" in await copied(sources)


async def test_the_first_root_that_has_the_workspace_wins(
    sources: GitSources, storefront: Path, tmp_path: Path
):
    other = tmp_path / "other"
    (other / "storefront").mkdir(parents=True)
    both = replace(sources, roots=replace(sources.roots, paths=(other, *sources.roots.paths)))

    assert (await compared(both)).warnings == (NO_GIT,)
    assert "nx.json" in await copied(sources, "storefront")


async def test_a_root_may_be_a_workspace_itself(sources: GitSources, storefront: Path):
    there = replace(sources, roots=replace(sources.roots, paths=(storefront,)))

    assert (await compared(there, ".")).changes == CHANGED


@pytest.mark.parametrize("workspace", ["nowhere", "storefront/nx.json", "a/" * 200 + "b", "ü" * 60])
async def test_a_folder_that_is_not_there_is_not_found(sources: GitSources, storefront: Path, workspace: str):
    with pytest.raises(WorkspaceNotFound):
        await compared(sources, workspace)


async def test_nothing_is_left_on_disk(sources: GitSources, storefront: Path, scratch: Path):
    await copied(sources)

    assert list(scratch.iterdir()) == []


async def test_a_copy_for_a_build_has_everything_and_its_history(
    sources: GitSources, storefront: Path, git: Run
):
    (storefront / ".env").write_text("TOKEN=canary")
    (storefront / "linked.json").symlink_to("nx.json")
    git(storefront, "add", "-fA")
    git(storefront, "commit", "-qm", "Add")

    async with sources.open("storefront", base="main", head="HEAD") as source:
        folder = await source.copy(for_build=True)
        inside = git(folder, "diff", "--name-only", source.comparison.base.sha, source.comparison.head.sha)
        assert (folder / "linked.json").is_symlink()
        assert (folder / ".env").exists()

    assert inside.splitlines() == [".env", *(change.path for change in CHANGED), "linked.json"]


async def test_a_workspace_beyond_the_limits_is_refused(sources: GitSources, storefront: Path, git: Run):
    with pytest.raises(WorkspaceTooLarge) as by_files:
        await copied(replace(sources, limits=Limits(files=5, size_bytes=10**6)))
    with pytest.raises(WorkspaceTooLarge):
        await copied(replace(sources, limits=Limits(files=10**6, size_bytes=500)))

    assert by_files.value.members["files"] == len(git(storefront, "ls-files").splitlines())


async def test_git_that_takes_too_long_is_stopped(sources: GitSources, storefront: Path):
    with pytest.raises(AnalysisTimedOut):
        await compared(replace(sources, timeout_s=0.0001))
