"""Paying agents in advance: of the budget, signed and on record before it goes out, followed to its end."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from mesh_shared.database.engine import Database

from mesh_coordinator.domain import quality
from mesh_coordinator.domain.advance import Advance, Fate, most_units
from mesh_coordinator.domain.attempt import Failure, Happening, Outcome, salt
from mesh_coordinator.domain.quality import Report
from mesh_coordinator.ports import Delivery, Demand, Purse, Refusal
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.budgets import Budgets
from mesh_coordinator.repository.codec import ADVANCE, dumped
from mesh_coordinator.service import recording
from mesh_coordinator.service.recording import Work, is_stopping, move_on, moved

LOOK_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Advances:
    """One advance an attempt, under the attempt's nonce: the token takes it once, whoever repeats it."""

    database: Database
    purse: Purse

    async def grant(self, work: Work, demand: Demand) -> bool:
        """Puts what the agent wants on record, to be sent with the next call.

        False, and the attempt has ended, when that may not be paid. Raises `Outrun`.
        """
        asked = work.attempt
        nonce = salt(asked.run_id, asked.step_id, asked.number)
        advance = self.purse.sign(demand, most_units=most_units(work.requirement), nonce=nonce)
        now = datetime.now(UTC)
        async with self.database.write() as session:
            row = await Attempts(session).locked(work.attempt.id, work.state)
            failure = None
            if await is_stopping(session, row):
                failure = Failure.WITHDRAWN
            elif advance is None:
                failure = Failure.PRICE_REFUSED
            elif not await Budgets(session).reserve(row.run_id, advance.units):
                failure = Failure.BUDGET_EXHAUSTED
            if failure is None and advance is not None:
                move_on(session, row, Happening.CHARGED, now, advance=dumped(ADVANCE, advance))
            else:
                move_on(session, row, Happening.NOTHING_OWED, now, failure=failure)
        return failure is None

    async def answered(self, work: Work, answer: Delivery | Refusal, report: Report | None) -> None:
        """Records what came of the call; `report` is of a delivery. Raises `Outrun`."""
        now = datetime.now(UTC)
        async with self.database.write() as session:
            if isinstance(answer, Refusal):
                changes = {"failure": answer.failure, "detail": answer.detail}
                await moved(session, work, Happening.ANSWERED, now, **changes)
                return
            delivery = {"result": answer.result, "signature": answer.signature}
            failure = None if report is None else quality.failing(report)
            row = await moved(
                session,
                work,
                Happening.ANSWERED,
                now,
                delivery=delivery,
                delivered_at=now,
                failure=failure,
            )
            if report is not None:
                recording.scored(session, row, report)

    async def clear(self, work: Work) -> None:
        """Waits until the advance was taken or has lapsed, and books it.

        Raises `ChainUnavailable`, or `ValueError` for an attempt without an advance.
        """
        if (advance := work.advance) is None:
            raise ValueError(f"{work.state} without an advance")
        match await self.purse.fate(advance):
            case Fate.TAKEN:
                await self._book(work, advance, Happening.TAKEN, advance.units)
            case Fate.LAPSED:
                await self._book(work, advance, Happening.LAPSED, 0)
            case Fate.OPEN:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _book(self, work: Work, advance: Advance, happening: Happening, spent_units: int) -> None:
        is_forfeited = work.failure is not None and spent_units > 0
        changes = {"outcome": Outcome.FORFEITED} if is_forfeited else {}
        async with self.database.write() as session:
            row = await moved(session, work, happening, datetime.now(UTC), **changes)
            await Budgets(session).give_back(row.run_id, advance.units, spent_units=spent_units)
