"""How far a reputation can be relied on."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.reputation import lower_bound

shares = st.decimals(0, 1, places=2)
counts = st.integers(0, 5_000)


@pytest.mark.parametrize(
    ("share", "leases", "bound"),
    [
        ("0", 0, "0.0945"),
        ("1", 0, "0.0945"),
        ("1", 1, "0.2076"),
        ("1", 10, "0.6461"),
        ("1", 100, "0.9465"),
        ("0.5", 100, "0.4046"),
        ("0", 100, "0.0017"),
    ],
)
def test_a_bound_is_wilsons_with_one_good_and_one_bad_lease_more(share: str, leases: int, bound: str):
    """Computed by hand from Wilson's formula, at z = 1.96."""
    assert abs(lower_bound(Decimal(share), leases) - Decimal(bound)) <= Decimal("0.0001")


@given(shares, counts)
def test_a_bound_is_above_zero_and_below_one(share: Decimal, leases: int):
    assert 0 < lower_bound(share, leases) < 1


@given(shares, shares, counts)
def test_a_better_share_never_has_a_lower_bound(one: Decimal, other: Decimal, leases: int):
    worse, better = sorted((one, other))

    assert lower_bound(worse, leases) <= lower_bound(better, leases)


@given(st.decimals("0.5", 1, places=2), counts, st.integers(1, 5_000))
def test_more_leases_of_the_same_share_never_lower_the_bound_of_a_good_provider(
    share: Decimal, leases: int, more: int
):
    assert lower_bound(share, leases) <= lower_bound(share, leases + more)


@given(shares, st.integers(1, 5_000))
def test_a_bound_is_below_the_share_unless_that_is_close_to_nothing(share: Decimal, leases: int):
    assert lower_bound(share, leases) < max(share, Decimal("0.25"))
