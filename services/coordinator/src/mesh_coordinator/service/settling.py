"""From delivery to the end of the escrow: hand in, settle by verdict, rate. The chain has the last word."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from mesh_shared.canonical import json_hash
from mesh_shared.chain.journal import Call
from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import ledger, quality, settlement
from mesh_coordinator.domain.attempt import Failure, Happening, Outcome
from mesh_coordinator.domain.ledger import Transfer
from mesh_coordinator.domain.quality import Report
from mesh_coordinator.domain.settlement import NO_RESULT, Escrow, EscrowState, Next, Wish
from mesh_coordinator.ports import Escrows, Rating, Refusal
from mesh_coordinator.repository.budgets import Budgets
from mesh_coordinator.repository.codec import REPORT
from mesh_coordinator.repository.ledger import Ledger
from mesh_coordinator.repository.tables import AttemptRow
from mesh_coordinator.service import recording
from mesh_coordinator.service.recording import Work, moved
from mesh_coordinator.service.transactions import Transactions, put

LOOK_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Each duty ends with a commit that holds the new state and the transaction that it waits for."""

    database: Database
    escrows: Escrows
    transactions: Transactions

    async def refund(self, work: Work, happening: Happening, refusal: Refusal) -> None:
        """Settles without a delivery: the evaluator's verdict returns the money at once."""
        changes = {"failure": refusal.failure, "detail": refusal.detail}
        async with self.database.write() as session:
            row = await moved(session, work, happening, datetime.now(UTC), **changes)
            await order_verdict(session, row, self.escrows)

    async def hand_in(self, work: Work, report: Report) -> None:
        """Hands in what was delivered, under the provider's signature; without a good one it is no delivery.

        A provider may have handed it in by itself. The ledger is ours, and needs no signature. Raises
        `ChainUnavailable`.
        """
        if work.is_on_ledger:
            await self._judged(work, work.judged(report, Happening.SUBMITTED), report, None)
            return
        submission = self._submission(work)
        if submission is not None and await self.escrows.takes(submission):
            await self._judged(work, Happening.SIGNED, report, submission)
            return
        escrow = await self.escrows.read(work.escrow_id)
        if escrow.result_hash == settlement.result_hash(work.attempt.delivery):
            await self._judged(work, work.judged(report, Happening.SUBMITTED), report, None)
        else:
            await self.refund(work, Happening.UNSIGNED, await self._refusal(work, escrow))

    async def submit(self, work: Work) -> None:
        """Follows the submission until the contract has decided on the result. Raises `ChainUnavailable`."""
        if (seen := await self.transactions.seen(work)) is None:
            return
        sent, escrow = seen
        match settlement.after_submit(
            sent, escrow.result_hash, settlement.result_hash(work.attempt.delivery)
        ):
            case Happening.SUBMITTED:
                await self.submitted(work)
            case Happening.NOT_SUBMITTED:
                await self.refund(work, Happening.NOT_SUBMITTED, await self._refusal(work, escrow))
            case Next.REPEAT if (submission := self._submission(work)) is not None:
                await self.transactions.again(work, submission)
            case _:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def settle(self, work: Work) -> None:
        """Follows the verdict until the escrow has ended; the ledger is quick. Raises `ChainUnavailable`."""
        if work.is_on_ledger:
            await self.booked(work, Happening.REFUNDED if work.failure else Happening.RELEASED)
            return
        if (seen := await self.transactions.seen(work)) is None:
            return
        sent, escrow = seen
        match settlement.after_settle(sent, escrow.state):
            case Happening() as happening:
                await self.booked(work, happening)
            case Next.REPEAT:
                await self.transactions.again(work, verdict(self.escrows, work.attempt))
            case Next.FORCE:
                await self._force(work, escrow)
            case _:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def rate(self, work: Work) -> None:
        """Follows the rating to its end, when there is one."""
        if work.attempt.transaction_id is None:
            await self._finish(work, Happening.UNRATED)
            return
        if (sent := await self.transactions.sent(work)) is None:
            return
        match settlement.after_rating(sent, is_repeated=work.attempt.sends > 0):
            case Happening() as happening:
                await self._finish(work, happening)
            case _:
                await self.transactions.again(work, self._rating(work))

    async def _judged(self, work: Work, happening: Happening, report: Report, call: Call | None) -> None:
        """Puts the verdict on record with the transaction that is next; None is the verdict itself.

        What is in doubt is no failure yet.
        """
        is_doubted = work.judged(report, happening) is Happening.DOUBTED
        failure = None if is_doubted else quality.failing(report)
        async with self.database.write() as session:
            row = await moved(session, work, happening, datetime.now(UTC), failure=failure)
            recording.scored(session, row, report)
            if call is not None:
                await put(session, row, self.escrows.payer, call)
            elif happening is not Happening.DOUBTED:
                await order_verdict(session, row, self.escrows)

    async def _refusal(self, work: Work, escrow: Escrow) -> Refusal:
        """Why the contract does not hold the result: the agent's fault, unless it was we who were late."""
        if escrow.state is EscrowState.FUNDED and await self.escrows.takes(self._claim(work, escrow)):
            return Refusal(Failure.HANDED_IN_LATE, "it was delivered in time and not handed in in time")
        if escrow.result_hash != NO_RESULT:
            return Refusal(
                Failure.DELIVERY_REFUSED, "the provider handed in another result than it delivered"
            )
        if work.signature is None:
            return Refusal(Failure.DELIVERY_UNSIGNED, "no usable X-Delivery-Signature")
        return Refusal(Failure.DELIVERY_REFUSED, "the signature is not the provider's over this result")

    async def _force(self, work: Work, escrow: Escrow) -> None:
        """Sends whichever way out the contract takes now; there will be one when the deadline has passed."""
        for call in (verdict(self.escrows, work.attempt), self._claim(work, escrow)):
            if await self.escrows.takes(call):
                await self.transactions.again(work, call)
                return
        await asyncio.sleep(LOOK_AGAIN_S)

    async def submitted(self, work: Work) -> None:
        """The contract holds the result: the verdict is next, or a review. Raises `Outrun`."""
        happening = work.judged(work.report, Happening.SUBMITTED)
        async with self.database.write() as session:
            row = await moved(session, work, happening, datetime.now(UTC))
            if happening is Happening.SUBMITTED:
                await order_verdict(session, row, self.escrows)

    async def booked(self, work: Work, happening: Happening) -> None:
        """The escrow has ended: the budget is settled, and the agent rated unless it is not to blame.

        Without an escrow there is no proof that money was at stake, so that nobody is rated. Raises `Outrun`.
        """
        released = happening is Happening.RELEASED
        outcome = Outcome.SUCCESS if released else Outcome.REFUNDED
        price, now = work.attempt.price_units, datetime.now(UTC)
        async with self.database.write() as session:
            row = await moved(session, work, happening, now, outcome=outcome)
            await Budgets(session).give_back(row.run_id, price, spent_units=price if released else 0)
            if row.is_on_ledger:
                await Ledger(session).post(_ended(work, released=released), now)
                return
            recording.settled(session, row, _score_bps(row))
            if work.failure is None or work.failure.is_the_agents:
                await put(session, row, self.escrows.payer, self._rating(work))

    async def _finish(self, work: Work, happening: Happening) -> None:
        async with self.database.write() as session:
            await moved(session, work, happening, datetime.now(UTC))

    def _submission(self, work: Work) -> Call | None:
        if work.signature is None:
            return None
        return self.escrows.submission(work.escrow_id, json_hash(work.result), work.signature)

    def _claim(self, work: Work, escrow: Escrow) -> Call:
        return self.escrows.claim(work.escrow_id, is_submitted=escrow.state is EscrowState.SUBMITTED)

    def _rating(self, work: Work) -> Call:
        return self.escrows.rating(
            Rating(
                escrow_id=work.escrow_id,
                token_id=work.candidate.token_id,
                value=round(_score_bps(work.attempt) / 100),
                capability=work.requirement.capability,
                endpoint=work.candidate.endpoint,
            )
        )


def _score_bps(row: AttemptRow) -> int:
    """The score that counts: 0 for what was not delivered, whatever it would have been worth."""
    judged = row.failure in (None, Failure.POOR_QUALITY)
    return REPORT.validate_python(row.report).score_bps if judged else 0


def verdict(escrows: Escrows, row: AttemptRow) -> Call:
    """The same verdict whenever it is asked for: it follows from the row."""
    wish = Wish.RELEASE if row.failure is None else Wish.REFUND
    reason = json_hash({"failure": row.failure, "report": row.report})
    return escrows.verdict(row.escrow_id or "", wish, _score_bps(row), reason)


async def order_verdict(session: AsyncSession, row: AttemptRow, escrows: Escrows) -> None:
    """Orders the verdict that follows from the row; the ledger needs none."""
    if not row.is_on_ledger:
        await put(session, row, escrows.payer, verdict(escrows, row))


def _ended(work: Work, *, released: bool) -> Transfer:
    attempt = work.attempt
    if released:
        return ledger.release(attempt.id, work.candidate.owner, attempt.price_units)
    return ledger.refund(attempt.id, attempt.price_units)
