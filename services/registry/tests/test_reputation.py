"""What feedback adds up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain.reputation import (
    NEWCOMER,
    PPM,
    quality_ppm,
    reputation_ppm,
)

scores = st.integers(0, PPM)
histories = st.lists(scores, max_size=30)


def reputation(*given_scores: float) -> int:
    return reputation_ppm(round(sum(given_scores) * PPM), len(given_scores))


def test_the_formula_is_the_published_one():
    # mu - 1.645 sigma of Beta(1.6, 0.4), Beta(2.6, 0.4) and Beta(1.6, 1.4)
    assert [reputation(), reputation(1), reputation(0)] == [420_104, 587_070, 122_998]


@pytest.mark.parametrize("bad", [0.0, 0.3, 0.5, 0.7])
def test_one_bad_score_puts_an_agent_under_a_newcomer(bad: float):
    assert reputation(bad) < NEWCOMER.reputation_ppm


@pytest.mark.parametrize("good", [0.72, 0.8, 0.9, 1.0])
def test_one_good_score_lifts_an_agent_over_a_newcomer(good: float):
    assert reputation(good) > NEWCOMER.reputation_ppm


def test_a_long_good_record_is_worth_more_than_a_short_one():
    assert reputation(0.9) < reputation(*[0.9] * 10) < reputation(*[0.9] * 100) < 900_000


def test_the_worse_the_record_the_lower_even_at_the_bottom():
    assert reputation(0) > reputation(0, 0) > reputation(0, 0, 0)


def test_a_standing_failure_ranks_below_one_accident():
    assert reputation(*[0.9] * 9, 0.2) > reputation(*[0.5] * 10)


@given(histories)
def test_a_reputation_is_between_nothing_and_certainty(history: list[int]):
    assert 0 <= reputation_ppm(sum(history), len(history)) < PPM


@given(histories, scores, scores)
def test_a_better_score_never_hurts(history: list[int], one: int, other: int):
    low, high = sorted((one, other))
    count = len(history) + 1

    assert reputation_ppm(sum(history) + low, count) <= reputation_ppm(sum(history) + high, count)


@given(st.integers(1, 60))
def test_more_of_the_best_always_helps(count: int):
    assert reputation_ppm(count * PPM, count) < reputation_ppm((count + 1) * PPM, count + 1)


@pytest.mark.parametrize(
    ("value", "decimals", "tag", "expected"),
    [
        (92, 0, "quality", 920_000),
        (9255, 2, "quality", 925_500),
        (100, 0, "quality", PPM),
        (0, 0, "quality", 0),
        (100 * 10**18, 18, "quality", PPM),
        (101, 0, "quality", None),
        (-1, 0, "quality", None),
        (10**38, 0, "quality", None),
        (92, 0, "", None),
        (92, 0, "Quality", None),
        (92, 0, "speed", None),
    ],
)
def test_a_quality_score_is_a_tagged_number_from_0_to_100(
    value: int, decimals: int, tag: str, expected: int | None
):
    assert quality_ppm(value, decimals, tag) == expected
