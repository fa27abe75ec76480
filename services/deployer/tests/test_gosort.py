"""Go's order of equal items, which its package `sort` gave once; where all differ it is just the order."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.gosort import MAX_STABLE, _Sorter, sort, sort_stable

RECORDED = [
    (13, 7, 3, "3406e2b5261c"),
    (20, 11, 2, "e2871e5d3443"),
    (40, 7, 5, "fead5f076dfa"),
    (60, 1, 60, "a15f072314ee"),
    (60, 59, 60, "783a3841c3b0"),
    (64, 37, 8, "cd2d90116fde"),
    (120, 77, 11, "9180df2cfb97"),
    (300, 1, 2, "a6366950cb72"),
    (500, 123, 50, "f7ad13958c41"),
]


@pytest.mark.parametrize(("count", "step", "modulus", "digest"), RECORDED)
def test_equal_items_come_in_the_order_of_gos_sort(count: int, step: int, modulus: int, digest: str):
    items = [i * step % count * 10007 % 1009 for i in range(count)]

    ordered = sort(items, lambda one, other: one % modulus < other % modulus)

    assert sha256(str(ordered).encode()).hexdigest()[:12] == digest
    assert ordered != sorted(items, key=lambda item: item % modulus), "a stable sort would do"


@given(st.lists(st.integers(), max_size=300))
def test_what_differs_is_sorted(items: list[int]):
    assert sort(items, lambda one, other: one < other) == sorted(items)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=MAX_STABLE))
def test_the_stable_sort_keeps_equal_items_as_they_were(items: list[tuple[int, int]]):
    assert sort_stable(items, lambda one, other: one[0] < other[0]) == sorted(items, key=lambda item: item[0])


def test_hostile_orders_are_sorted_all_the_same():
    """Patterns against the choice of a pivot: organ pipes, saws, and long runs of one value."""
    pipes = [*range(200), *range(200, 0, -1)]
    saw = [i % 7 * (-1) ** i for i in range(400)]

    for items in (pipes, saw, [1] * 400, pipes + saw):
        assert sort(items, lambda one, other: one < other) == sorted(items)


@given(st.lists(st.integers(), min_size=13, max_size=100))
def test_after_too_many_bad_pivots_a_heap_sorts(items: list[int]):
    sorter = _Sorter(list(items), lambda one, other: one < other)

    sorter.quick(0, len(items), limit=0)

    assert sorter.items == sorted(items)
