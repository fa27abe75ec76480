"""The audit and its verification."""

from typing import Literal

from pydantic import BaseModel, Field

from mesh_security_gateway.domain.audit import Flaw, Phase
from mesh_security_gateway.schemas.fields import View


class AuditEntryView(BaseModel):
    """`hash` is SHA-256 over the canonical JSON (sorted keys, no blanks) of all the other members."""

    v: int
    sequence: int = Field(description="1, 2, 3, … without gaps.")
    id: str
    at: str = Field(description="RFC 3339, UTC.")
    phase: Phase
    action: str
    agent: str
    target: str | None
    holder: str | None
    actors: list[str] = Field(description="Who acts for the agent, the present one first (RFC 8693).")
    connection: str | None
    secret_version: int | None
    fingerprint: str | None
    method: str | None
    origin: str | None
    private_origin: bool | None
    path: str | None
    query_keys: list[str]
    decision: Literal["allow", "deny"] | None
    grant: str | None = Field(description="What the call went out under.")
    policies: list[str] = Field(description="Ids of the policies that decided.")
    policy_hash: str | None = Field(description="SHA-256 of the policies that held; see `/v1/policies`.")
    approval: str | None = Field(description="The person's word that came with the call.")
    code: str | None
    intent: str | None
    status: int | None
    bytes: int | None
    ms: int | None
    prev: str
    hash: str


class BreakView(View):
    sequence: int | None = Field(description="The first entry that does not hold; null for the head itself.")
    flaw: Flaw


class VerificationView(BaseModel):
    """The record against its signed head. A whole database put back to an earlier state does not show."""

    valid: bool
    entries: int
    head: str = Field(description="Hash of the newest entry. Note it elsewhere to see a later rollback.")
    broken: BreakView | None
