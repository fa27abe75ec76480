"""What callers are told of one paid call and of escrows."""

from typing import Any, Self

from mesh_shared.wire import Address, Hex32, Units, Uuid, WireModel
from pydantic import Field

from mesh_coordinator.domain.attempt import Failure, Outcome, State
from mesh_coordinator.domain.quality import FULL_BPS
from mesh_coordinator.domain.settlement import Agreement, EscrowState, Wish
from mesh_coordinator.repository.runs import RunRecord
from mesh_coordinator.repository.tables import AttemptRow
from mesh_coordinator.schemas.verdicts import QualityView
from mesh_coordinator.service.escrows import EscrowRecord
from mesh_coordinator.service.reconciling import Reconciliation


class ExecutionView(WireModel):
    """What came of one call: the result, the verdict on it, and what became of the money."""

    result: Any = Field(description="What was delivered, good or not; null when nothing was.")
    quality: QualityView | None
    economicOutcome: Outcome = Field(description="`refunded`: the payer has, or kept, its money.")
    failure: Failure | None
    run_id: Uuid
    escrow_id: str | None = Field(description="Null when nothing was escrowed.")

    @classmethod
    def of_record(cls, record: RunRecord) -> Self:
        last = next(iter(reversed(record.attempts)), None)
        delivery = last.delivery if last else None
        return cls(
            result=delivery["result"] if delivery else None,
            quality=QualityView.of_row(last) if last else None,
            economicOutcome=Outcome(last.outcome) if last and last.outcome else Outcome.REFUNDED,
            failure=Failure(last.failure) if last and last.failure else None,
            run_id=record.run.id,
            escrow_id=last.escrow_id if last else None,
        )


class OwnEscrowView(WireModel):
    """The attempt that an escrow of ours pays for."""

    run_id: Uuid
    step_id: str
    attempt: int
    state: State
    outcome: Outcome | None

    @classmethod
    def of(cls, row: AttemptRow) -> Self:
        return cls(
            run_id=row.run_id,
            step_id=row.step_id,
            attempt=row.number,
            state=State(row.state),
            outcome=Outcome(row.outcome) if row.outcome else None,
        )


class EscrowView(WireModel):
    """An escrow as the contract holds it now, and what we know of it."""

    id: Hex32
    state: EscrowState
    payer: Address
    provider: Address
    token: Address
    amount: Units
    evaluator: Address
    terms_hash: Hex32
    result_hash: Hex32
    score: float = Field(ge=0, le=1)
    submit_by: int = Field(description="Unix seconds; last moment for the result.")
    review_by: int = Field(description="Unix seconds; last moment for the verdict.")
    default_outcome: Wish = Field(description="What silence after `review_by` means.")
    ours: OwnEscrowView | None = Field(description="Null for an escrow that is not this coordinator's.")

    @classmethod
    def of(cls, record: EscrowRecord) -> Self:
        return cls(**_members(record))


class ReconciliationView(EscrowView):
    """Both records after the contract was read, and how they stand to each other."""

    agreement: Agreement = Field(
        description="`corrected`: ours did not agree, and does now; `pending`: a transaction of ours is on "
        "its way; `unknown`: nobody knows its outcome, and the contract shows no effect of it; "
        "`foreign`: not ours."
    )

    @classmethod
    def of_outcome(cls, outcome: Reconciliation) -> Self:
        return cls(**_members(outcome.record), agreement=outcome.agreement)


def _members(record: EscrowRecord) -> dict[str, Any]:
    escrow = record.on_chain
    return {
        "id": record.id,
        "state": escrow.state,
        "payer": escrow.payer,
        "provider": escrow.provider,
        "token": escrow.token,
        "amount": str(escrow.amount_units),
        "evaluator": escrow.evaluator,
        "terms_hash": escrow.terms_hash,
        "result_hash": escrow.result_hash,
        "score": escrow.score_bps / FULL_BPS,
        "submit_by": escrow.submit_by,
        "review_by": escrow.review_by,
        "default_outcome": escrow.default_outcome,
        "ours": None if record.attempt is None else OwnEscrowView.of(record.attempt),
    }
