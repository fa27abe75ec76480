"""What a folder calls its repository is read as carefully as the repository: pointers, loans, odd files."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mesh_workspace_analyzer.adapters.folders import MAX_POINTER_BYTES, MAX_STORES, Repository, Roots
from mesh_workspace_analyzer.adapters.processes import without_paths
from mesh_workspace_analyzer.adapters.sources import NO_GIT, NOT_COMMITTED, UNKNOWN_STATE, GitSources, Limits
from mesh_workspace_analyzer.errors import (
    AnalysisTimedOut,
    HistoryOutsideRoots,
    RevisionNotFound,
    WorkspaceNotFound,
    WorkspaceTooLarge,
    WorkspaceUnreadable,
)

Run = Callable[..., str]


@pytest.fixture
def shop(roots: Path) -> Path:
    """A folder with an empty repository."""
    (roots / "shop" / ".git" / "objects" / "info").mkdir(parents=True)
    return roots / "shop"


@pytest.fixture
def alternates(shop: Path) -> Path:
    """The list of the stores that the repository borrows from."""
    return shop / ".git" / "objects" / "info" / "alternates"


@pytest.fixture
def found(roots: Path, shop: Path) -> Callable[[], Repository | None]:
    """Looks for the repository of the folder."""
    return lambda: Roots((roots,)).repository_of(shop)


Found = Callable[[], Repository | None]


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def as_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def as_huge_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_POINTER_BYTES + 1)


def with_a_nul(path: Path) -> None:
    path.write_text("gitdir: a\0b\n")


ODD = [as_pipe, as_device, as_huge_file, with_a_nul]


def test_a_plain_repository_is_found(found: Found, shop: Path):
    assert found() == Repository(shop / ".git", shop / ".git/objects", shop)


@pytest.mark.parametrize("odd", ODD)
def test_a_git_file_that_git_never_writes_is_refused_unread(
    found: Found, shop: Path, odd: Callable[[Path], None]
):
    shutil.rmtree(shop / ".git")
    odd(shop / ".git")

    with pytest.raises(HistoryOutsideRoots):
        found()


@pytest.mark.parametrize("odd", ODD)
def test_so_is_such_a_word_about_the_common_folder(found: Found, shop: Path, odd: Callable[[Path], None]):
    odd(shop / ".git" / "commondir")

    with pytest.raises(HistoryOutsideRoots):
        found()


@pytest.mark.parametrize("odd", ODD)
def test_so_is_such_a_list_of_stores(found: Found, alternates: Path, odd: Callable[[Path], None]):
    odd(alternates)

    with pytest.raises(HistoryOutsideRoots):
        found()


def test_a_store_may_be_borrowed_from_under_a_root(found: Found, alternates: Path, roots: Path):
    (roots / "pool").mkdir()
    alternates.write_text(f"# ours\n\n{roots}/pool\n../../../pool\n")

    assert found() is not None


@pytest.mark.parametrize("line", ["/", "../../../..", "{roots}/../elsewhere", "{roots}/link"])
def test_a_store_outside_of_the_roots_is_not_borrowed_from(
    found: Found, alternates: Path, roots: Path, line: str
):
    (roots / "link").symlink_to(roots.parent)
    alternates.write_text(line.format(roots=roots) + "\n")

    with pytest.raises(HistoryOutsideRoots):
        found()


def test_a_loan_of_a_loan_is_looked_at_too(found: Found, alternates: Path, roots: Path):
    (roots / "pool" / "info").mkdir(parents=True)
    (roots / "pool" / "info" / "alternates").write_text(f"{roots.parent}\n")
    alternates.write_text(f"{roots}/pool\n")

    with pytest.raises(HistoryOutsideRoots):
        found()


def test_stores_that_borrow_from_each_other_come_to_an_end(found: Found, alternates: Path, roots: Path):
    (roots / "pool" / "info").mkdir(parents=True)
    (roots / "pool" / "info" / "alternates").write_text("../shop/.git/objects\n")
    alternates.write_text(f"{roots}/pool\n")

    assert found() is not None


def test_a_store_in_quotes_is_refused_because_git_reads_escapes_in_them(
    found: Found, alternates: Path, roots: Path
):
    alternates.write_text(f'"{roots.parent}/\\145lsewhere"\n')

    with pytest.raises(HistoryOutsideRoots):
        found()


def test_more_stores_than_anybody_borrows_from_are_refused(found: Found, alternates: Path, roots: Path):
    alternates.write_text("".join(f"{roots}/{n}\n" for n in range(MAX_STORES)))

    with pytest.raises(HistoryOutsideRoots):
        found()


def test_a_store_with_a_line_break_in_its_name_is_refused(shop: Path, roots: Path):
    broken = shop.rename(roots / f"a\n{roots.parent.name}")

    with pytest.raises(HistoryOutsideRoots):
        Roots((roots,)).repository_of(broken)


@pytest.mark.parametrize("pointer", ["a" * 300, "b/" * 3000, "loop", "nx.json/x", "nowhere"])
async def test_a_pointer_to_where_nothing_can_be_leads_to_no_history(
    sources: GitSources, shop: Path, pointer: str
):
    shutil.rmtree(shop / ".git")
    (shop / "nx.json").write_text("{}")
    (shop / "loop").symlink_to("loop")
    (shop / ".git").write_text(f"gitdir: {pointer}\n")

    async with sources.open("shop", base="main", head="HEAD") as source:
        assert source.comparison.warnings == (NOT_COMMITTED,)


@pytest.mark.parametrize("name", ["/proc/self/mem", "/proc/kmsg", "/etc/passwd"])
def test_a_pointer_that_is_a_link_out_of_the_roots_is_refused_unread(found: Found, shop: Path, name: str):
    shutil.rmtree(shop / ".git")
    (shop / ".git").symlink_to(name)

    with pytest.raises(HistoryOutsideRoots):
        found()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that is there and gives an error")
def test_a_pointer_that_cannot_be_read_is_a_problem(shop: Path, roots: Path):
    shutil.rmtree(shop / ".git")
    (shop / ".git").symlink_to("/proc/self/mem")

    with pytest.raises(WorkspaceUnreadable):
        Roots((roots, Path("/proc"))).repository_of(shop)


async def test_a_reference_without_an_end_costs_bounded_memory(sources: GitSources, storefront: Path):
    (storefront / ".git/refs/heads/endless").symlink_to("/dev/zero")

    async with sources.open("storefront", base="endless", head="HEAD") as source:
        assert source.comparison.changes is None
    with pytest.raises(RevisionNotFound):
        async with sources.open("storefront", base="main", head="endless"):
            pass


def test_a_folder_that_is_a_circle_of_links_is_not_found(roots: Path):
    (roots / "loop").symlink_to("loop")

    with pytest.raises(WorkspaceNotFound):
        Roots((roots,)).locate("loop")


async def test_a_history_in_a_folder_whose_name_is_no_text_is_read(
    sources: GitSources, storefront: Path, roots: Path
):
    odd = b"\xff".decode(errors="surrogateescape")
    (storefront / ".git").rename(roots / odd)
    (storefront / ".git").write_bytes(b"gitdir: ../\xff\n")

    async with sources.open("storefront", base="main", head="HEAD") as source:
        assert source.comparison.changes
        assert (await source.copy(for_build=False) / "nx.json").exists()


@pytest.mark.parametrize("name", ["config", "HEAD", "packed-refs"])
async def test_a_pipe_where_git_itself_reads_costs_its_time_and_no_more(
    sources: GitSources, storefront: Path, scratch: Path, name: str
):
    (storefront / ".git" / name).unlink(missing_ok=True)
    os.mkfifo(storefront / ".git" / name)
    (storefront / ".git" / "refs/heads/change").unlink(missing_ok=name == "packed-refs")

    with pytest.raises(AnalysisTimedOut):
        async with sources_with(sources, timeout_s=0.5).open("storefront", base="main", head="HEAD"):
            pass

    assert list(scratch.iterdir()) == []


def sources_with(sources: GitSources, **settings: float | Limits) -> GitSources:
    return replace(sources, **settings)


@pytest.mark.parametrize("odd", [as_pipe, as_device, as_link])
async def test_an_index_that_is_no_file_is_not_read(
    sources: GitSources, storefront: Path, odd: Callable[[Path], None]
):
    (storefront / ".git" / "index").unlink()
    odd(storefront / ".git" / "index")

    async with sources.open("storefront", base="main", head="HEAD") as source:
        assert source.comparison.warnings == (UNKNOWN_STATE,)


async def test_the_index_of_a_giant_is_not_copied(sources: GitSources, storefront: Path):
    with (storefront / ".git" / "index").open("r+b") as index:
        index.truncate(1 << 40)

    async with sources.open("storefront", base="main", head="HEAD") as source:
        assert source.comparison.warnings == (UNKNOWN_STATE,)


@pytest.fixture
def plain(roots: Path) -> Path:
    """A folder that is in no repository: twenty files of a kilobyte, one of them ignored."""
    folder = roots / "plain"
    folder.mkdir()
    (folder / ".gitignore").write_text("ignored\n")
    for name in ["ignored", *map(str, range(20))]:
        (folder / name).write_bytes(b"x" * 1024)
    return folder


@pytest.mark.parametrize(
    "limits", [Limits(files=20, size_bytes=1 << 30), Limits(files=1 << 30, size_bytes=20 * 1024)]
)
async def test_a_folder_in_no_commit_is_measured_before_anything_of_it_is_copied(
    sources: GitSources, plain: Path, scratch: Path, limits: Limits
):
    with pytest.raises(WorkspaceTooLarge) as refused:
        async with sources_with(sources, limits=limits).open("plain", base="main", head="HEAD"):
            pass

    assert refused.value.members == {"files": 21, "size_bytes": 20 * 1024 + len("ignored\n")}


async def test_what_its_own_ignore_file_names_does_not_count(sources: GitSources, plain: Path):
    limits = Limits(files=21, size_bytes=20 * 1024 + len("ignored\n"))

    async with sources_with(sources, limits=limits).open("plain", base="main", head="HEAD") as source:
        assert source.comparison.warnings == (NO_GIT,)


async def test_a_file_too_large_to_copy_is_refused_at_once(sources: GitSources, plain: Path, scratch: Path):
    with (plain / "giant").open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(WorkspaceTooLarge):
        async with sources.open("plain", base="main", head="HEAD"):
            pass

    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("cannot read /srv/roots/shop/nx.json", "cannot read …"),
        ("in '/a b/c'", "in '… b/c'"),
        ("libs/ui/project.json: bad", "libs/ui/project.json: bad"),
        ("./libs/ui and ../up", "./libs/ui and ../up"),
        ("file:/etc/passwd:3", "file:…:3"),
        ("and/or", "and/or"),
    ],
)
def test_what_a_program_says_is_told_without_folders_of_this_machine(said: str, told: str):
    assert without_paths(said) == told
