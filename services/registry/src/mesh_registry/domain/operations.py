"""Where something that was accepted stands."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from mesh_registry.domain.intents import Change, Registration


class OperationStatus(StrEnum):
    """PENDING until the index has it; FAILED when the contract refused it.

    UNKNOWN: another transaction took the operator's nonce, and the index does not have the agent; FAILED once
    that other one is final.
    """

    PENDING = "pending"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"
    FAILED = "failed"
    UNKNOWN = "unknown"


_ON_ITS_WAY = frozenset({OperationStatus.PENDING, OperationStatus.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Something that was accepted. `refusal`: why FAILED, from the contract or the journal.

    `is_listed` tells that it is indexed and the search for its document has ended one way or another.
    """

    id: UUID
    intent: Registration | Change
    transaction_hash: str | None
    status: OperationStatus
    refusal: str | None
    is_listed: bool

    @property
    def has_failed(self) -> bool:
        """Whether the contract refused; what it claimed is free for another attempt."""
        return self.status is OperationStatus.FAILED

    @property
    def is_signed(self) -> bool:
        """Whether there is a transaction hash to name, or none to wait for."""
        return self.transaction_hash is not None or self.has_failed

    @property
    def is_over(self) -> bool:
        """Whether it can be seen in the index, or never will be by this operation."""
        return self.has_failed or (self.is_listed and self.status not in _ON_ITS_WAY)
