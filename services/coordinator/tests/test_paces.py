"""What is remembered of the time that agents take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.service import paces
from mesh_coordinator.service.paces import Paces

CALLS = st.lists(st.floats(0, 3600), min_size=1, max_size=20)


def paces_after(*calls: float) -> Paces:
    found = Paces()
    for seconds in calls:
        found.took("a", seconds)
    return found


@given(CALLS)
def test_a_pace_is_never_outside_of_what_was_seen(calls: list[float]):
    assert min(calls) - 1e-9 <= paces_after(*calls).seconds["a"] <= max(calls) + 1e-9


def test_the_first_call_is_the_pace_and_each_later_one_counts_an_eighth():
    assert paces_after(8.0).seconds["a"] == 8.0
    assert paces_after(8.0, 16.0).seconds["a"] == pytest.approx(9.0)


def test_who_was_not_called_for_the_longest_time_is_forgotten(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paces, "MAX_AGENTS", 2)
    found = Paces()

    for agent in ("a", "b", "a", "c"):
        found.took(agent, 1.0)

    assert set(found.seconds) == {"a", "c"}
