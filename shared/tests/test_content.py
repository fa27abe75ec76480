import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_cli import parts
from mesh_shared.content import cid, unixfs
from mesh_shared.content.cid import ParsedCid
from mesh_shared.content.embedded import EmbeddedStore
from mesh_shared.content.errors import ContentCorrupt, ContentNotFound, ContentTooLarge, StoreUnavailable
from mesh_shared.content.kubo import KuboStore
from mesh_shared.content.store import ContentStore, collect, once

ABSENT = str(cid.of(b"nobody ever stored this"))
SIZES = [0, 1, 262_144, 262_145, 3 * 262_144, 175 * 262_144 + 1]


@pytest.fixture(params=["embedded", "kubo"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ContentStore]:
    """Each adapter in turn; they pass the same tests."""
    if request.param == "embedded":
        yield EmbeddedStore(tmp_path)
        return
    _, port = request.getfixturevalue("kubo")
    kubo = KuboStore("127.0.0.1", port)
    yield kubo
    await kubo.close()


def pattern(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(range(size % 251))


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_added_comes_back_under_its_cid(store: ContentStore, size: int):
    data = pattern(size)

    stored = await store.add(once(data))

    assert stored.size == size
    assert await collect(store.cat(stored.cid), size) == data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"hello", "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"),
        (b"", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
        (bytes(262_144), "bafkreiekhhjkxu4ztk3tyng3er3ijhg56mb44oe3gwbgquhzu4afrg2ksa"),
        (bytes(262_145), "bafybeigllfqgfpqydppr6cmv56g7ax4wyhruzswvcefv6j5kj77nzttfki"),
        (bytes(174 * 262_144), "bafybeibxsa3ioclowpaq7b6gxl65gzqneopfr3fnhedak6sqr4bjz5lnyq"),
        (bytes(174 * 262_144 + 5), "bafybeiamtwkyyosgqkiyhjkkasophwy2um6dap7lwjeel3vxam3qlglf3u"),
    ],
    ids=["text", "nothing", "a chunk", "a chunk and a byte", "a node of links", "a tree of nodes"],
)
async def test_the_cid_is_the_one_that_ipfs_add_gives(store: ContentStore, data: bytes, expected: str):
    assert (await store.add(once(data))).cid == expected


async def test_what_nobody_stored_is_not_found(store: ContentStore):
    with pytest.raises(ContentNotFound):
        await collect(store.cat(ABSENT), 100)


@pytest.mark.parametrize("text", ["", "Qm" + "a" * 44, "bafy", "zb2rh", "b" * 59, "../../etc/passwd"])
async def test_what_is_no_cid_of_ours_is_not_found(store: ContentStore, text: str):
    with pytest.raises(ContentNotFound):
        await collect(store.cat(text), 100)


async def test_more_than_the_caller_wants_is_refused(store: ContentStore):
    stored = await store.add(once(b"12345"))

    with pytest.raises(ContentTooLarge):
        await collect(store.cat(stored.cid), 4)


@pytest.mark.parametrize("size", [5, 262_145])
async def test_one_changed_byte_is_noticed_and_refused(tmp_path: Path, size: int):
    store = EmbeddedStore(tmp_path)
    stored = await store.add(once(bytes(size)))
    for block in tmp_path.iterdir():
        content = bytearray(block.read_bytes())
        content[-1] ^= 1
        block.write_bytes(content)

    with pytest.raises(ContentCorrupt):
        await collect(store.cat(stored.cid), size)


async def test_adding_again_heals_a_broken_block(tmp_path: Path):
    store = EmbeddedStore(tmp_path)
    stored = await store.add(once(b"hello"))
    (tmp_path / stored.cid).write_bytes(b"hellO")

    await store.add(once(b"hello"))

    assert await collect(store.cat(stored.cid), 5) == b"hello"


async def test_a_store_that_is_gone_says_so(tmp_path: Path):
    store = EmbeddedStore(tmp_path / "nowhere")

    with pytest.raises(StoreUnavailable):
        await store.add(once(b"hello"))
    with pytest.raises(StoreUnavailable):
        await collect(store.cat(ABSENT), 100)
    with pytest.raises(StoreUnavailable):
        await store.ping()


async def test_a_kubo_that_is_down_says_so():
    store = KuboStore("127.0.0.1", parts.free_port())

    with pytest.raises(StoreUnavailable):
        await store.ping()
    with pytest.raises(StoreUnavailable):
        await store.add(once(b"hello"))

    await store.close()


async def test_a_tree_that_is_no_file_is_refused():
    async def get(_: ParsedCid) -> bytes:
        return b"\x12\x02"

    with pytest.raises(ContentCorrupt):
        await collect(unixfs.read(cid.of(b"\x12\x02", cid.DAG_PB), get), 100)


@pytest.mark.parametrize("leaf", [cid.of(b""), cid.of(unixfs._field(1, b"\x08\x02"), cid.DAG_PB)], ids=str)
async def test_a_tree_of_empty_parts_is_refused_at_once(leaf: ParsedCid):
    blocks = {leaf: b"" if leaf.codec == cid.RAW else unixfs._field(1, b"\x08\x02")}
    top = unixfs.Node(leaf, 0, 0)
    for _ in range(unixfs.MAX_DEPTH - 1):
        block = unixfs._field(2, unixfs._link(top)) * unixfs.LINKS + unixfs._field(1, b"\x08\x02")
        top = unixfs.Node(cid.of(block, cid.DAG_PB), 0, 0)
        blocks[top.cid] = block
    asked: list[ParsedCid] = []

    async def get(block: ParsedCid) -> bytes:
        asked.append(block)
        return blocks[block]

    with pytest.raises(ContentCorrupt):
        await collect(unixfs.read(top.cid, get), 100)

    assert len(asked) == unixfs.MAX_DEPTH


Chunking = Callable[[bytes], AsyncIterator[bytes]]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 300_000), max_size=6))
def test_the_cid_does_not_depend_on_how_the_bytes_arrive(sizes: list[int]):
    async def pieces() -> AsyncIterator[bytes]:
        for size in sizes:
            yield bytes(size)

    async def forget(_: ParsedCid, __: bytes) -> None: ...

    async def roots() -> tuple[ParsedCid, ParsedCid]:
        whole = await unixfs.write(once(bytes(sum(sizes))), forget)
        return whole.cid, (await unixfs.write(pieces(), forget)).cid

    whole, pieced = asyncio.run(roots())
    assert whole == pieced


@given(st.binary(max_size=100), st.sampled_from([cid.RAW, cid.DAG_PB]))
def test_a_cid_survives_its_text_form(block: bytes, codec: int):
    assert cid.parse(str(cid.of(block, codec))) == cid.of(block, codec)


HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"


@pytest.mark.parametrize("text", ["b" + HELLO[1:].upper(), HELLO + "======", HELLO[:-1] + "r"])
def test_one_content_has_one_name(text: str):
    with pytest.raises(ValueError, match="canonical"):
        cid.parse(text)
