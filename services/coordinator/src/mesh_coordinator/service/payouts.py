"""Periodic settlement: what the ledger owes to each payee becomes one transfer on the chain."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from mesh_shared.chain.journal import Journal, State
from mesh_shared.chain.sender import TransactionSender
from mesh_shared.database.engine import Database

from mesh_coordinator.domain import ledger
from mesh_coordinator.ports import Till
from mesh_coordinator.repository.ledger import Ledger
from mesh_coordinator.repository.tables import PayoutRow

AT_ONCE = 100
SETTLED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Payouts:
    """One open payout a payee, which is repeated until the chain has made it.

    It never is given up: the token takes each payout's nonce once, so that repeating pays nobody twice, and
    giving up could, since whoever has seen a signed transfer may still send it.
    """

    database: Database
    till: Till
    sender: TransactionSender
    every_s: float

    async def turn(self) -> None:
        """Follows what is open, takes out what is owed, follows that, and rests. Raises `Unavailable`."""
        async with self.database.sole("ledger:payouts"):
            await self._follow_all()
            if await self._begin_all():
                await self._follow_all()
        await asyncio.sleep(self.every_s)

    async def _begin_all(self) -> bool:
        """One payout for each payee who is owed something; each is one commit with its transaction."""
        async with self.database.read() as session:
            owed = await Ledger(session).owed(AT_ONCE)
        for account in owed:
            await self._begin(ledger.payee(account.name) or "", account.balance_units)
        return bool(owed)

    async def _begin(self, payee: str, units: int) -> None:
        id, now = uuid4(), datetime.now(UTC)
        call = self.till.payout(id, payee, units)
        async with self.database.write() as session:
            transaction_id = await Journal(session).prepare(_key(id, 0), self.sender.address, call)
            await Ledger(session).post(ledger.out(id, payee, units), now)
            row = PayoutRow(id=id, payee=payee, units=units, transaction_id=transaction_id, created_at=now)
            Ledger(session).begin(row)

    async def _follow_all(self) -> None:
        async with self.database.read() as session:
            payouts = await Ledger(session).open_payouts(AT_ONCE)
        await asyncio.gather(*map(self._follow, payouts))

    async def _follow(self, payout: PayoutRow) -> None:
        """The token's word counts, whatever became of our transaction; without effect it is sent again."""
        try:
            sent = await self.sender.settled(payout.transaction_id, SETTLED_WITHIN_S)
        except TimeoutError:
            return
        if await self.till.is_paid(payout.id):
            await self._book(payout.id)
        elif sent.state in (State.REJECTED, State.UNKNOWN, State.LOST) or sent.succeeded is False:
            await self._again(payout)

    async def _book(self, id: UUID) -> None:
        now = datetime.now(UTC)
        async with self.database.write() as session:
            row = await Ledger(session).payout(id)
            if row.paid_at is None:
                Ledger(session).close(row, now)
                await Ledger(session).post(ledger.paid(id, row.units), now)

    async def _again(self, payout: PayoutRow) -> None:
        call = self.till.payout(payout.id, payout.payee, payout.units)
        async with self.database.write() as session:
            row = await Ledger(session).payout(payout.id)
            row.sends = payout.sends + 1
            key = _key(payout.id, row.sends)
            row.transaction_id = await Journal(session).prepare(key, self.sender.address, call)


def _key(id: UUID, sends: int) -> str:
    return f"payout:{id}:{sends}"
