"""The money of an attempt: reserve, lock, hand in, settle, rate. The chain is read before anything is repeated."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from mesh_shared.bell import wait
from mesh_shared.canonical import json_hash
from mesh_shared.chain.journal import Call, Journal, TransactionRow
from mesh_shared.chain.journal import State as TransactionState
from mesh_shared.chain.sender import TransactionSender
from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain import quality, settlement
from mesh_coordinator.domain.attempt import Failure, Happening, Outcome, State
from mesh_coordinator.domain.quality import Report
from mesh_coordinator.domain.settlement import Escrow, EscrowState, Next, Sent, Terms, Wish
from mesh_coordinator.ports import Escrows, Rating, Refusal
from mesh_coordinator.repository.attempts import Attempts
from mesh_coordinator.repository.codec import EXPECTATION, REPORT, TERMS, dumped
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import AttemptRow
from mesh_coordinator.service import recording
from mesh_coordinator.service.recording import Work, moved

SETTLED_WITHIN_S = 30.0
LOOK_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cashier:
    """Each duty ends with a commit that holds the new state and the transaction it waits for."""

    database: Database
    escrows: Escrows
    sender: TransactionSender
    submit_window_s: int
    review_window_s: int

    async def advance(self, work: Work) -> None:
        """Does what the state of a paid attempt asks for. Raises `ChainUnavailable` or `Outrun`."""
        match work.state:
            case State.RESERVING:
                await self._reserve(work)
            case State.OPENING:
                await self._open(work)
            case State.FUNDED:
                await self.refund(
                    work, Happening.WITHDRAWN, Refusal(Failure.WITHDRAWN, "the run is stopping")
                )
            case State.SUBMITTING:
                await self._submit(work)
            case State.SETTLING:
                await self._settle(work)
            case _:
                await self._rate(work)

    def is_too_late_to_call(self, work: Work) -> bool:
        """True when the escrow would take no result any more."""
        return work.is_paid and _terms(work).submit_by <= datetime.now(UTC).timestamp()

    async def refund(self, work: Work, happening: Happening, refusal: Refusal) -> None:
        """Settles without a delivery: the evaluator's verdict returns the money at once."""
        async with self.database.write() as session:
            row = await moved(
                session,
                work,
                happening,
                datetime.now(UTC),
                failure=refusal.failure,
                detail=refusal.detail,
            )
            await _send(session, row, self.escrows.payer, self._verdict(row))

    async def hand_in(self, work: Work, report: Report) -> None:
        """Hands in what was delivered under the provider's signature; without a good one it is no delivery.

        Raises `ChainUnavailable`.
        """
        signature = work.signature
        if signature is None:
            refusal = Refusal(Failure.DELIVERY_UNSIGNED, "no usable X-Delivery-Signature")
            await self.refund(work, Happening.UNSIGNED, refusal)
            return
        call = self.escrows.submission(work.escrow_id, json_hash(work.result), signature)
        if not await self.escrows.takes(call):
            refusal = Refusal(Failure.DELIVERY_REFUSED, "the signature is not the owner's over this result")
            await self.refund(work, Happening.UNSIGNED, refusal)
            return
        async with self.database.write() as session:
            row = await moved(
                session, work, Happening.SIGNED, datetime.now(UTC), failure=quality.failing(report)
            )
            recording.scored(session, row, report)
            await _send(session, row, self.escrows.payer, call)

    async def _reserve(self, work: Work) -> None:
        ticket = self.database.committed.ticket()
        if work.is_stopping:
            async with self.database.write() as session:
                await moved(session, work, Happening.WITHDRAWN, datetime.now(UTC), failure=Failure.WITHDRAWN)
        elif not await self._is_reserved(work):
            await wait(ticket, LOOK_AGAIN_S)

    async def _is_reserved(self, work: Work) -> bool:
        """False while other attempts of the run hold what this one needs."""
        attempt, now = work.attempt, datetime.now(UTC)
        async with self.database.write() as session:
            await Attempts(session).locked(attempt.id, work.state)
            if await Runs(session).reserve(attempt.run_id, attempt.price_units):
                await self._lock(session, work, now)
                return True
            run = await Runs(session).get(attempt.run_id)
            if settlement.is_affordable(
                attempt.price_units, limit_units=run.budget_units, spent_units=run.spent_units
            ):
                return False
            await moved(session, work, Happening.UNAFFORDABLE, now, failure=Failure.BUDGET_EXHAUSTED)
        return True

    async def _lock(self, session: AsyncSession, work: Work, now: datetime) -> None:
        terms = self._terms_for(work, now)
        opening, allowance = self.escrows.opening(terms), self.escrows.allowance()
        row = await moved(
            session,
            work,
            Happening.RESERVED,
            now,
            escrow_id=self.escrows.id_of(terms),
            terms=dumped(TERMS, terms),
        )
        await Journal(session).prepare(f"approve:{opening.to}", self.escrows.payer, allowance)
        await _send(session, row, self.escrows.payer, opening)

    def _terms_for(self, work: Work, now: datetime) -> Terms:
        attempt, candidate = work.attempt, work.candidate
        submit_by = int(now.timestamp()) + work.requirement.timeout_s + self.submit_window_s
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
            review_by=submit_by + self.review_window_s,
            salt="0x" + json_hash([str(attempt.run_id), attempt.step_id, attempt.number]).hex(),
        )

    async def _open(self, work: Work) -> None:
        if (seen := await self._seen(work)) is None:
            return
        sent, escrow = seen
        match settlement.after_open(sent, escrow.state):
            case Happening.OPENED:
                async with self.database.write() as session:
                    recording.opened(session, await moved(session, work, Happening.OPENED, datetime.now(UTC)))
            case Happening.NOT_OPENED:
                await self._give_up(work)
            case Next.REPEAT:
                await self._resend(work, self.escrows.opening(_terms(work)))
            case _:
                await asyncio.sleep(LOOK_AGAIN_S)

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
            await Runs(session).give_back(attempt.run_id, attempt.price_units, spent_units=0)

    async def _submit(self, work: Work) -> None:
        if (seen := await self._seen(work)) is None:
            return
        sent, escrow = seen
        match settlement.after_submit(sent, escrow.state):
            case Happening.SUBMITTED:
                refused = escrow.state is EscrowState.FUNDED
                failure = Failure.DELIVERY_REFUSED if refused else work.failure
                async with self.database.write() as session:
                    row = await moved(session, work, Happening.SUBMITTED, datetime.now(UTC), failure=failure)
                    await _send(session, row, self.escrows.payer, self._verdict(row))
            case Next.REPEAT:
                result_hash = json_hash(work.result)
                call = self.escrows.submission(work.escrow_id, result_hash, work.signature or "")
                await self._resend(work, call)
            case _:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _settle(self, work: Work) -> None:
        if (seen := await self._seen(work)) is None:
            return
        sent, escrow = seen
        match settlement.after_settle(sent, escrow, datetime.now(UTC)):
            case Happening() as happening:
                await self._book(work, happening)
            case Next.REPEAT:
                await self._resend(work, self._verdict(work.attempt))
            case Next.CLAIM:
                is_submitted = escrow.state is EscrowState.SUBMITTED
                await self._resend(work, self.escrows.claim(work.escrow_id, is_submitted=is_submitted))
            case _:
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _book(self, work: Work, happening: Happening) -> None:
        """The escrow has ended: the budget is settled, and the agent rated unless it is not to blame."""
        released = happening is Happening.RELEASED
        price = work.attempt.price_units
        async with self.database.write() as session:
            row = await moved(
                session,
                work,
                happening,
                datetime.now(UTC),
                outcome=Outcome.SUCCESS if released else Outcome.REFUNDED,
            )
            await Runs(session).give_back(row.run_id, price, spent_units=price if released else 0)
            recording.settled(session, row, _score_bps(row))
            if work.failure is None or work.failure.is_the_agents:
                await _send(session, row, self.escrows.payer, self._rating(work))

    async def _rate(self, work: Work) -> None:
        if work.attempt.transaction_id is None:
            await self._finish(work, Happening.UNRATED)
            return
        if (sent := await self._sent(work)) is None:
            return
        if settlement.after_rating(sent) is Next.REPEAT:
            await self._resend(work, self._rating(work))
        else:
            await self._finish(work, Happening.RATED)

    async def _finish(self, work: Work, happening: Happening) -> None:
        async with self.database.write() as session:
            await moved(session, work, happening, datetime.now(UTC))

    def _verdict(self, row: AttemptRow) -> Call:
        """The same verdict whenever it is asked for: it follows from the row."""
        wish = Wish.RELEASE if row.failure is None else Wish.REFUND
        reason = json_hash({"failure": row.failure, "report": row.report})
        return self.escrows.verdict(row.escrow_id or "", wish, _score_bps(row), reason)

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

    async def _seen(self, work: Work) -> tuple[Sent, Escrow] | None:
        """What became of the transaction, and what the contract says since; None while it is on its way."""
        if (sent := await self._sent(work)) is None:
            return None
        return sent, await self.escrows.read(work.escrow_id)

    async def _sent(self, work: Work) -> Sent | None:
        try:
            return _outcome(await self.sender.settled(work.transaction_id, SETTLED_WITHIN_S))
        except TimeoutError:
            return None

    async def _resend(self, work: Work, call: Call) -> None:
        async with self.database.write() as session:
            row = await Attempts(session).locked(work.attempt.id, work.state)
            row.sends += 1
            await _send(session, row, self.escrows.payer, call)


async def _send(session: AsyncSession, row: AttemptRow, payer: str, call: Call) -> None:
    """Puts the transaction that the attempt waits for into the journal, in the commit that needs it."""
    key = f"{row.state}:{row.id}:{row.sends}"
    row.transaction_id = await Journal(session).prepare(key, payer, call)


def _terms(work: Work) -> Terms:
    return TERMS.validate_python(work.attempt.terms)


def _outcome(row: TransactionRow) -> Sent:
    if row.state == TransactionState.UNKNOWN:
        return Sent.UNKNOWN
    if row.state == TransactionState.REJECTED or row.succeeded is False:
        return Sent.REFUSED
    return Sent.EFFECTIVE


def _score_bps(row: AttemptRow) -> int:
    """The score that counts: 0 for what was not delivered, whatever it would have been worth."""
    judged = row.failure in (None, Failure.POOR_QUALITY)
    return REPORT.validate_python(row.report).score_bps if judged else 0
