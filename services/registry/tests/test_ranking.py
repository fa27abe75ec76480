"""The order in which agents are found: what lifts an agent, what does not, and that it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain.ranking import BLOCKS_A_DAY, HALF_LIFE_DAYS, Rank, place, rank, stake_weight
from mesh_registry.domain.reputation import (
    ACCEPTED_PPM,
    MAX_STAKE_UNITS,
    NEWCOMER,
    PPM,
    Standing,
    reputation_ppm,
)

agent_ids = st.integers(0, 2**256 - 1).map(lambda number: f"0x{number:064x}")
blocks = st.integers(0, 10_000 * BLOCKS_A_DAY)
stakes = st.integers(0, MAX_STAKE_UNITS)
scores = st.integers(0, PPM)
# Who said it, the score, and when: what one paid piece of feedback brings into a standing.
ratings = st.tuples(st.integers(1, 5), scores, blocks)
histories = st.lists(ratings, max_size=20)
Rating = tuple[int, int, int]


def standing(history: list[Rating]) -> Standing:
    praise = [rating for rating in history if rating[1] >= ACCEPTED_PPM]
    return Standing(
        reputation_ppm(sum(score for _, score, _ in history), len(history)),
        len(history),
        0,
        len({client for client, _, _ in praise}),
        max((block for _, _, block in praise), default=0),
    )


def place_of(history: list[Rating], *, stake: int = 0, registered_in: int = 0) -> str:
    told = standing(history)
    return place(told, stake, max(told.praised_in, registered_in), "0x")


@given(histories, ratings)
def test_praise_never_hurts(history: list[Rating], rating: Rating):
    client, _, block = rating

    assert place_of([*history, (client, PPM, block)]) <= place_of(history)


@given(histories, ratings)
def test_nobody_gains_by_the_worst_score(history: list[Rating], rating: Rating):
    client, _, block = rating

    assert place_of([*history, (client, 0, block)]) >= place_of(history)


@given(histories, ratings, scores)
def test_a_better_score_never_puts_an_agent_further_back(history: list[Rating], rating: Rating, other: int):
    client, score, block = rating
    low, high = sorted((score, other))

    assert place_of([*history, (client, high, block)]) <= place_of([*history, (client, low, block)])


@given(st.integers(72, 100), st.integers(0, 69), blocks)
def test_a_newcomer_comes_between_one_good_score_and_one_bad(good: int, bad: int, block: int):
    newcomer = place_of([], registered_in=block)
    praised = place_of([(1, good * PPM // 100, block)], registered_in=block)
    blamed = place_of([(1, bad * PPM // 100, block)], registered_in=block)

    assert praised < newcomer < blamed


def test_ten_clients_who_are_content_are_worth_more_than_one_who_says_it_ten_times():
    crowd = [(client, PPM, 1) for client in range(10)]
    claque = [(1, PPM, 1) for _ in range(10)]

    assert place_of(crowd) < place_of(claque)


@given(histories, stakes, stakes)
def test_more_at_stake_never_hurts(history: list[Rating], one: int, other: int):
    low, high = sorted((one, other))

    assert place_of(history, stake=high) <= place_of(history, stake=low)


@given(stakes)
def test_no_stake_buys_more_than_a_quarter(units: int):
    assert 1 <= stake_weight(units) <= 1.25


def test_a_bad_agent_cannot_buy_its_way_over_a_newcomer():
    assert place_of([(1, 0, 1)], stake=MAX_STAKE_UNITS) > place_of([])


def test_rank_halves_in_half_a_year_without_praise():
    day_0, later = BLOCKS_A_DAY, (HALF_LIFE_DAYS + 1) * BLOCKS_A_DAY

    fresh, faded = rank(NEWCOMER, 0, day_0, day_0), rank(NEWCOMER, 0, day_0, later)

    assert faded.value == pytest.approx(fresh.value / 2)


def test_a_bad_score_does_not_freshen_what_has_faded():
    old = [(client, PPM, BLOCKS_A_DAY) for client in range(30)]

    assert place_of([*old, (1, PPM // 2, 365 * BLOCKS_A_DAY)]) > place_of(old)


standings = st.builds(
    Standing, scores, st.just(1), st.just(0), st.integers(0, 50), st.integers(0, 2_000 * BLOCKS_A_DAY)
)
ranked = st.tuples(standings, st.integers(0, 10**12), agent_ids)
Ranked = tuple[Standing, int, str]


def place_for(agent: Ranked) -> str:
    return place(agent[0], agent[1], agent[0].praised_in, agent[2])


def rank_of(agent: Ranked, head: int) -> float:
    return rank(agent[0], agent[1], agent[0].praised_in, head).value


@given(ranked, ranked, st.integers(2_000, 4_000))
def test_stored_places_are_in_the_order_of_rank_whenever_it_is_looked_at(
    one: Ranked, other: Ranked, day: int
):
    first, second = sorted((one, other), key=place_for)

    head = day * BLOCKS_A_DAY
    assert rank_of(first, head) >= rank_of(second, head) * (1 - 1e-5) - 1e-6


@given(st.integers(0, 10), st.integers(0, 10), agent_ids, agent_ids)
def test_equals_are_in_the_order_of_stake_and_then_of_id(one: int, other: int, this: str, that: str):
    here, there = place(NEWCOMER, one, 1, this), place(NEWCOMER, other, 1, that)

    assert (here < there) == ((-one, this) < (-other, that))


@given(ranked)
def test_every_place_has_the_same_width(agent: Ranked):
    assert len(place_for(agent)) == 120


def test_a_rank_is_the_product_of_its_factors():
    newcomer = rank(NEWCOMER, 100_000_000, 1, 1)

    assert newcomer == Rank(quality=0.420104, stake_weight=1.125, recency=1.0, supporter_weight=0.5)
    assert newcomer.value == pytest.approx(0.420104 * 1.125 * 0.5)
