"""How far a reputation can be relied on: a share of good leases says little while there were few of them."""

from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache

_Z = Decimal("1.96")
"""95 per cent of certainty."""
_Z2 = _Z * _Z
_PRIOR, _PRIOR_SHARE = 2, Decimal("0.5")
_STEP = Decimal("0.0001")


@lru_cache(maxsize=4096)
def lower_bound(share: Decimal, leases: int) -> Decimal:
    """What the true share of good leases hardly falls below, when `share` of `leases` were good; above zero.

    Wilson's score interval (JASA 22, 1927) over the leases and two more, one good and one bad, so that a
    newcomer stands at 0.0945, one of one at 0.2076, 100 of 100 at 0.9464.
    """
    count = Decimal(leases + _PRIOR)
    mean = (share * leases + _PRIOR_SHARE * _PRIOR) / count
    spread = _Z * ((mean * (1 - mean) + _Z2 / (4 * count)) / count).sqrt()
    bound = (mean + _Z2 / (2 * count) - spread) / (1 + _Z2 / count)
    return max(_STEP, bound.quantize(_STEP, ROUND_FLOOR))
