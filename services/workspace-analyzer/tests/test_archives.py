"""Workspaces as tar archives: what is read, and what is refused without a byte outside of its folder."""

import asyncio
import gzip
import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from mesh_workspace_analyzer.adapters.archives import CHUNK_BYTES, MOST_RATIO, NO_HISTORY, ArchiveSources
from mesh_workspace_analyzer.adapters.sources import Limits
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import Comparison
from mesh_workspace_analyzer.errors import AnalysisTimedOut, ArchiveRefused, WorkspaceTooLarge

Member = tuple[str, bytes | None]
LINKS = {"symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "pipe": tarfile.FIFOTYPE}
DEVICES = {"character device": tarfile.CHRTYPE, "block device": tarfile.BLKTYPE}
KINDS = LINKS | DEVICES
SHOP = [
    ("nx.json", b"{}"),
    ("package.json", b"{}"),
    ("libs/money/project.json", json.dumps({"name": "money"}).encode()),
    ("libs/cart/project.json", json.dumps({"name": "cart", "implicitDependencies": ["money"]}).encode()),
]


def tarball(
    *members: Member, form: int = tarfile.PAX_FORMAT, special: tuple[str, bytes] | None = None
) -> bytes:
    """A packed archive of files, and of folders where there is no content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form, errors="surrogateescape") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.size = len(content or b"")
            tar.addfile(info, io.BytesIO(content or b""))
        if special is not None:
            info = tarfile.TarInfo(special[0])
            info.type, info.linkname = special[1], "/etc/passwd"
            tar.addfile(info)
    return buffer.getvalue()


async def in_pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


async def opened(
    archives: ArchiveSources,
    data: bytes,
    changed: Sequence[str] | None = None,
    changed_in: str | None = None,
) -> tuple[Comparison, frozenset[str]]:
    async with (
        archives.receive(in_pieces(data)) as archive,
        archives.open(archive, workspace="archive://shop", changed=changed, changed_in=changed_in) as source,
    ):
        return source.comparison, await source.names()


async def names(archives: ArchiveSources, *members: Member) -> frozenset[str]:
    return (await opened(archives, tarball(*members)))[1]


async def refused(archives: ArchiveSources, data: bytes) -> str:
    with pytest.raises(ArchiveRefused) as caught:
        await opened(archives, data)
    assert list(archives.scratch.iterdir()) == []
    return caught.value.detail


async def test_the_files_of_an_archive_are_read_and_nothing_is_left(archives: ArchiveSources):
    assert await names(archives, *SHOP) == {name for name, _ in SHOP}
    assert list(archives.scratch.iterdir()) == []


async def test_an_archive_need_not_be_packed(archives: ArchiveSources):
    _, found = await opened(archives, gzip.decompress(tarball(*SHOP)))

    assert "nx.json" in found


async def test_one_folder_around_everything_is_not_part_of_the_workspace(archives: ArchiveSources):
    around = [("shop-main", None), *((f"shop-main/{name}", content) for name, content in SHOP)]

    assert "nx.json" in await names(archives, *around)


async def test_without_changed_files_nobody_can_tell_what_changed(archives: ArchiveSources):
    comparison, _ = await opened(archives, tarball(*SHOP))

    assert (comparison.changes, comparison.warnings) == (None, (NO_HISTORY,))


async def test_named_files_have_changed_and_those_that_are_not_there_are_deleted(archives: ArchiveSources):
    comparison, _ = await opened(archives, tarball(*SHOP), ["nx.json", "libs/old/project.json"])

    assert comparison.changes == (Change("nx.json"), Change("libs/old/project.json", is_deleted=True))
    assert comparison.warnings == ()


async def test_a_file_of_the_archive_names_more_changed_files_than_an_address_holds(archives: ArchiveSources):
    many = [f"libs/money/file-{number}.ts" for number in range(2000)]
    listed = ("changed.txt", "\n".join([*many, ""]).encode())

    comparison, _ = await opened(archives, tarball(*SHOP, listed), ["nx.json"], "changed.txt")

    assert [change.path for change in comparison.changes or ()] == ["nx.json", *many]


async def test_changed_files_that_are_named_in_no_file_are_refused(archives: ArchiveSources):
    with pytest.raises(ArchiveRefused, match="is no text in it"):
        await opened(archives, tarball(*SHOP), changed_in="changed.txt")
    assert list(archives.scratch.iterdir()) == []


async def test_equal_archives_are_equal_trees(archives: ArchiveSources):
    one, _ = await opened(archives, tarball(*SHOP))
    other, _ = await opened(archives, tarball(*SHOP[::-1]))

    assert one.tree == other.tree


async def test_names_that_are_no_text_are_read(archives: ArchiveSources):
    odd = b"libs/\xff.ts".decode(errors="surrogateescape")

    for form in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        _, found = await opened(archives, tarball(*SHOP, (odd, b""), form=form))

        assert "libs/\N{REPLACEMENT CHARACTER}.ts" in found


@pytest.mark.parametrize("kind", KINDS)
async def test_links_and_devices_are_refused(archives: ArchiveSources, kind: str):
    said = await refused(archives, tarball(*SHOP, special=("odd", KINDS[kind])))

    assert said == "odd is a link or a device: leave it out."


@pytest.mark.parametrize("name", ["/etc/evil", "../evil", "libs/../../evil", "./../evil"])
async def test_a_path_that_leads_out_is_refused(archives: ArchiveSources, name: str, tmp_path: Path):
    assert "leads out of the archive" in await refused(archives, tarball((name, b"x")))
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("name", [".git/config", "libs/.GIT/hooks/post-checkout", ".git"])
async def test_a_repository_is_refused(archives: ArchiveSources, name: str):
    assert "is a repository" in await refused(archives, tarball(*SHOP, (name, b"[core]")))


async def test_a_file_that_is_there_twice_is_refused(archives: ArchiveSources):
    assert "FileExistsError" in await refused(archives, tarball(("a", b"1"), ("a", b"2")))


async def test_a_file_that_is_a_folder_too_is_refused(archives: ArchiveSources):
    await refused(archives, tarball(("a", b"1"), ("a/b", b"2")))


async def test_a_name_that_is_too_long_for_a_file_is_refused(archives: ArchiveSources):
    await refused(archives, tarball(("x" * 300, b"1")))


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"not an archive" * 100])
async def test_what_is_no_archive_is_refused(archives: ArchiveSources, data: bytes):
    await refused(archives, data)


async def test_half_of_an_archive_is_refused(archives: ArchiveSources):
    await refused(archives, tarball(*SHOP)[:-50])


async def test_more_files_than_are_read_are_refused(archives: ArchiveSources):
    many = [(f"f{number}", b"") for number in range(101)]

    with pytest.raises(WorkspaceTooLarge):
        await names(archives, *many)


async def test_a_bomb_is_given_up_long_before_it_is_unpacked(archives: ArchiveSources):
    bomb = tarball(("zeros", bytes(20_000_000)))
    large = replace(archives, limits=Limits(files=100, size_bytes=10**9))

    assert max(len(bomb), CHUNK_BYTES) * MOST_RATIO < 20_000_000
    with pytest.raises(WorkspaceTooLarge):
        await opened(large, bomb)


async def test_many_small_files_that_are_too_much_together_are_refused(archives: ArchiveSources):
    with pytest.raises(WorkspaceTooLarge):
        await names(archives, *((f"f{number}", bytes(20_000)) for number in range(60)))


async def test_a_header_that_claims_more_than_there_is_is_refused(archives: ArchiveSources):
    info = tarfile.TarInfo("huge")
    info.size = 1 << 40

    with pytest.raises(WorkspaceTooLarge):
        await opened(archives, info.tobuf(tarfile.GNU_FORMAT))


async def test_unpacking_has_a_limit_of_time(archives: ArchiveSources):
    with pytest.raises(AnalysisTimedOut):
        await opened(replace(archives, timeout_s=0), tarball(*SHOP))


async def sent(http: AsyncClient, data: bytes, **query: str | list[str]) -> Any:
    headers = {"Content-Type": "application/gzip"}
    return await http.post("/v1/archives", content=data, params=query, headers=headers)


async def test_an_archive_is_analysed_over_http_and_again_is_the_same(http: AsyncClient):
    query: dict[str, str | list[str]] = {"name": "shop", "changed": ["libs/money/index.ts"]}
    packed = tarball(*SHOP)  # gzip writes down when that was

    made = await sent(http, packed, **query)
    again = await sent(http, packed, **query)

    analysis = made.json()
    assert (made.status_code, analysis["workspaceRoot"]) == (201, "archive://shop")
    assert (analysis["affectedStatus"], analysis["affectedProjects"]) == ("exact", ["cart", "money"])
    assert made.headers["location"] == f"/v1/analyses/{analysis['id']}"
    assert (again.status_code, again.json()["id"]) == (201, analysis["id"])


async def test_other_changed_files_are_another_analysis(http: AsyncClient):
    queries: list[dict[str, str | list[str]]] = [
        {},
        {"changed": ["a"]},
        {"changed": ["b"]},
        {"name": "other"},
        {"changed_in": "nx.json"},
    ]

    ids = {(await sent(http, tarball(*SHOP), **query)).json()["id"] for query in queries}

    assert len(ids) == 5


async def test_an_archive_that_is_refused_says_why(http: AsyncClient):
    answer = await sent(http, tarball(("../evil", b"")))

    assert (answer.status_code, answer.json()["code"]) == (409, "archive-refused")


async def test_an_archive_that_is_no_workspace_says_so(http: AsyncClient):
    answer = await sent(http, tarball(("readme", b"")))

    assert (answer.status_code, answer.json()["code"]) == (409, "not-a-workspace")


async def test_another_form_is_not_taken(http: AsyncClient):
    zipped = {"Content-Type": "application/zip"}

    assert (await http.post("/v1/archives", content=b"PK", headers=zipped)).status_code == 415


async def test_an_archive_beyond_the_limit_is_not_read(
    make_app: Callable[..., Any], caller: dict[str, str], remembering: Any
):
    async with remembering(make_app(max_archive_bytes=2000)) as http:
        answer = await sent(http, bytes(3000))

    assert answer.status_code == 413


async def test_what_came_as_an_archive_is_gone_when_it_should_be_built(
    make_app: Callable[..., Any], remembering: Any
):
    async with remembering(make_app(allow_builds=True)) as http:
        id = (await sent(http, tarball(*SHOP))).json()["id"]
        place = (await http.post(f"/v1/analyses/{id}/builds", headers={"Idempotency-Key": "k1"})).headers[
            "location"
        ]
        async with asyncio.timeout(30):
            while (build := (await http.get(place)).json())["success"] is None:
                await asyncio.sleep(0.02)

    assert (build["status"], "no such folder" in build["log_tail"]) == ("failed", True)
