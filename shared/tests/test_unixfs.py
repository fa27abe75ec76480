"""Blocks of strangers: whatever their bytes are, they are a file or they are refused, and soon."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.content import cid, unixfs
from mesh_shared.content.cid import DAG_PB, RAW, ParsedCid
from mesh_shared.content.errors import ContentCorrupt, ContentTooLarge
from mesh_shared.content.store import collect
from mesh_shared.content.unixfs import _field, _number

FILE, DIRECTORY, SYMLINK = 2, 1, 4
HELLO = cid.of(b"hello")


def link(target: ParsedCid) -> bytes:
    return _field(2, _field(1, target.to_bytes()))


def header(kind: int = FILE, data: bytes = b"") -> bytes:
    return _field(1, _number(1, kind) + (_field(2, data) if data else b""))


def read(block: bytes, others: Mapping[ParsedCid, bytes] | None = None, limit: int = 1000) -> bytes:
    root = cid.of(block, DAG_PB)
    blocks = {root: block, HELLO: b"hello"} | dict(others or {})

    async def get(wanted: ParsedCid) -> bytes:
        return blocks.get(wanted, b"")

    return asyncio.run(collect(unixfs.read(root, get), limit))


def test_a_file_may_have_its_first_bytes_in_the_node_itself():
    assert read(link(HELLO) + header(data=b"oh, ")) == b"oh, hello"


def test_parts_come_in_the_order_of_their_links():
    world = cid.of(b" world")

    assert read(link(HELLO) + link(world) + link(HELLO) + header(), {world: b" world"}) == b"hello worldhello"


@pytest.mark.parametrize("kind", [DIRECTORY, SYMLINK, FILE + 256])
def test_what_is_no_file_is_refused(kind: int):
    with pytest.raises(ContentCorrupt):
        read(link(HELLO) + header(kind))


MALFORMED = {
    "nothing": b"",
    "no header": link(HELLO),
    "a header without a kind": _field(1, b""),
    "a link without a hash": _field(2, _field(2, b"name")) + header(),
    "a link to another kind of hash": _field(2, _field(1, b"\x01\x55\x13\x40" + bytes(64))) + header(),
    "a link that is cut off": link(HELLO)[:-1],
    "a fixed-size number": b"\x09" + bytes(8),
    "a length without its bytes": b"\x0a\x7f",
    "a number that is cut off": b"\x0a\x80",
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_node_that_cannot_be_read_is_refused(fault: str):
    with pytest.raises(ContentCorrupt):
        read(MALFORMED[fault])


def test_a_number_without_an_end_is_refused_at_its_tenth_byte():
    """Two MiB of continuation bits would keep the process busy for a quarter of an hour."""
    block = b"\xff" * (2 << 20)

    with pytest.raises(ContentCorrupt):
        read(block)


PIECES = [
    link(HELLO),
    header(),
    header(data=b"x"),
    header(DIRECTORY),
    b"\x0a",
    b"\x12\x02",
    b"\x80",
    b"\x1a\x00",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=5), max_size=8).map(b"".join))
def test_any_bytes_are_a_file_or_are_refused(block: bytes):
    try:
        found = read(block)
    except ContentCorrupt:
        return
    assert found.replace(b"hello", b"") in (b"", b"x")


@given(st.integers(0, 2**64 - 1))
def test_a_number_is_read_as_it_was_written(value: int):
    written = unixfs._varint(value)

    assert unixfs._read_varint(written + b"\x01", 0) == (value, len(written))


def test_a_part_that_is_another_one_than_its_link_says_gives_out_nothing_of_it():
    with pytest.raises(ContentCorrupt):
        read(link(HELLO) + header(), {HELLO: b"jello"})


def test_one_part_linked_a_thousand_times_ends_at_the_reader_s_limit():
    with pytest.raises(ContentTooLarge):
        read(link(HELLO) * 1000 + header(), limit=4999)

    assert len(read(link(HELLO) * 1000 + header(), limit=5000)) == 5000


def test_a_tree_that_is_too_deep_is_refused():
    blocks: dict[ParsedCid, bytes] = {}
    top = HELLO
    for _ in range(unixfs.MAX_DEPTH + 1):
        block = link(top) + header()
        top = cid.of(block, DAG_PB)
        blocks[top] = block

    with pytest.raises(ContentCorrupt):
        read(blocks[top], blocks)


@given(
    st.binary(max_size=64) | st.binary(min_size=31, max_size=33).map(lambda data: HELLO.to_bytes()[:4] + data)
)
def test_bytes_are_a_cid_of_ours_or_none(binary: bytes):
    try:
        parsed = cid.from_bytes(binary)
    except ValueError:
        return
    assert parsed.to_bytes() == binary


@pytest.mark.parametrize("place", range(4))
def test_a_cid_of_another_version_codec_or_hash_is_none_of_ours(place: int):
    binary = bytearray(HELLO.to_bytes())
    binary[place] ^= 2

    with pytest.raises(ValueError, match="CIDv1"):
        cid.from_bytes(bytes(binary))


@pytest.mark.parametrize("codec", [RAW, DAG_PB])
def test_a_cid_is_of_its_block_and_of_no_other(codec: int):
    name = cid.of(b"block", codec)

    assert name.is_of(b"block")
    assert not name.is_of(b"block ")
