"""Where something that was accepted stands."""

from typing import Literal, Self

from mesh_shared.errors import MeshError
from mesh_shared.wire import Cid, Hex32, Uuid
from pydantic import BaseModel, Field

from mesh_registry.domain.intents import cid_of
from mesh_registry.domain.operations import Operation, OperationStatus
from mesh_registry.schemas.fields import TransactionHash

Kind = Literal["register", "update", "activate", "deactivate", "stake", "unstake", "withdraw"]


class RefusalView(BaseModel):
    code: str = Field(examples=["agent-exists"])
    detail: str

    @classmethod
    def of(cls, error: MeshError) -> Self:
        return cls(code=error.code(), detail=error.detail)


class OperationView(BaseModel):
    """Something on its way to the chain. `transactionHash` is null only before it was first sent."""

    operationId: Uuid
    kind: Kind
    agentId: Hex32
    metadataCid: Cid | None = Field(description="Null for what brings no metadata.")
    transactionHash: TransactionHash | None
    status: OperationStatus
    error: RefusalView | None = Field(description="Why it failed; null while it has not.")

    @classmethod
    def of(cls, operation: Operation, refusal: MeshError | None = None) -> Self:
        return cls(
            operationId=operation.id,
            kind=operation.intent.kind,
            agentId=operation.intent.agent_id,
            metadataCid=cid_of(operation.intent),
            transactionHash=operation.transaction_hash,
            status=operation.status,
            error=refusal and RefusalView.of(refusal),
        )


class BatchItem(BaseModel):
    """One of the two: the operation that was accepted, or why there is none."""

    operation: OperationView | None
    problem: RefusalView | None

    @classmethod
    def of(cls, outcome: Operation | MeshError) -> Self:
        if isinstance(outcome, MeshError):
            return cls(operation=None, problem=RefusalView.of(outcome))
        return cls(operation=OperationView.of(outcome), problem=None)


class BatchView(BaseModel):
    """What became of each, in the order of the request."""

    items: list[BatchItem]
