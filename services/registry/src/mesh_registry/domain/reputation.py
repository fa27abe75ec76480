"""From feedback to one number."""

from dataclasses import dataclass
from math import sqrt

PPM = 1_000_000
"""Scores and reputations are whole millionths inside, so that equal is equal in every database."""
PRIOR_GOOD, PRIOR_BAD = 1.6, 0.4
NORMAL_5_PERCENT = 1.645
QUALITY = "quality"
ACCEPTED_PPM = 800_000
"""A score from here on is praise: it is what releases an escrow."""
MAX_STAKE_UNITS = (1 << 128) - 1
"""What the contract can count."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What feedback adds up to. `unproven_count` is feedback that no paid escrow proves; it weighs nothing.

    `supporter_count` counts distinct clients who paid and gave a score of `ACCEPTED_PPM` or more,
    `praised_in` is the block of the last such score; 0 for none. `penalty_count` is how many of the counted
    scores are of work whose money went back.
    """

    reputation_ppm: int
    feedback_count: int
    unproven_count: int
    supporter_count: int = 0
    praised_in: int = 0
    penalty_count: int = 0


def quality_ppm(value: int, decimals: int, tag: str) -> int | None:
    """A feedback value as a score, 0 to 1,000,000; None when it is no quality score.

    A quality score is tagged `quality` and lies between 0 and 100 (`value` has `decimals` decimals).
    """
    scale = 100 * 10**decimals
    return value * PPM // scale if tag == QUALITY and 0 <= value <= scale else None


def reputation_ppm(total_ppm: int, count: int) -> int:
    """The 5 % lower bound of what quality to expect, in millionths, never below 0.

    With r the sum of the scores (0 to 1) and s = count - r, quality follows Beta(a, b), a = r + 1.6 and
    b = s + 0.4. The bound is mu - 1.645 sigma: mu = a / (a + b), sigma^2 = a b / ((a + b)^2 (a + b + 1)).

    The prior weighs two observations, as the usual r + 1, s + 1 does, but expects 0.8: what the mesh accepts.
    Thus one score above about 0.7 lifts an agent over a newcomer (0.420) and one below puts it under; with
    r + 1, s + 1 a score of 0.3 would lift it.

    Args:
        total_ppm: Sum of the scores in millionths.
        count: How many there are.

    Source: Jøsang and Ismail, "The Beta Reputation System" (2002); the bound is the normal approximation.
    """
    good = total_ppm / PPM + PRIOR_GOOD
    bad = count - total_ppm / PPM + PRIOR_BAD
    weight = good + bad
    sigma = sqrt(good * bad / (weight**2 * (weight + 1)))
    return max(0, round((good / weight - NORMAL_5_PERCENT * sigma) * PPM))


NEWCOMER = Standing(reputation_ppm(0, 0), 0, 0)
