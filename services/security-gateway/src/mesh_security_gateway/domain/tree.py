"""The Merkle tree of RFC 9162 §2.1 over SHA-256: it grows at its right edge and proves what is in it.

A proof is a list of ranges of leaves, first and end, whose roots together are the tree. A range is put
together from complete subtrees, of which those with 256, 256², … leaves are kept.
"""

import hashlib
from collections.abc import Iterable, Sequence

from msgspec import Struct

EMPTY = hashlib.sha256(b"").digest()
HASH_BYTES = 32
STEP = 8
"""Levels between subtrees that are kept."""
KEPT_LEAVES = 1 << STEP

Range = tuple[int, int]


def leaf(entry: bytes) -> bytes:
    """The hash of an entry. It begins with a byte of its own, so that no node passes for an entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash over two neighbouring subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root(peaks: Sequence[bytes]) -> bytes:
    """The root over neighbouring complete subtrees, each larger than the next."""
    if not peaks:
        return EMPTY
    whole = peaks[-1]
    for peak in reversed(peaks[:-1]):
        whole = node(peak, whole)
    return whole


class Subtree(Struct, frozen=True):
    """A complete subtree of 2^`height` leaves; `index` counts those of its height from the left."""

    height: int
    index: int
    hash: bytes


class Edge(Struct, frozen=True):
    """All that growing takes: the number of leaves, and the roots of complete subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """The root over all leaves."""
        return root(self.peaks)

    def grown(self, added: bytes) -> tuple["Edge", list[Subtree]]:
        """The edge with one more leaf, and the subtrees to keep that it completed."""
        peaks, height, kept = list(self.peaks), 0, list[Subtree]()
        while self.size >> height & 1:
            added, height = node(peaks.pop(), added), height + 1
            if height % STEP == 0:
                kept.append(Subtree(height, self.size >> height, added))
        return Edge(self.size + 1, (*peaks, added)), kept


def grown(edge: Edge, leaves: Iterable[bytes]) -> Edge:
    """The edge with all `leaves`."""
    for added in leaves:
        edge, _ = edge.grown(added)
    return edge


def inclusion(index: int, size: int) -> list[Range]:
    """Whose roots prove that the leaf `index` (from 0) is in the tree of `size` leaves (§2.1.3.1)."""
    low, high, found = 0, size, list[Range]()
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low = middle
    return found[::-1]


def consistency(first: int, second: int) -> list[Range]:
    """Whose roots prove that the tree of `first` leaves is the beginning of that of `second` (§2.1.4.1)."""
    low, high, found, is_known = 0, second, list[Range](), True
    while 0 < first < high:
        middle = low + _split(high - low)
        if first <= middle:
            found.append((middle, high))
            high = middle
        else:
            found.append((low, middle))
            low, is_known = middle, False
    return found[::-1] if is_known else [(low, high), *found[::-1]]


def cover(low: int, high: int) -> list[tuple[int, int]]:
    """Height and index of the complete subtrees that make up the leaves from `low` to before `high`."""
    found = list[tuple[int, int]]()
    while low < high:
        height = (high - low).bit_length() - 1
        if low:
            height = min(height, (low & -low).bit_length() - 1)
        found.append((height, low >> height))
        low += 1 << height
    return found


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
