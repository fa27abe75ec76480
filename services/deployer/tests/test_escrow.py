"""Whose a deposit is, block by block: nothing is made and nothing is lost, whenever it is looked at."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.escrow import Escrow

rates = st.decimals("0.000001", 1000, places=6)
heights = st.lists(st.integers(0, 10_000), min_size=1, max_size=8).map(sorted)
deposits = st.integers(0, 10**6)


@given(deposits, rates, heights)
def test_how_often_it_is_settled_changes_nothing(deposit: int, rate: Decimal, looks: list[int]):
    leased = Escrow(deposited_uact=deposit).leased(rate, 0)

    often = leased
    for height in looks:
        often = often.settled(height)

    once = leased.settled(looks[-1])
    assert (often.earned, often.balance) == (once.earned, once.balance)
    assert often.earned == min(deposit, rate * looks[-1])


@given(deposits, rates, heights)
def test_nobody_gets_more_than_there_is_and_what_is_not_earned_is_left(
    deposit: int, rate: Decimal, looks: list[int]
):
    escrow = Escrow(deposited_uact=deposit).leased(rate, 0)
    for height in looks:
        escrow = escrow.settled(height)

    assert escrow.earned + escrow.balance == deposit
    assert 0 <= escrow.earned <= escrow.spent_uact <= deposit
    assert escrow.spent_uact - escrow.earned < 1


@given(deposits, rates, st.integers(0, 10_000))
def test_it_is_overdrawn_when_and_only_when_more_is_owed_than_there_is(
    deposit: int, rate: Decimal, height: int
):
    leased = Escrow(deposited_uact=deposit).leased(rate, 0)

    assert not leased.is_overdrawn
    assert leased.settled(height).is_overdrawn == (rate * height > deposit)


@given(deposits, rates, st.integers(0, 10_000), st.integers(0, 10_000))
def test_after_a_lease_nobody_earns(deposit: int, rate: Decimal, height: int, later: int):
    released = Escrow(deposited_uact=deposit).leased(rate, 0).released(height)

    assert released.settled(height + later).earned == released.earned
    assert released.blocks_left(height) is None


@given(deposits.filter(bool), rates, st.integers(0, 10_000))
def test_the_blocks_that_are_left_are_paid_for_and_the_next_one_is_not(
    deposit: int, rate: Decimal, height: int
):
    leased = Escrow(deposited_uact=deposit).leased(rate, 0)

    left = leased.blocks_left(height)

    assert left is not None
    assert left == 0 or not leased.settled(height + left).is_overdrawn
    assert leased.settled(height + left + 1).is_overdrawn


def test_a_top_up_in_time_pays_for_what_is_owed_already():
    """Akash settles nothing when it takes a deposit, so blocks that were not covered become so."""
    late = Escrow(deposited_uact=10).leased(Decimal(1), 0)

    assert late.settled(15).is_overdrawn
    assert late.topped_up(20).settled(15) == replace(
        late, deposited_uact=20, earned=Decimal(15), settled_at=15
    )


@pytest.mark.parametrize("total", [0, 9, 10])
def test_a_top_up_takes_nothing_away(total: int):
    assert Escrow(deposited_uact=10).topped_up(total).deposited_uact == 10


def test_two_leases_one_after_the_other_are_paid_each_at_its_rate():
    first = Escrow(deposited_uact=100).leased(Decimal("1.5"), 4).released(10)

    second = first.leased(Decimal(2), 20).settled(25)

    assert second.earned == Decimal("1.5") * 6 + 2 * 5
