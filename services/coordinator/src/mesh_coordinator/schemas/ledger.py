"""What callers are told of the ledger."""

from typing import Annotated, Self

from mesh_shared.wire import Address, Timestamp, Units, Uuid, WireModel
from pydantic import Field, StringConstraints

from mesh_coordinator.domain import ledger
from mesh_coordinator.repository.tables import LedgerAccountRow, LedgerTransferRow, PayoutRow

ACCOUNT = r"^(payer|held|transit|chain|payee:0x[0-9a-f]{40})$"
Account = Annotated[
    str,
    Field(
        description="`payer` is us, `held` is set aside, `payee:0x…` is owed, `transit` is on its way, "
        "`chain` is paid.",
        examples=["held"],
    ),
]
Balance = Annotated[
    str,
    StringConstraints(pattern=r"^-?(0|[1-9][0-9]*)$"),
    Field(description="Base units, as a decimal string; only `payer` is ever below 0.", examples=["1500"]),
]


class LedgerAccountView(WireModel):
    """An account and what is on it."""

    name: Account
    balance: Balance
    payee: Address | None = Field(description="To whom it is owed; null for an account of our own.")

    @classmethod
    def of(cls, row: LedgerAccountRow) -> Self:
        return cls(name=row.name, balance=str(row.balance_units), payee=ledger.payee(row.name))


class LedgerTransferView(WireModel):
    """What was taken from one account and given to another."""

    key: str = Field(
        description="`hold:` and `end:` of an attempt, by its `key`; `out:` and `paid:` of a payout's id."
    )
    debit: Account
    credit: Account
    amount: Units
    time: Timestamp

    @classmethod
    def of(cls, row: LedgerTransferRow) -> Self:
        return cls(
            key=row.key, debit=row.debit, credit=row.credit, amount=str(row.units), time=row.created_at
        )


class PayoutView(WireModel):
    """What was owed to somebody at the end of a period, as one transfer on the chain."""

    id: Uuid
    payee: Address
    amount: Units
    sends: int = Field(description="How often it was sent again, under the same nonce.")
    created_at: Timestamp
    paid_at: Timestamp | None = Field(description="Null until the chain has made it.")

    @classmethod
    def of(cls, row: PayoutRow) -> Self:
        return cls(
            id=row.id,
            payee=row.payee,
            amount=str(row.units),
            sends=row.sends,
            created_at=row.created_at,
            paid_at=row.paid_at,
        )
