"""Locking the price of an attempt: out of the run's budget, then on the chain."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from mesh_shared.bell import Bell, wait
from mesh_shared.canonical import json_hash
from mesh_shared.chain.journal import Journal
from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import ledger, settlement
from mesh_coordinator.domain.attempt import Failure, Happening, salt
from mesh_coordinator.domain.settlement import Next, Terms
from mesh_coordinator.ports import Escrows
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.budgets import Budgets
from mesh_coordinator.repository.codec import EXPECTATION, TERMS, dumped
from mesh_coordinator.repository.ledger import Ledger
from mesh_coordinator.repository.tables import AttemptRow
from mesh_coordinator.service import recording
from mesh_coordinator.service.recording import Work, move_on, moved
from mesh_coordinator.service.transactions import Transactions, put

LOOK_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """Reserves, then opens the escrow; each duty ends with a commit that holds all that is needed next."""

    database: Database
    escrows: Escrows
    transactions: Transactions
    news: Bell
    """Rings when an attempt is decided, so that what it held may have come back."""
    submit_window_s: int
    review_window_s: int

    async def reserve(self, work: Work) -> None:
        """Sets the price aside and orders the escrow; waits while other attempts hold what it needs."""
        ticket = self.news.ticket()
        if work.is_stopping:
            async with self.database.write() as session:
                await moved(session, work, Happening.WITHDRAWN, datetime.now(UTC), failure=Failure.WITHDRAWN)
        elif not await self._is_reserved(work):
            await wait(ticket, LOOK_AGAIN_S)

    async def open(self, work: Work) -> None:
        """Follows the opening until the contract holds the money, or will not. Raises `ChainUnavailable`."""
        if (seen := await self.transactions.seen(work)) is None:
            return
        sent, escrow = seen
        match settlement.after_open(sent, escrow.state):
            case Happening.OPENED:
                await self.opened(work)
            case Happening.NOT_OPENED:
                await self._give_up(work)
            case Next.REPEAT:
                await self.transactions.again(work, self.escrows.opening(work.terms))
            case _:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def opened(self, work: Work) -> None:
        """Records that the contract holds the money. Raises `Outrun`."""
        async with self.database.write() as session:
            recording.opened(session, await moved(session, work, Happening.OPENED, datetime.now(UTC)))

    async def _is_reserved(self, work: Work) -> bool:
        """False while it has to wait; true once it is decided, either way."""
        attempt, now = work.attempt, datetime.now(UTC)
        async with self.database.write() as session:
            row = await Attempts(session).locked(attempt.id, work.state)
            if await Budgets(session).reserve(attempt.run_id, attempt.price_units):
                if row.is_on_ledger:
                    move_on(session, row, Happening.HELD, now)
                    await Ledger(session).post(ledger.hold(row.id, row.price_units), now)
                else:
                    await self._order(session, row, self._terms_for(work, now), now)
                return True
            if await Budgets(session).may_fit(attempt.run_id, attempt.price_units):
                return False
            move_on(session, row, Happening.UNAFFORDABLE, now, failure=Failure.BUDGET_EXHAUSTED)
        return True

    async def _order(self, session: AsyncSession, row: AttemptRow, terms: Terms, now: datetime) -> None:
        opening = self.escrows.opening(terms)
        changes = {"escrow_id": self.escrows.id_of(terms), "terms": dumped(TERMS, terms)}
        move_on(session, row, Happening.RESERVED, now, **changes)
        payer = self.escrows.payer
        await Journal(session).prepare(f"approve:{payer}:{opening.to}", payer, self.escrows.allowance())
        await put(session, row, payer, opening)

    def _terms_for(self, work: Work, now: datetime) -> Terms:
        attempt, candidate = work.attempt, work.candidate
        submit_by = int(now.timestamp()) + ceil(work.requirement.patience_s) + self.submit_window_s
        document = settlement.terms_document(
            dumped(EXPECTATION, work.requirement.quality),
            candidate.action,
            "0x" + json_hash(attempt.parameters).hex(),
        )
        return Terms(
            provider=candidate.owner,
            token=self.escrows.token,
            amount_units=attempt.price_units,
            evaluator=self.escrows.evaluator,
            terms_hash="0x" + json_hash(document).hex(),
            submit_by=submit_by,
            review_by=submit_by + self.review_window_s + work.review_s,
            salt=salt(attempt.run_id, attempt.step_id, attempt.number),
        )

    async def _give_up(self, work: Work) -> None:
        attempt = work.attempt
        async with self.database.write() as session:
            await moved(
                session,
                work,
                Happening.NOT_OPENED,
                datetime.now(UTC),
                failure=Failure.ESCROW_NOT_OPENED,
                detail="the contract refuses to lock the price: is the payer's balance enough?",
            )
            await Budgets(session).give_back(attempt.run_id, attempt.price_units, spent_units=0)
