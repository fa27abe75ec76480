"""What stands in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh_shared.database.engine import Database

from mesh_coordinator.repository.ledger import Ledger
from mesh_coordinator.repository.tables import LedgerAccountRow, LedgerTransferRow, PayoutRow


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDesk:
    """Reads the ledger."""

    database: Database

    async def accounts(self, limit: int, *, after: str) -> Sequence[LedgerAccountRow]:
        """A page of accounts by name, behind `after`."""
        async with self.database.read() as session:
            return await Ledger(session).accounts(limit, after=after)

    async def transfers(
        self, limit: int, *, before: int | None, account: str | None
    ) -> Sequence[LedgerTransferRow]:
        """A page of transfers, newest first; `before` is the position of the last one of the page before."""
        async with self.database.read() as session:
            return await Ledger(session).transfers(limit, before=before, account=account)

    async def payouts(self, limit: int, *, before: int | None) -> Sequence[PayoutRow]:
        """A page of payouts, newest first."""
        async with self.database.read() as session:
            return await Ledger(session).payouts(limit, before=before)
