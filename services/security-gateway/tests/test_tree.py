"""The tree of RFC 9162: written from the standard's own recursive definitions, and compared with ours."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain import tree
from mesh_security_gateway.domain.tree import STEP, Edge, Subtree
from sqlalchemy import text

if TYPE_CHECKING:
    from conftest import Operator

# The known answers of the tests of Certificate Transparency.
KNOWN = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
Sizes = st.integers(1, 600)


def leaves(count: int) -> list[bytes]:
    return [tree.leaf(str(n).encode()) for n in range(count)]


def mth(hashes: Sequence[bytes]) -> bytes:
    """MTH of §2.1.1, as it stands there."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return hashlib.sha256(b"\1" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def split(count: int) -> int:
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def included(hash: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that a path of inclusion gives, by the algorithm of §2.1.3.2; None for no path."""
    node, last = index, size - 1
    for each in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            hash = tree.node(each, hash)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            hash = tree.node(hash, each)
        node, last = node >> 1, last >> 1
    return hash if last == 0 else None


def consistent(first: int, second: int, old: bytes, path: list[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots that a path of consistency gives, by the algorithm of §2.1.4.2; None for no path."""
    if first & (first - 1) == 0:
        path = [old, *path]
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for each in path[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            before, after = tree.node(each, before), tree.node(each, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = tree.node(after, each)
        node, last = node >> 1, last >> 1
    return (before, after) if last == 0 else None


def test_the_roots_are_those_of_certificate_transparency():
    hashes = [tree.leaf(bytes.fromhex(entry)) for entry in KNOWN]

    assert [tree.grown(Edge(), hashes[:size]).root().hex() for size in range(9)] == ROOTS


@given(Sizes)
def test_a_tree_that_grew_leaf_by_leaf_has_the_root_of_the_definition(size: int):
    assert tree.grown(Edge(), leaves(size)).root() == mth(leaves(size))


@given(Sizes, st.data())
def test_every_entry_can_be_proved_and_no_other_in_its_place(size: int, data: st.DataObject):
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    path = [mth(hashes[low:high]) for low, high in tree.inclusion(index, size)]

    assert included(hashes[index], index, size, path) == mth(hashes)
    assert included(tree.leaf(b"another"), index, size, path) != mth(hashes)


@given(Sizes, st.data())
def test_every_beginning_of_the_record_can_be_proved_to_be_one(size: int, data: st.DataObject):
    hashes = leaves(size)
    first = data.draw(st.integers(1, size))
    path = [mth(hashes[low:high]) for low, high in tree.consistency(first, size)]

    if first == size:
        assert path == []
    else:
        assert consistent(first, size, mth(hashes[:first]), path) == (mth(hashes[:first]), mth(hashes))


def test_that_something_follows_on_nothing_needs_no_proof():
    assert tree.consistency(0, 7) == []


@given(st.integers(0, 600))
def test_complete_subtrees_cover_the_record_and_are_its_edge(size: int):
    hashes = leaves(size)
    covered = [(index << height, (index + 1) << height) for height, index in tree.cover(0, size)]

    assert [first for first, _ in covered] == [0, *(end for _, end in covered)][: len(covered)]
    assert Edge(size, tuple(mth(hashes[low:high]) for low, high in covered)) == tree.grown(Edge(), hashes)


@given(st.integers(1, 600), st.data())
def test_every_range_of_a_proof_is_put_together_from_complete_subtrees(size: int, data: st.DataObject):
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))

    for low, high in tree.inclusion(index, size):
        parts = [mth(hashes[i << height : (i + 1) << height]) for height, i in tree.cover(low, high)]
        assert tree.root(parts) == mth(hashes[low:high])


def test_every_256_entries_a_subtree_is_kept():
    edge, kept, hashes = Edge(), list[Subtree](), leaves(600)
    for hash in hashes:
        edge, completed = edge.grown(hash)
        kept += completed

    assert [(sub.height, sub.index) for sub in kept] == [(STEP, 0), (STEP, 1)]
    assert [sub.hash for sub in kept] == [mth(hashes[:256]), mth(hashes[256:512])]


@pytest.mark.parametrize("entry", [b"", tree.leaf(b"a") + tree.leaf(b"b")])
def test_no_entry_passes_for_a_node(entry: bytes):
    assert tree.leaf(entry) != tree.node(entry[:32], entry[32:])


def hashes(path: list[str]) -> list[bytes]:
    return [bytes.fromhex(hash) for hash in path]


async def test_every_entry_is_proved_to_be_in_the_checkpoint(recorded: Operator):
    now = await recorded.checkpoint()

    for sequence in (1, 2, 255, 256, 257, 512, now.size):
        proof = await recorded.read("/v1/audit/proof/inclusion", sequence=sequence, size=now.size)
        leaf = bytes.fromhex(proof["leaf_hash"])
        assert included(leaf, sequence - 1, now.size, hashes(proof["path"])) == now.root, sequence


async def test_every_earlier_checkpoint_is_proved_to_be_the_beginning_of_the_later(recorded: Operator):
    earlier = await recorded.checkpoint()
    await recorded.connect("https://api.github.com", allow_private=False)
    later = await recorded.checkpoint()

    proof = await recorded.read("/v1/audit/proof/consistency", first=earlier.size, second=later.size)
    none = await recorded.read("/v1/audit/proof/consistency", first=0)

    assert later.size > earlier.size
    roots = consistent(earlier.size, later.size, earlier.root, hashes(proof["path"]))
    assert roots == (earlier.root, later.root)
    assert none["path"] == []


async def test_what_the_record_does_not_have_cannot_be_proved(operator: Operator):
    size = (await operator.checkpoint()).size

    for path, params in (
        ("inclusion", {"sequence": size + 1}),
        ("inclusion", {"sequence": 1, "size": size + 1}),
        ("consistency", {"first": size + 1}),
        ("consistency", {"first": 1, "second": size + 1}),
    ):
        refused = await operator.get(f"/v1/audit/proof/{path}", **params)
        assert (refused.status_code, refused.json()["code"]) == (404, "proof-impossible")


async def test_a_hole_in_the_record_is_named_and_never_proved_over(recorded: Operator):
    async with recorded.app.state.platform.database.write() as session:
        await session.execute(text("DELETE FROM audit_entries WHERE sequence = 700"))

    refused = await recorded.get("/v1/audit/proof/inclusion", sequence=690)

    assert (refused.status_code, refused.json()["code"]) == (409, "entry-unreadable")
