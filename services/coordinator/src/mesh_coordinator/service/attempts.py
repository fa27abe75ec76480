"""One attempt, carried one state further at a time. Every duty can be done again after a crash."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.database.engine import Database

from mesh_coordinator.domain import quality
from mesh_coordinator.domain.attempt import ENDED, Failure, Happening, State
from mesh_coordinator.ports import Agents, Delivery, Invocation, Refusal
from mesh_coordinator.service.cashier import Cashier
from mesh_coordinator.service.recording import Work, moved, read, scored

JUDGING_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRunner:
    """Calls agents and judges what they deliver; the cashier moves the money."""

    database: Database
    agents: Agents
    cashier: Cashier

    async def advance(self, id: UUID) -> None:
        """Does what the attempt's state asks for; after its end it waits, to be dismissed.

        Raises `Unavailable` when the mesh itself cannot go on, `Outrun` when another replica was faster: in
        both cases the next call finds what is to be done.
        """
        async with self.database.read() as session:
            work = await read(session, id)
        match work.state:
            case State.SELECTED:
                await self._begin(work)
            case State.FUNDED if not work.is_stopping:
                await self._ring(work, Happening.CALLED)
            case State.INVOKING:
                await self._invoke(work)
            case State.DELIVERED:
                await self._judge(work)
            case state if state in ENDED:
                await asyncio.Event().wait()
            case _:
                await self.cashier.advance(work)

    async def _begin(self, work: Work) -> None:
        if work.is_stopping:
            async with self.database.write() as session:
                await moved(session, work, Happening.WITHDRAWN, datetime.now(UTC), failure=Failure.WITHDRAWN)
        elif work.is_paid:
            async with self.database.write() as session:
                await moved(session, work, Happening.PAID, datetime.now(UTC))
        else:
            await self._ring(work, Happening.FREE)

    async def _ring(self, work: Work, happening: Happening) -> None:
        """On record before the call goes out, so that a crash leads back to the same call."""
        now = datetime.now(UTC)
        async with self.database.write() as session:
            await moved(session, work, happening, now, called_at=now)

    async def _invoke(self, work: Work) -> None:
        answer = await self._call(work)
        if isinstance(answer, Refusal):
            await self._fail(work, answer)
            return
        now = datetime.now(UTC)
        delivery = {"result": answer.result, "signature": answer.signature}
        async with self.database.write() as session:
            await moved(session, work, Happening.DELIVERED, now, delivery=delivery, delivered_at=now)

    async def _call(self, work: Work) -> Delivery | Refusal:
        attempt = work.attempt
        if self.cashier.is_too_late_to_call(work):
            return Refusal(Failure.NOT_CALLED_IN_TIME, "the escrow's time for the result is over")
        invocation = Invocation(
            candidate=work.candidate,
            parameters=attempt.parameters,
            key=str(attempt.id),
            escrow_id=attempt.escrow_id,
            timeout_s=work.requirement.timeout_s,
            context={"run_id": str(attempt.run_id), "step_id": attempt.step_id},
        )
        return await self.agents.invoke(invocation)

    async def _fail(self, work: Work, refusal: Refusal) -> None:
        if work.is_paid:
            await self.cashier.refund(work, Happening.CALL_FAILED, refusal)
            return
        async with self.database.write() as session:
            await moved(
                session,
                work,
                Happening.NOTHING_OWED,
                datetime.now(UTC),
                failure=refusal.failure,
                detail=refusal.detail,
            )

    async def _judge(self, work: Work) -> None:
        over = time.monotonic() + JUDGING_LIMIT_S
        report = await asyncio.to_thread(
            quality.judge, work.requirement.quality, work.result, lambda: time.monotonic() > over
        )
        if work.is_paid:
            await self.cashier.hand_in(work, report)
            return
        async with self.database.write() as session:
            row = await moved(
                session, work, Happening.NOTHING_OWED, datetime.now(UTC), failure=quality.failing(report)
            )
            scored(session, row, report)
