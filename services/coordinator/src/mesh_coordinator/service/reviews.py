"""Reviews: who else is asked about a result that the checks find neither good nor bad, and what they say."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from mesh_shared.bell import Bell, wait
from mesh_shared.database.engine import Database
from mesh_shared.events import outbox

from mesh_coordinator.domain import quality, ruling
from mesh_coordinator.domain.attempt import Happening
from mesh_coordinator.domain.quality import Report
from mesh_coordinator.domain.review import Review, Validators
from mesh_coordinator.domain.ruling import Opinion
from mesh_coordinator.domain.run import Approval
from mesh_coordinator.domain.selection import Candidate
from mesh_coordinator.events import ApprovalRequested
from mesh_coordinator.ports import Agents, Delivery, Escrows, Invocation
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.codec import CANDIDATES, EXPECTATION, REPORT, dumped
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import AttemptRow
from mesh_coordinator.service import recording
from mesh_coordinator.service.recording import Work, move_on, moved
from mesh_coordinator.service.settling import order_verdict

LOOK_AGAIN_S = 1.0
"""Somebody may decide at another replica, which rings no bell here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviews:
    """What is asked can be asked again: validators know a call by its key, people a question by its id."""

    database: Database
    agents: Agents
    escrows: Escrows
    news: Bell
    """Rings when a person has decided."""

    async def hear(self, work: Work) -> bool:
        """Asks the validators, all at once; without a quorum a person, or the default decides.

        True when the attempt has ended by that. Raises `Unavailable` or `Outrun`.
        """
        review = _review(work)
        opinions = await self._opinions(work, review.validators)
        heard = ruling.heard(work.report, opinions)
        ruled = ruling.by_validators(heard, review, opinions)
        if ruled is None and review.asks_person:
            await self._ask(work, heard, review)
            return False
        return await self._rule(work, lambda _: ruled or ruling.by_default(heard, review))

    async def wait(self, work: Work) -> bool:
        """Waits for a person's decision until the time for it is over. True when the attempt has ended by it.

        Raises `Outrun`.
        """
        ticket, now, until = self.news.ticket(), datetime.now(UTC), work.attempt.review_until
        if work.attempt.approval == Approval.REQUESTED and until is not None and now < until:
            await wait(ticket, min(LOOK_AGAIN_S, (until - now).total_seconds()))
            return False
        review = _review(work)
        # What they said by now, under the lock: an approval that was answered counts.
        return await self._rule(
            work, lambda row: ruling.by_person(work.report, Approval(row.approval), review)
        )

    async def _opinions(self, work: Work, validators: Validators | None) -> list[Opinion]:
        if validators is None:
            return []
        candidates = CANDIDATES.validate_python(work.validators)
        panel = ruling.panel(validators, candidates, work.candidate)
        async with asyncio.TaskGroup() as calls:
            asked = [calls.create_task(self._opinion(work, one, validators.timeout_s)) for one in panel]
        return [call.result() for call in asked]

    async def _opinion(self, work: Work, validator: Candidate, timeout_s: int) -> Opinion:
        """They are told what was asked for and what was delivered, and not by whom, or for how much."""
        attempt = work.attempt
        invocation = Invocation(
            candidate=validator,
            parameters={
                "action": work.candidate.action,
                "parameters": attempt.parameters,
                "result": work.result,
                "quality": dumped(EXPECTATION, work.requirement.quality),
            },
            key=str(review_key(attempt.id, validator.agent_id)),
            escrow_id=None,
            timeout_s=timeout_s,
            context={"run_id": str(attempt.run_id), "step_id": attempt.step_id},
        )
        answer = await self.agents.invoke(invocation)
        if not isinstance(answer, Delivery):
            return Opinion(validator.agent_id, None, getattr(answer, "failure", "price-refused"))
        score_bps = ruling.score_bps(answer.result)
        return Opinion(validator.agent_id, score_bps, "" if score_bps is not None else "answer-malformed")

    async def _ask(self, work: Work, report: Report, review: Review) -> None:
        attempt, now = work.attempt, datetime.now(UTC)
        approval_id = uuid5(attempt.id, "approval")
        changes = {
            "report": dumped(REPORT, report),
            "approval": Approval.REQUESTED,
            "approval_id": approval_id,
            "review_until": now + timedelta(seconds=review.deadline_s),
        }
        async with self.database.write() as session:
            row = await moved(session, work, Happening.UNRULED, now, **changes)
            place = {"step": row.step_id, "attempt": row.number}
            data = place | {"approval_id": str(approval_id), "price": str(row.price_units)}
            Runs(session).happened(row.run, "attempt.approval_requested", data, now)
            asked = ApprovalRequested(
                run_id=row.run_id,
                step_id=row.step_id,
                attempt=row.number,
                approval_id=approval_id,
                price=str(row.price_units),
            )
            outbox.record(session, asked)

    async def _rule(self, work: Work, said: Callable[[AttemptRow], Report]) -> bool:
        async with self.database.write() as session:
            row = await Attempts(session).locked(work.attempt.id, work.state)
            report = said(row)
            happening = Happening.RULED if work.is_paid else Happening.NOTHING_OWED
            move_on(session, row, happening, datetime.now(UTC), failure=quality.failing(report))
            recording.scored(session, row, report)
            if work.is_paid:
                await order_verdict(session, row, self.escrows)
        return not work.is_paid


def review_key(attempt_id: UUID, validator: str) -> UUID:
    """The idempotency key of a validator's call: the same for every replica and after every crash."""
    return uuid5(attempt_id, f"review/{validator}")


def _review(work: Work) -> Review:
    if work.review is None:
        raise ValueError(f"{work.state} without a review")
    return work.review
