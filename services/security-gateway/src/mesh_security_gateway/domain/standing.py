"""What the chain says of an agent, and whether that lets its owner in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An agent's `owner` (EIP-55), whether it is switched on, and its stake in base units of the token."""

    owner: str
    is_active: bool
    stake_units: int

    def admits(self, least_units: int) -> bool:
        """True for an agent that is switched on and has enough at stake; a slash may change that."""
        return self.is_active and self.stake_units >= least_units
