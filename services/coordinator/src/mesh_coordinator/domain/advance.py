"""Money that an agent takes before it works (x402): signed by us, on record, and gone when the token says so.

Such an agent is paid whatever its work is worth; so it is paid no more than the step's `max_price`.
"""

from dataclasses import dataclass
from enum import StrEnum

from mesh_coordinator.domain.requirements import Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What we signed: `header` pays `units`, which nobody can take from `valid_before` on (Unix s)."""

    header: str
    units: int
    payer: str
    nonce: str
    valid_before: int


class Fate(StrEnum):
    """What becomes of an advance: nobody has taken it yet, somebody has, nobody ever will."""

    OPEN = "open"
    TAKEN = "taken"
    LAPSED = "lapsed"


def fate(advance: Advance, *, is_used: bool, chain_time_s: int) -> Fate:
    """From what the token holds in a block of that time."""
    if is_used:
        return Fate.TAKEN
    return Fate.LAPSED if chain_time_s >= advance.valid_before else Fate.OPEN


def most_units(wanted: Requirement) -> int:
    """The most that may be paid in advance: nothing without a `max_price`.

    Nothing either that a person would have to be asked about: they were asked at listed prices.
    """
    most, unasked = wanted.max_price_units or 0, wanted.asks_above_units
    return most if unasked is None else max(0, min(most, unasked))
