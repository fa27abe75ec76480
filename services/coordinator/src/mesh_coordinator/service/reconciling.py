"""Putting our record of an escrow in agreement with the contract's, when somebody asks for that.

Attempts get there by themselves. This looks now, corrects what was booked otherwise, and names what is in
doubt.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from mesh_shared.chain.journal import Journal, State
from mesh_shared.database.engine import Database

from mesh_coordinator.domain import settlement
from mesh_coordinator.domain.attempt import Happening, Outcome
from mesh_coordinator.domain.settlement import Agreement, Escrow
from mesh_coordinator.repository.attempts import Attempts, Outrun
from mesh_coordinator.repository.budgets import Budgets
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.service.escrows import EscrowDesk, EscrowRecord
from mesh_coordinator.service.funding import Funding
from mesh_coordinator.service.recording import Work, read
from mesh_coordinator.service.settling import Settling

TRIES = 3
IN_DOUBT = frozenset({State.UNKNOWN, State.LOST})


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Both records after the look, and how they stand to each other."""

    record: EscrowRecord
    agreement: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Idempotent: what it records follows from the chain, and is recorded once."""

    database: Database
    desk: EscrowDesk
    funding: Funding
    settling: Settling

    async def reconcile(self, id: str) -> Reconciliation:
        """Reads the escrow and moves our record to it. Raises `EscrowNotFound` or `ChainUnavailable`."""
        for _ in range(TRIES):
            record = await self.desk.get(id)
            if record.attempt is None:
                return Reconciliation(record, Agreement.FOREIGN)
            async with self.database.read() as session:
                (work,) = await read(session, [record.attempt.id])
            try:
                if not await self._moved(work, record.on_chain):
                    return Reconciliation(record, await self._standing(work, record.on_chain))
            except Outrun:
                continue  # the conductor was faster: look again
            return Reconciliation(await self.desk.get(id), Agreement.CORRECTED)
        return Reconciliation(await self.desk.get(id), Agreement.PENDING)

    async def _moved(self, work: Work, escrow: Escrow) -> bool:
        """Records what the contract proves; false when that is nothing new."""
        result_hash = settlement.result_hash(work.attempt.delivery)
        match settlement.proven(work.state, escrow, result_hash):
            case Happening.OPENED:
                await self.funding.opened(work)
            case Happening.SUBMITTED:
                await self.settling.submitted(work)
            case Happening.RELEASED | Happening.REFUNDED as ending:
                await self.settling.booked(work, ending)
            case _:
                return await self._corrected(work, escrow)
        return True

    async def _corrected(self, work: Work, escrow: Escrow) -> bool:
        """Books the other ending, when the chain has come to one after a reorganisation."""
        attempt = work.attempt
        if not settlement.contradicts(attempt.outcome, escrow.state):
            return False
        async with self.database.write() as session:
            row = await Attempts(session).locked(attempt.id, work.state)
            if row.outcome != attempt.outcome:
                raise Outrun("corrected already")
            row.outcome = settlement.OUTCOMES[escrow.state]
            change = row.price_units if row.outcome == Outcome.SUCCESS else -row.price_units
            await Budgets(session).give_back(row.run_id, 0, spent_units=change)
            data = {"step": row.step_id, "attempt": row.number, "escrow_id": row.escrow_id}
            now = datetime.now(UTC)
            Runs(session).happened(row.run, "escrow.corrected", data | {"outcome": row.outcome}, now)
        return True

    async def _standing(self, work: Work, escrow: Escrow) -> Agreement:
        if settlement.agrees(work.state, work.attempt.outcome, escrow.state):
            return Agreement.AGREES
        transaction_id = work.attempt.transaction_id
        if transaction_id is None:
            return Agreement.PENDING
        async with self.database.read() as session:
            row = await Journal(session).get(transaction_id)
        return Agreement.UNKNOWN if row is not None and row.state in IN_DOUBT else Agreement.PENDING
