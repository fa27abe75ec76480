"""What of a deposit is whose, block by block. The rules of Akash's escrow module (x/escrow/keeper)."""

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Escrow:
    """An account with a payment for each lease, as it was when it was last settled.

    Lazy: nothing moves with a block, only when somebody settles. `rate` is uact per block for all leases
    together, zero without one; `earned` what providers have got so far. That the deposit was too small is
    found when it is settled, and not before.
    """

    deposited_uact: int
    earned: Decimal = Decimal(0)
    rate: Decimal = Decimal(0)
    settled_at: int = 0
    is_overdrawn: bool = False

    @property
    def balance(self) -> Decimal:
        """What is left, fractions of a uact included."""
        return self.deposited_uact - self.earned

    @property
    def spent_uact(self) -> int:
        """What does not come back: only whole uact are paid out, so a begun one is gone."""
        return int(self.earned.to_integral_value(ROUND_CEILING))

    def settled(self, height: int) -> "Escrow":
        """The providers have what they are owed until `height`, or all that there is when that is less."""
        owed = self.rate * (height - self.settled_at)
        return replace(
            self,
            earned=self.earned + min(owed, self.balance),
            settled_at=height,
            is_overdrawn=self.is_overdrawn or owed > self.balance,
        )

    def leased(self, rate: Decimal, height: int) -> "Escrow":
        """A provider more earns `rate` per block from here on."""
        return replace(self.settled(height), rate=self.rate + rate)

    def released(self, height: int, rate: Decimal | None = None) -> "Escrow":
        """The provider who earned `rate` earns nothing any more; without one, nobody does."""
        return replace(self.settled(height), rate=Decimal(0) if rate is None else self.rate - rate)

    def topped_up(self, total_uact: int) -> "Escrow":
        """Raised to `total_uact` in all; never lowered. Settles nothing, as on Akash."""
        return replace(self, deposited_uact=max(self.deposited_uact, total_uact))

    def blocks_left(self, height: int) -> int | None:
        """Whole blocks that are paid for after `height`; None while nobody earns."""
        if not self.rate:
            return None
        return max(0, int(self.balance / self.rate) - (height - self.settled_at))
