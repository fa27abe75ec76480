"""One attempt, carried one state further at a time. Every duty can be done again after a crash."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mesh_shared import telemetry
from mesh_shared.bell import Bell
from mesh_shared.database.engine import Database
from mesh_shared.gathering import Gathering
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import quality
from mesh_coordinator.domain.attempt import DECIDED, ENDED, Failure, Happening, State
from mesh_coordinator.domain.quality import Report
from mesh_coordinator.domain.requirements import Requirement, retry_pause_s
from mesh_coordinator.ports import Agents, Delivery, Demand, Invocation, Refusal
from mesh_coordinator.repository.attempts import Attempts, Outrun
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import AttemptRow
from mesh_coordinator.service.advances import Advances
from mesh_coordinator.service.funding import Funding
from mesh_coordinator.service.paces import Paces
from mesh_coordinator.service.recording import Work, is_stopping, move_on, moved, read, scored
from mesh_coordinator.service.reviews import Reviews
from mesh_coordinator.service.settling import Settling

JUDGING_LIMIT_S = 5.0
_WANTS_MORE = Refusal(Failure.PRICE_REFUSED, "it has its price already, and wants money all the same")


@dataclass(slots=True, kw_only=True)
class AttemptRunner:
    """Calls agents and judges what they deliver; funding and settling move the money."""

    database: Database
    agents: Agents
    funding: Funding
    settling: Settling
    advances: Advances
    reviews: Reviews
    news: Bell
    """Rings when an attempt is decided, for the conductor and for who waits for its money."""
    paces: Paces = field(default_factory=Paces)
    _reads: Gathering[UUID, Work] = field(init=False)

    def __post_init__(self) -> None:
        self._reads = Gathering(self._read)

    async def _read(self, close: Callable[[], list[UUID]]) -> list[Work]:
        """A block settles many attempts at once: they are read together."""
        async with self.database.read() as session:
            return await read(session, close())

    async def advance(self, id: UUID) -> None:
        """Does what the attempt's state asks for; after its end it waits, to be dismissed.

        Raises `Unavailable` when the mesh itself cannot go on, `Outrun` when another replica was faster: in
        both cases the next call finds what is to be done.
        """
        work = await self._reads.outcome(id)
        if work.state in DECIDED:
            self.news.ring()
        is_over = work.state in ENDED
        if not is_over:
            with telemetry.continued(f"attempt {work.state}", work.traceparent):
                is_over = await self._duties[work.state](work)
        if is_over:
            self.news.ring()
            await asyncio.Event().wait()

    @property
    def _duties(self) -> Mapping[State, Callable[[Work], Awaitable[bool | None]]]:
        """Each may say that the attempt has ended, so that nobody has to look."""
        return {
            State.RESERVING: self.funding.reserve,
            State.OPENING: self.funding.open,
            State.FUNDED: self._start,
            State.INVOKING: self._invoke,
            State.PAYING: self._pay,
            State.CLEARING: self.advances.clear,
            State.DELIVERED: self._judge,
            State.SUBMITTING: self.settling.submit,
            State.REVIEWING: self.reviews.hear,
            State.AWAITING: self.reviews.wait,
            State.SETTLING: self.settling.settle,
            State.RELEASED: self.settling.rate,
            State.REFUNDED: self.settling.rate,
        }

    async def _start(self, work: Work) -> None:
        if work.is_stopping:
            refusal = Refusal(Failure.WITHDRAWN, "the run is stopping")
            await self.settling.refund(work, Happening.WITHDRAWN, refusal)
        else:
            await self._ring(work)

    async def _ring(self, work: Work) -> None:
        """On record before the call goes out, so that a crash leads back to the same call.

        Nobody is called any more once a cancellation has been answered: moving on locks the run, so that the
        second look sees it. Raises `Outrun` then.
        """
        now = datetime.now(UTC)
        async with self.database.write() as session:
            row = await moved(session, work, Happening.CALLED, now, called_at=now)
            if await is_stopping(session, row):
                raise Outrun("nobody is called any more")

    async def _invoke(self, work: Work) -> bool:
        answer = await self._answer(work)
        if isinstance(answer, Demand):
            if not work.is_paid:
                return not await self.advances.grant(work, answer)
            answer = _WANTS_MORE
        if isinstance(answer, Refusal):
            await self._fail(work, answer)
            return not work.is_paid
        # What is free is judged at once, in the same commit: cut off before it, the same call is made again.
        report = None if work.is_paid else await _report(work.requirement, answer.result)
        now = datetime.now(UTC)
        delivery = {"result": answer.result, "signature": answer.signature}
        async with self.database.write() as session:
            row = await moved(session, work, Happening.DELIVERED, now, delivery=delivery, delivered_at=now)
            if report is not None:
                _conclude(session, work, row, report)
        return row.state in ENDED

    async def _pay(self, work: Work) -> None:
        """The same call with the money; what was signed may be taken whatever the answer is."""
        answer = await self._answer(work)
        if isinstance(answer, Demand):
            answer = _WANTS_MORE
        is_delivered = isinstance(answer, Delivery)
        report = await _report(work.requirement, answer.result) if is_delivered else None
        await self.advances.answered(work, answer, report)

    async def _answer(self, work: Work) -> Delivery | Refusal | Demand:
        """What the agent says; asked again, under the same key, as often as the step's policy has it."""
        answer = await self._call(work)
        for number in range(work.attempt.retries + 1, work.requirement.policy.retries + 1):
            if not isinstance(answer, Refusal) or not answer.may_pass:
                break
            await asyncio.sleep(retry_pause_s(number))
            if not await self._may_repeat(work, number, answer):
                break
            answer = await self._call(work)
        return answer

    async def _may_repeat(self, work: Work, number: int, answer: Refusal) -> bool:
        """Puts the retry on record before the call goes out; false when the run is stopping."""
        attempt = work.attempt
        async with self.database.write() as session:
            row = await Attempts(session).locked(attempt.id, work.state)
            if await is_stopping(session, row):
                return False
            row.retries = number
            data = {"step": row.step_id, "attempt": row.number, "retry": number, "failure": answer.failure}
            Runs(session).happened(row.run, "attempt.retrying", data, datetime.now(UTC))
        return True

    async def _call(self, work: Work) -> Delivery | Refusal | Demand:
        attempt = work.attempt
        if work.attempt.terms is not None and work.terms.submit_by <= time.time():
            return Refusal(Failure.NOT_CALLED_IN_TIME, "the escrow's time for the result is over")
        invocation = Invocation(
            candidate=work.candidate,
            parameters=attempt.parameters,
            key=str(attempt.id),
            escrow_id=attempt.escrow_id,
            timeout_s=work.requirement.timeout_s,
            context={"run_id": str(attempt.run_id), "step_id": attempt.step_id} | _price(work),
            payment=None if work.advance is None else work.advance.header,
        )
        return await self._timed(invocation)

    async def _timed(self, invocation: Invocation) -> Delivery | Refusal | Demand:
        """Who delivers nothing is as slow as could be."""
        began = time.monotonic()
        answer = await self.agents.invoke(invocation)
        if not isinstance(answer, Demand):
            took_s = time.monotonic() - began if isinstance(answer, Delivery) else invocation.timeout_s
            self.paces.took(invocation.candidate.agent_id, took_s)
        return answer

    async def _fail(self, work: Work, refusal: Refusal) -> None:
        if work.is_paid:
            await self.settling.refund(work, Happening.CALL_FAILED, refusal)
            return
        changes = {"failure": refusal.failure, "detail": refusal.detail}
        async with self.database.write() as session:
            await moved(session, work, Happening.NOTHING_OWED, datetime.now(UTC), **changes)

    async def _judge(self, work: Work) -> None:
        report = await _report(work.requirement, work.result)
        if work.is_paid:
            await self.settling.hand_in(work, report)
            return
        async with self.database.write() as session:
            _conclude(session, work, await Attempts(session).locked(work.attempt.id, work.state), report)


def _price(work: Work) -> dict[str, str]:
    """Who is paid by the ledger sees no escrow: they are told what they will be owed."""
    return {"ledger_price": str(work.attempt.price_units)} if work.is_on_ledger else {}


async def _report(requirement: Requirement, result: Any) -> Report:
    over = time.monotonic() + JUDGING_LIMIT_S
    return await asyncio.to_thread(
        quality.judge, requirement.quality, result, lambda: time.monotonic() > over
    )


def _conclude(session: AsyncSession, work: Work, row: AttemptRow, report: Report) -> None:
    """Nothing is owed for the delivery, whatever it is worth; it counts, or is reviewed first."""
    happening, now = work.judged(report, Happening.NOTHING_OWED), datetime.now(UTC)
    failure = None if happening is Happening.DOUBTED else quality.failing(report)
    move_on(session, row, happening, now, failure=failure)
    scored(session, row, report)
