"""The audit and its verification."""

from typing import Literal

from pydantic import BaseModel, Field

from mesh_security_gateway.domain.audit import Flaw, Phase
from mesh_security_gateway.domain.explanation import Result
from mesh_security_gateway.repository.anchors import Status
from mesh_security_gateway.schemas.fields import View


class AuditEntryView(BaseModel):
    """`leaf_hash` is SHA-256 over a zero byte and the canonical JSON (sorted keys) of the other members."""

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
    lease: str | None = Field(description="What the call was made under; see `/v1/leases`.")
    code: str | None
    intent: str | None
    status: int | None
    bytes: int | None
    ms: int | None
    leaf_hash: str


class BreakView(View):
    sequence: int | None = Field(description="The first entry that does not hold; null for the head itself.")
    flaw: Flaw


class VerificationView(BaseModel):
    """The record against its signed head. A whole database put back to an earlier state does not show."""

    valid: bool
    entries: int
    root: str = Field(description="Of the tree, hex. Note the checkpoint elsewhere to see a later rollback.")
    broken: BreakView | None


class AuditKeyView(BaseModel):
    """Who signs checkpoints; `key` is the verifier key of C2SP's signed notes. Note it once, elsewhere."""

    name: str
    key: str


class CheckpointView(View):
    """A checkpoint that stays: the signed note over the first `size` entries."""

    size: int
    at: str = Field(description="RFC 3339, UTC.")
    note: str


class AnchorView(View):
    """A checkpoint on the chain: the transaction's data are `note`, byte for byte."""

    size: int
    note: str
    status: Status = Field(description="`final` once no reorganisation is expected to take it back.")
    transaction_hash: str | None
    block_number: int | None


class InclusionView(BaseModel):
    """RFC 9162 §2.1.3: with `path`, the entry's leaf hash gives the root of the record of `size` entries."""

    size: int
    sequence: int
    leaf_hash: str
    path: list[str] = Field(description="Hashes in hex, from the leaf to the root.")


class ConsistencyView(BaseModel):
    """RFC 9162 §2.1.4: with `path`, the root of `first` entries gives that of `second`."""

    first: int
    second: int
    path: list[str] = Field(description="Hashes in hex.")


class ExplanationView(View):
    """What became of a step and why, from what the audit has: no secret, header, query value or body."""

    result: Result
    code: str | None = Field(description="As in the problem document and in `X-Mesh-Gateway-Error`.")
    because: str
    advice: str | None = Field(description="What to do about it, if there is anything.")
    reached_upstream: Literal["no", "yes", "maybe"]
    entry: AuditEntryView
    outcome: AuditEntryView | None
