"""How long a deposit lasts, and when it is raised by itself.

An estimate by the clock: so many blocks since the first lease, each at today's price. What was really spent
is known when the order is closed, as escrow is settled lazily.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

LOW, ENOUGH = timedelta(hours=24), timedelta(hours=48)
"""A deposit that lasts less than the first is raised to last the second, as Akash's console does."""
_LONGEST = timedelta(days=36_525)
"""A century stands for whatever is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """A deposit in uact since it was opened, what a block of `block_time_s` costs, and since when."""

    deposit_uact: int
    uact_per_block: Decimal
    since: datetime
    block_time_s: Decimal

    def spent_uact(self, now: datetime) -> int:
        """What providers have earned until now, at most all of it."""
        return min(self.deposit_uact, self._cost(max(now - self.since, timedelta(0))))

    @property
    def lasts_until(self) -> datetime:
        """When nothing is left, a century after the beginning at the latest."""
        seconds = self.deposit_uact / self.uact_per_block * self.block_time_s
        most = Decimal(_LONGEST.total_seconds())
        return self.since + timedelta(seconds=float(min(seconds, most)))

    def needed_uact(self, until: datetime) -> int:
        """The deposit in all with which it lasts until then."""
        return self._cost(until - self.since)

    def raised_uact(self, now: datetime, most: int) -> int | None:
        """A higher deposit when this one lasts less than `LOW`, at most `most`; None when it stays."""
        if self.lasts_until >= now + LOW:
            return None
        wanted = min(most, self.needed_uact(now + ENOUGH))
        return wanted if wanted > self.deposit_uact else None

    def _cost(self, span: timedelta) -> int:
        blocks = Decimal(span / timedelta(microseconds=1)) / 1_000_000 / self.block_time_s
        return int((blocks * self.uact_per_block).to_integral_value(ROUND_CEILING))
