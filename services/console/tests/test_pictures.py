"""A run as a graph, a timeline and a balance."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_console.domain.runs import LEAST_WIDTH, Balance, Bar, balance, bars, graph

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def step(
    id: str, *needs: str, begun: float | None = None, ended: float | None = None, status: str = "running"
) -> Any:
    """A step that began and ended so many seconds ago."""
    at = [None if ago is None else (NOW - timedelta(seconds=ago)).isoformat() for ago in (begun, ended)]
    return {"id": id, "needs": needs, "status": status, "started_at": at[0], "ended_at": at[1]}


def test_a_step_points_to_those_that_need_it():
    drawn = graph([step("find"), step("hire", "find"), step("pay", "find", "hire")])

    assert drawn["edges"] == [["find", "hire"], ["find", "pay"], ["hire", "pay"]]


def test_a_step_is_told_by_colour_and_word():
    (node,) = graph([step("find", status="awaiting_approval")])["nodes"]

    assert (node["tone"], node["note"], node["href"]) == ("wait", "awaiting approval", "#step-0")


def test_a_need_that_is_no_step_is_not_drawn():
    assert graph([step("hire", "gone")])["edges"] == []


def test_bars_stand_where_their_steps_were():
    drawn = bars([step("a", begun=10, ended=5), step("b", begun=5), step("c")], NOW)

    assert drawn == [Bar(0, 50), Bar(50, 50), None]


def test_a_run_that_has_not_begun_has_no_bars():
    assert bars([step("a"), step("b")], NOW) == [None, None]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=8))
def test_every_bar_is_seen_and_within_the_picture(spans: list[tuple[float, float]]):
    for bar in bars([step("s", begun=max(span), ended=min(span)) for span in spans], NOW):
        assert bar is not None
        assert bar.width >= LEAST_WIDTH
        assert bar.left >= 0
        assert bar.left + bar.width <= 100.02  # each was rounded


def escrow(state: str, amount: int) -> dict[str, str]:
    return {"state": state, "amount": str(amount)}


def test_what_went_into_escrow_is_all_accounted_for():
    found = balance(
        [escrow("released", 5), escrow("refunded", 3), escrow("funded", 2), escrow("submitted", 1)]
    )

    assert found == Balance(paid_in=11, locked=3, released=5, refunded=3)


def test_an_escrow_that_was_never_opened_holds_nothing():
    assert balance([escrow("none", 7)]) == Balance(0, 0, 0, 0)


@pytest.mark.parametrize("state", ["funded", "submitted", "disputed", "released", "refunded"])
def test_the_balance_is_even_in_every_state(state: str):
    assert balance([escrow(state, 4), escrow("released", 2)]).is_even
