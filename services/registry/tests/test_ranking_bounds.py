"""What a rank and its stored place keep to, at whatever the chain can count."""

from hypothesis import example, given
from hypothesis import strategies as st
from mesh_registry.domain.ranking import BLOCKS_A_DAY, place, rank, supporter_weight
from mesh_registry.domain.reputation import MAX_STAKE_UNITS, NEWCOMER, PPM, Standing

AGENT = "0x" + "5e" * 32
stakes = st.integers(0, MAX_STAKE_UNITS)
blocks = st.integers(0, 2**63 - 1)
standings = st.builds(
    Standing, st.integers(0, PPM), st.integers(0, 10**9), st.just(0), st.integers(0, 10**9), blocks
)


@given(standings, stakes, blocks)
@example(Standing(0, 0, 0), 0, 0)
@example(Standing(PPM, 1, 0, 10**9, 2**63 - 1), MAX_STAKE_UNITS, 2**63 - 1)
def test_a_place_has_its_width_at_whatever_the_chain_can_count(standing: Standing, stake: int, since: int):
    key = place(standing, stake, since, AGENT)

    assert len(key) == 120
    assert key[:54].isdecimal()
    assert key.endswith(AGENT)


@given(standings, stakes, blocks, blocks)
def test_no_factor_leaves_its_bounds(standing: Standing, stake: int, since: int, head: int):
    found = rank(standing, stake, since, head)

    assert 0 <= found.quality <= 1
    assert 1 <= found.stake_weight <= 1.25
    assert 0 <= found.recency <= 1
    assert 0.5 <= found.supporter_weight <= 1


@given(standings, stakes, st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 10**8))
def test_no_rank_grows_by_waiting(standing: Standing, stake: int, since: int, one: int, other: int):
    early, late = sorted((one, other))

    assert rank(standing, stake, since, late).value <= rank(standing, stake, since, early).value


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_another_content_client_always_counts(one: int, other: int):
    fewer, more = sorted((one, other))

    assert supporter_weight(fewer) <= supporter_weight(more) < 1
    assert supporter_weight(fewer) < supporter_weight(fewer + 1)


@given(st.integers(0, 10**6), st.integers(0, BLOCKS_A_DAY - 1), st.integers(0, BLOCKS_A_DAY - 1))
def test_within_a_day_nobody_gains_by_a_later_block(day: int, one: int, other: int):
    early, late = day * BLOCKS_A_DAY + one, day * BLOCKS_A_DAY + other

    assert place(NEWCOMER, 0, early, AGENT) == place(NEWCOMER, 0, late, AGENT)


@given(standings, stakes, st.integers(0, 10**9))
def test_later_praise_never_puts_an_agent_further_back(standing: Standing, stake: int, since: int):
    assert place(standing, stake, since + BLOCKS_A_DAY, AGENT) <= place(standing, stake, since, AGENT)
