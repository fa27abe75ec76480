"""Small amounts without a chain: a double-entry ledger, and what each account is.

Every transfer takes from one account what it gives to another, in one row: what is taken and what is given
cannot differ, so all balances together are nothing. The database keeps the balances, and lets none but the
payer's fall below nothing: what is not held cannot be paid, and what is not owed cannot be paid out.

    payer ── hold ──▶ held ── release ──▶ payee:0x… ── out ──▶ transit ── paid ──▶ chain
      ▲───── refund ────┘

Source of the shape: TigerBeetle's accounts and transfers (docs.tigerbeetle.com/coding/data-modeling).
"""

from dataclasses import dataclass
from uuid import UUID

PAYER = "payer"
"""Us: as far below nothing as we have promised or paid."""
HELD = "held"
"""Set aside for work that is not judged yet."""
TRANSIT = "transit"
"""On its way to payees, in transactions of ours."""
CHAIN = "chain"
"""What the chain has paid."""
_OWED = "payee:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """`units` (base units, above 0) from the account `debit` to the account `credit`.

    `key` says why, and is on record once: a hold, or its end, cannot happen twice.
    """

    key: str
    debit: str
    credit: str
    units: int


def owed(payee: str) -> str:
    """The account of what is owed to an address."""
    return f"{_OWED}{payee.lower()}"


def payee(account: str) -> str | None:
    """Whose account it is; None for one of our own."""
    return account.removeprefix(_OWED) if account.startswith(_OWED) else None


def hold(attempt_id: UUID, units: int) -> Transfer:
    """Sets the price of an attempt aside."""
    return Transfer(key=f"hold:{attempt_id}", debit=PAYER, credit=HELD, units=units)


def release(attempt_id: UUID, to: str, units: int) -> Transfer:
    """Pays what was held to the provider; it shares its key with `refund`, so that a hold ends once."""
    return Transfer(key=f"end:{attempt_id}", debit=HELD, credit=owed(to), units=units)


def refund(attempt_id: UUID, units: int) -> Transfer:
    """Gives back what was held."""
    return Transfer(key=f"end:{attempt_id}", debit=HELD, credit=PAYER, units=units)


def out(payout_id: UUID, to: str, units: int) -> Transfer:
    """Takes what is owed to somebody into a payout."""
    return Transfer(key=f"out:{payout_id}", debit=owed(to), credit=TRANSIT, units=units)


def paid(payout_id: UUID, units: int) -> Transfer:
    """Ends a payout that the chain has made."""
    return Transfer(key=f"paid:{payout_id}", debit=TRANSIT, credit=CHAIN, units=units)
