"""Queries on the ledger, and on what it pays out."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.ledger import Transfer, owed
from mesh_coordinator.repository.tables import LedgerAccountRow, LedgerTransferRow, PayoutRow


class Ledger:
    """Every query on the ledger. Takes part in a transaction; never commits.

    Balances are the database's: a trigger posts each transfer to both accounts, in the order of their names.
    A run is locked before them, so that none waits for another in a circle.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def post(self, transfer: Transfer, at: datetime) -> None:
        """Puts a transfer on record.

        Raises `IntegrityError` when its key is on record, or when the account has not so much.
        """
        row = LedgerTransferRow(
            key=transfer.key,
            debit=transfer.debit,
            credit=transfer.credit,
            units=transfer.units,
            created_at=at,
        )
        self._session.add(row)
        await self._session.flush()

    async def sum_units(self) -> int:
        """All balances together; 0 as long as the database works."""
        return int(await self._session.scalar(select(func.sum(LedgerAccountRow.balance_units))) or 0)

    async def accounts(self, limit: int, *, after: str = "") -> Sequence[LedgerAccountRow]:
        """By name, from behind `after` on."""
        query = select(LedgerAccountRow).where(LedgerAccountRow.name > after)
        return (await self._session.scalars(query.order_by(LedgerAccountRow.name).limit(limit))).all()

    async def transfers(
        self, limit: int, *, before: int | None = None, account: str | None = None
    ) -> Sequence[LedgerTransferRow]:
        """Newest first, from below position `before` on; those of one account, or all."""
        query = select(LedgerTransferRow).order_by(LedgerTransferRow.position.desc()).limit(limit)
        if before is not None:
            query = query.where(LedgerTransferRow.position < before)
        if account is not None:
            query = query.where((LedgerTransferRow.debit == account) | (LedgerTransferRow.credit == account))
        return (await self._session.scalars(query)).all()

    async def owed(self, limit: int) -> Sequence[LedgerAccountRow]:
        """Payees to whom something is owed, and none of whose payouts is open, those owed most first."""
        is_open = select(PayoutRow.open_payee).where(PayoutRow.open_payee.is_not(None))
        accounts = select(LedgerAccountRow).where(
            LedgerAccountRow.name.startswith(owed("")),
            LedgerAccountRow.balance_units > 0,
            func.substr(LedgerAccountRow.name, len(owed("")) + 1).not_in(is_open),
        )
        most_first = accounts.order_by(LedgerAccountRow.balance_units.desc(), LedgerAccountRow.name)
        return (await self._session.scalars(most_first.limit(limit))).all()

    def begin(self, payout: PayoutRow) -> None:
        payout.open_payee = payout.payee
        self._session.add(payout)

    def close(self, payout: PayoutRow, paid_at: datetime) -> None:
        payout.paid_at, payout.open_payee = paid_at, None

    async def payout(self, id: UUID) -> PayoutRow:
        """A payout that nobody else changes until we are done."""
        query = select(PayoutRow).where(PayoutRow.id == id).with_for_update()
        return (await self._session.scalars(query.execution_options(populate_existing=True))).one()

    async def open_payouts(self, limit: int) -> Sequence[PayoutRow]:
        """Those that the chain has not made, as far as we know, the oldest first."""
        query = select(PayoutRow).where(PayoutRow.paid_at.is_(None)).order_by(PayoutRow.position)
        return (await self._session.scalars(query.limit(limit))).all()

    async def payouts(self, limit: int, *, before: int | None = None) -> Sequence[PayoutRow]:
        """Newest first, from below position `before` on."""
        query = select(PayoutRow).order_by(PayoutRow.position.desc()).limit(limit)
        if before is not None:
            query = query.where(PayoutRow.position < before)
        return (await self._session.scalars(query)).all()
