"""The transactions that attempts wait for: journalled with the state that needs them, then looked after."""

from dataclasses import dataclass

from mesh_shared.chain.journal import Call, Journal, State, TransactionRow
from mesh_shared.chain.sender import TransactionSender
from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.settlement import Escrow, Sent
from mesh_coordinator.ports import Escrows
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.tables import AttemptRow
from mesh_coordinator.service import recording
from mesh_coordinator.service.recording import Work

SETTLED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """Looks after what attempts have on the chain."""

    database: Database
    escrows: Escrows
    sender: TransactionSender

    async def sent(self, work: Work) -> Sent | None:
        """What became of the transaction that the attempt waits for; None while it is on its way."""
        try:
            sent = _outcome(await self.sender.settled(work.transaction_id, SETTLED_WITHIN_S))
        except TimeoutError:
            return None
        if sent is Sent.UNKNOWN and work.attempt.doubted_id != work.transaction_id:
            await self._doubt(work)
        return sent

    async def seen(self, work: Work) -> tuple[Sent, Escrow] | None:
        """What became of the transaction, and what the contract holds since; None while it is on its way.

        Raises `ChainUnavailable`.
        """
        if (sent := await self.sent(work)) is None:
            return None
        return sent, await self.escrows.read(work.escrow_id)

    async def _doubt(self, work: Work) -> None:
        """Puts on record, once, that nobody knows what became of the transaction. Raises `Outrun`."""
        async with self.database.write() as session:
            row = await Attempts(session).locked(work.attempt.id, work.state)
            row.doubted_id = work.transaction_id
            recording.doubted(session, row)

    async def again(self, work: Work, call: Call) -> None:
        """Makes `call` what the attempt waits for. Raises `Outrun` when others moved it on."""
        async with self.database.write() as session:
            row = await Attempts(session).locked(work.attempt.id, work.state)
            row.sends += 1
            await put(session, row, self.escrows.payer, call)


async def put(session: AsyncSession, row: AttemptRow, payer: str, call: Call) -> None:
    """Makes `call` from `payer` what the attempt waits for, in the commit that needs it."""
    key = f"{row.state}:{row.id}:{row.sends}"
    row.transaction_id = await Journal(session).prepare(key, payer, call)


def _outcome(row: TransactionRow) -> Sent:
    if row.state in (State.UNKNOWN, State.LOST):
        return Sent.UNKNOWN
    if row.state == State.REJECTED or row.succeeded is False:
        return Sent.REFUSED
    return Sent.EFFECTIVE
