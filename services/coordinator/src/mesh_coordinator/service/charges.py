"""What a run costs its caller: taken by x402 before there is a run, once, whatever is repeated or crashes."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.chain.journal import Journal, State, TransactionRow
from mesh_shared.chain.sender import TransactionSender
from mesh_shared.database.engine import Database
from mesh_shared.x402.errors import PaymentMissing
from mesh_shared.x402.exact import Facilitator, Reason, transfer
from mesh_shared.x402.wire import (
    Malformed,
    Payment,
    PaymentRequired,
    Requirements,
    Resource,
    Settlement,
)
from sqlalchemy.exc import IntegrityError

from mesh_coordinator.errors import PaymentPending
from mesh_coordinator.repository.charges import Charges
from mesh_coordinator.repository.tables import ChargeRow

MINED_WITHIN_S = 30.0
UNPAID = "PAYMENT-SIGNATURE header is required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cashier:
    """Takes `required` for each run; nothing when that is None.

    The charge is on record, with the transaction that takes it, before that is sent: the same request again
    finds it, and is not charged again.
    """

    database: Database
    facilitator: Facilitator
    sender: TransactionSender
    required: Requirements | None
    resource: Resource

    async def collect(self, run_id: UUID, header: str | None) -> None:
        """The run is paid for when this is back.

        Raises `PaymentMissing` with the reason when it is not, `PaymentPending` when nobody knows yet, or
        `ChainUnavailable`; with the last two the same request again is safe.
        """
        if self.required is None:
            return
        async with self.database.read() as session:
            charge = await Charges(session).of(run_id)
        if charge is None:
            charge = await self._charged(run_id, self.required, header)
        await self._settled(self.required, charge)

    async def receipt(self, run_id: UUID) -> Settlement | None:
        """What was taken for the run; None for one that was free."""
        async with self.database.read() as session:
            charge = await Charges(session).of(run_id)
            row = None if charge is None else await Journal(session).get(charge.transaction_id)
        if charge is None or row is None or self.required is None:
            return None
        return _settlement(self.required, charge, row)

    async def _charged(self, run_id: UUID, required: Requirements, header: str | None) -> ChargeRow:
        payment = await self._good(required, header)
        signed = payment.payload.authorization
        payer, nonce = signed.payer.lower(), signed.nonce.lower()
        try:
            async with self.database.write() as session:
                key = f"charge:{run_id}:{nonce}"
                transaction_id = await Journal(session).prepare(key, self.sender.address, transfer(payment))
                charge = ChargeRow(
                    run_id=run_id,
                    payer=payer,
                    nonce=nonce,
                    units=int(required.amount),
                    transaction_id=transaction_id,
                    created_at=datetime.now(UTC),
                )
                Charges(session).add(charge)
        except IntegrityError:  # it pays for another run already
            raise self._refused(required, Reason.NONCE) from None
        return charge

    async def _good(self, required: Requirements, header: str | None) -> Payment:
        if header is None:
            raise self._refused(required, UNPAID)
        try:
            payment = Payment.decoded(header)
        except Malformed:
            raise self._refused(required, Reason.PAYLOAD) from None
        if (reason := await self.facilitator.refusal(payment, required, time.time())) is not None:
            raise self._refused(required, reason)
        return payment

    async def _settled(self, required: Requirements, charge: ChargeRow) -> None:
        try:
            row = await self.sender.settled(charge.transaction_id, MINED_WITHIN_S)
        except TimeoutError:
            raise PaymentPending from None
        if row.state == State.UNKNOWN:
            raise PaymentPending
        if not (settlement := _settlement(required, charge, row)).success:
            async with self.database.write() as session:
                await Charges(session).remove(charge.run_id)
            raise self._refused(required, Reason.TRANSACTION, settlement)

    def _refused(
        self, required: Requirements, reason: str, failed: Settlement | None = None
    ) -> PaymentMissing:
        told = PaymentRequired(error=reason, resource=self.resource, accepts=[required])
        return PaymentMissing(told, failed)


def _settlement(required: Requirements, charge: ChargeRow, row: TransactionRow) -> Settlement:
    is_taken = row.succeeded is True
    return Settlement(
        success=is_taken,
        transaction=(row.hash or "") if is_taken else "",
        network=required.network,
        payer=charge.payer,
        amount=str(charge.units) if is_taken else None,
        error_reason=None if is_taken else Reason.TRANSACTION,
    )
