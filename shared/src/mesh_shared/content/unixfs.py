"""Files as Kubo writes them: chunks of 256 KiB, raw leaves, balanced tree of 174 links a node.

Source: github.com/ipfs/specs UNIXFS.md and dag-pb; the layout parameters are those of
`ipfs add --cid-version=1` (boxo/ipld/unixfs/importer/helpers: DefaultLinksPerBlock = 174).
Compared with Kubo itself in the tests.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from mesh_shared.content import cid as cids
from mesh_shared.content.cid import DAG_PB, RAW, ParsedCid
from mesh_shared.content.errors import ContentCorrupt

CHUNK_BYTES = 256 * 1024
LINKS = 174
MAX_DEPTH = 8
_FILE = 2
_VARINT, _BYTES = 0, 2
_VARINT_BITS = 64

PutBlock = Callable[[ParsedCid, bytes], Awaitable[None]]
GetBlock = Callable[[ParsedCid], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the tree: its address, the file bytes below it, and the size of all its blocks."""

    cid: ParsedCid
    file_bytes: int
    dag_bytes: int


async def write(data: AsyncIterator[bytes], put: PutBlock) -> Node:
    """Stores the file that `data` yields, block by block; returns its root.

    Holds one chunk and at most `LINKS` links a level in memory.
    """
    levels: list[list[Node]] = [[]]
    async for chunk in _chunks(data):
        await _push(levels, 0, await _leaf(chunk, put), put)
    if not levels[0] and len(levels) == 1:
        return await _leaf(b"", put)
    height = 0
    while height < len(levels) - 1:  # a push can add a level
        await _push(levels, height + 1, await _branch(levels[height], put), put)
        height += 1
    top = levels[-1]
    return top[0] if len(top) == 1 else await _branch(top, put)


async def read(root: ParsedCid, get: GetBlock, depth: int = 0) -> AsyncIterator[bytes]:
    """The file's bytes in order; every block is checked against its CID before a byte of it is given out.

    Raises `ContentCorrupt` for a block that does not match, a tree that is not a file, and a part of a tree
    that is empty: a few blocks of these could keep a reader busy for years without a byte.
    """
    block = await get(root)
    if not root.is_of(block) or (depth > 0 and not block):
        raise ContentCorrupt(str(root))
    if root.codec == RAW:
        yield block
        return
    inline, links = _parse_branch(root, block)
    if depth == MAX_DEPTH or (depth > 0 and not inline and not links):
        raise ContentCorrupt(str(root))
    if inline:
        yield inline
    for link in links:
        async for part in read(link, get, depth + 1):
            yield part


async def _chunks(data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    buffer = bytearray()
    async for piece in data:
        buffer += piece
        while len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer[:CHUNK_BYTES])
            del buffer[:CHUNK_BYTES]
    if buffer:
        yield bytes(buffer)


async def _leaf(chunk: bytes, put: PutBlock) -> Node:
    cid = cids.of(chunk)
    await put(cid, chunk)
    return Node(cid, len(chunk), len(chunk))


async def _push(levels: list[list[Node]], height: int, node: Node, put: PutBlock) -> None:
    """Adds `node` at `height`; a full row first becomes one node of the row above."""
    if height == len(levels):
        levels.append([])
    row = levels[height]
    if len(row) == LINKS:
        branch = await _branch(row, put)
        row.clear()
        await _push(levels, height + 1, branch, put)
    row.append(node)


async def _branch(children: list[Node], put: PutBlock) -> Node:
    block = b"".join(_field(2, _link(child)) for child in children) + _field(1, _file_header(children))
    cid = cids.of(block, DAG_PB)
    await put(cid, block)
    file_bytes = sum(child.file_bytes for child in children)
    return Node(cid, file_bytes, len(block) + sum(child.dag_bytes for child in children))


def _link(child: Node) -> bytes:
    return _field(1, child.cid.to_bytes()) + _field(2, b"") + _number(3, child.dag_bytes)


def _file_header(children: list[Node]) -> bytes:
    sizes = b"".join(_number(4, child.file_bytes) for child in children)
    return _number(1, _FILE) + _number(3, sum(child.file_bytes for child in children)) + sizes


def _parse_branch(root: ParsedCid, block: bytes) -> tuple[bytes, list[ParsedCid]]:
    try:
        fields = list(_fields(block))
        hashes = [dict(_fields(body))[1] for number, body in fields if number == 2]  # noqa: PLR2004 - PBNode.Links
        header = dict(_fields(next(body for number, body in fields if number == 1)))
        kind, links = header[1], [cids.from_bytes(value) for value in hashes]
    except (ValueError, KeyError, IndexError, StopIteration):
        raise ContentCorrupt(str(root)) from None
    if kind != bytes((_FILE,)):
        raise ContentCorrupt(str(root))
    return header.get(2, b""), links


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Protobuf fields as (number, bytes); a varint is given as its minimal big-endian bytes."""
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        value, position = _read_varint(message, position)
        if tag & 7 == _BYTES:
            if position + value > len(message):
                raise ValueError("cut off")
            yield tag >> 3, message[position : position + value]
            position += value
        elif tag & 7 == _VARINT:
            yield tag >> 3, value.to_bytes(max(1, (value.bit_length() + 7) // 8))
        else:
            raise ValueError("not a field of dag-pb or UnixFS")


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    """A number and where it ends. At most 64 bits: an endless one would take the square of its length."""
    value = 0
    for shift in range(0, _VARINT_BITS, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, position
    raise ValueError("a number without an end")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(body)) + body


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)
