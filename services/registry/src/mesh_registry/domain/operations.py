"""Where a registration stands."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from mesh_registry.domain.signing import Registration


class OperationStatus(StrEnum):
    """PENDING until the index has the agent; FAILED when the contract refused it.

    UNKNOWN: another transaction took the operator's nonce, and the index does not have the agent.
    """

    PENDING = "pending"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"
    FAILED = "failed"
    UNKNOWN = "unknown"


OPEN = frozenset({OperationStatus.PENDING, OperationStatus.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A registration that was accepted. `refusal` is the contract's reason for a status of FAILED.

    `is_listed` tells that the agent is indexed and the search for its document has ended one way or another.
    """

    id: UUID
    registration: Registration
    transaction_id: UUID
    transaction_hash: str | None
    status: OperationStatus
    refusal: str | None
    is_listed: bool
