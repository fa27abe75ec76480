"""Which grants fit a call, however many there are."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain.grants import Budget, Grant, Rate
from mesh_security_gateway.domain.holding import MOST_TRIED, Holding
from mesh_security_gateway.domain.patterns import Patterns

RATE, BUDGET = Rate(calls=1, per_s=1), Budget(units=1, per_call=1)


def grant(
    number: int, *paths: str, methods: tuple[str, ...] = ("GET",), expires_at: int | None = None
) -> Grant:
    return Grant(
        id=UUID(int=number),
        subject="agent-7",
        connection="github",
        methods=methods,
        paths=paths or ("/**",),
        expires_at=expires_at,
        is_revoked=False,
    )


def fitting(
    holding: Holding, path: str, method: str = "GET", now: float = 0
) -> list[tuple[int, tuple[str, ...]]]:
    return [(found.id.int, patterns) for found, patterns in holding.fitting(method, path, now)]


def test_a_call_gets_its_grants_with_the_patterns_that_cover_it():
    holding = Holding([grant(1, "/a/*", "/b", "/a/**"), grant(2, "/b"), grant(3, "/a/b")], 0)

    assert fitting(holding, "/a/b") == [(1, ("/a/*", "/a/**")), (3, ("/a/b",))]
    assert fitting(holding, "/b") == [(1, ("/b",)), (2, ("/b",))]
    assert fitting(holding, "/c") == []
    assert fitting(holding, "/b", "POST") == []


def test_the_freest_grant_comes_first():
    bare, paced, bounded = grant(1), replace(grant(2), rate=RATE), replace(grant(3), budget=BUDGET)
    watched = replace(grant(4), needs_approval=True)

    holding = Holding([watched, bounded, paced, bare], 0)

    assert [number for number, _ in fitting(holding, "/x")] == [1, 2, 3, 4]


def test_a_grant_that_expired_or_was_revoked_stays_known_and_fits_nothing():
    holding = Holding([grant(1, expires_at=10), grant(2, expires_at=20)], 5)

    assert len(holding.grants) == 2
    assert [number for number, _ in fitting(holding, "/x", now=9)] == [1, 2]
    assert [number for number, _ in fitting(holding, "/x", now=10)] == [2]
    assert fitting(Holding([grant(1, expires_at=10)], 10), "/x", now=0) == []


def test_a_call_is_tried_with_so_many_grants_and_no_more():
    holding = Holding([grant(n, "/**", "/x", "/*") for n in range(100)], 0)

    assert len(fitting(holding, "/x")) == MOST_TRIED
    assert len({number for number, _ in fitting(holding, "/x")}) == MOST_TRIED


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b*", "*", "**", "", "a.b"]), min_size=1, max_size=4).map("/".join),
        max_size=12,
    ),
    st.lists(st.sampled_from(["a", "b", "bb", "", "a.b"]), min_size=1, max_size=5).map("/".join),
)
def test_a_tree_of_patterns_finds_what_each_of_them_would_find_alone(patterns: list[str], path: str):
    whole = [f"/{pattern}" for pattern in patterns]

    assert Patterns(whole).covering(f"/{path}") == {
        pattern for pattern in whole if Patterns([pattern]).covering(f"/{path}")
    }


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.lists(st.sampled_from(["/a", "/b", "/*", "/**"]), min_size=1, max_size=2),
        st.booleans(),
        st.sampled_from([None, 5, 20]),
        st.booleans(),
    ),
    max_size=12,
)


@given(changes=CHANGES, cuts=st.sets(st.integers(0, 12), max_size=3))
def test_grants_that_change_one_by_one_make_what_all_of_them_make_at_once(
    changes: list[tuple[int, list[str], bool, int | None, bool]], cuts: set[int]
):
    """A revocation takes an effect, and one that came before the rest of its grant's portion too."""
    stated = [
        replace(grant(number, *paths, expires_at=end), is_revoked=is_revoked, rate=RATE if is_paced else None)
        for number, paths, is_revoked, end, is_paced in changes
    ]
    holding = Holding()
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(stated)], strict=True):
        holding.take(stated[start:stop], 10)
    last = Holding({one.id: one for one in stated}.values(), 10)

    assert {*holding.grants} == {*last.grants}
    for path in ("/a", "/b", "/c/d"):
        assert {*fitting(holding, path, now=10)} == {*fitting(last, path, now=10)}


def test_one_change_costs_little_however_many_grants_there_are():
    many = Holding([grant(n, f"/{n}/**") for n in range(2000)], 0)

    def seconds(holding: Holding) -> float:
        best = 1.0
        for n in range(50):
            began = time.perf_counter()
            holding.take([grant(n, f"/{n}/x")], 0)
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds(many) < 0.002


def test_two_thousand_grants_cost_little_more_than_one():
    one, many = Holding([grant(0, "/0/**")], 0), Holding([grant(n, f"/{n}/**") for n in range(2000)], 0)

    def seconds(holding: Holding) -> float:
        best = 1.0
        for _ in range(20):
            began = time.perf_counter()
            for _ in range(50):
                fitting(holding, "/0/x/y")
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds(many) < 10 * seconds(one)
