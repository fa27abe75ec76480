"""Approvals."""

from datetime import UTC, datetime
from typing import Self

from mesh_shared.wire import Uuid
from pydantic import BaseModel, Field

from mesh_security_gateway.domain.approvals import Approval, State


class ApprovalView(BaseModel):
    id: Uuid
    state: State
    agent: str = Field(examples=["agent-7"])
    connection: str = Field(examples=["github"])
    method: str = Field(examples=["DELETE"])
    path: str = Field(examples=["/repos/mesh/gateway"])
    query_keys: list[str] = Field(description="Names without values.")
    body_digest: str = Field(description="SHA-256 of the body, hex.")
    body_bytes: int
    request_digest: str = Field(
        description="SHA-256 of all that leaves; an answer is good for this request alone."
    )
    approver: str | None = Field(examples=["admin"])
    created_at: datetime
    expires_at: int = Field(description="Unix seconds.", examples=[1764000900])

    @classmethod
    def of(cls, approval: Approval, now: float) -> Self:
        return cls(
            id=approval.id,
            state=approval.state(now),
            agent=approval.agent,
            connection=approval.connection,
            method=approval.method,
            path=approval.path,
            query_keys=list(approval.query_keys),
            body_digest=approval.body_digest,
            body_bytes=approval.body_bytes,
            request_digest=approval.digest,
            approver=approval.approver,
            created_at=datetime.fromtimestamp(approval.created_at, UTC),
            expires_at=approval.expires_at,
        )
