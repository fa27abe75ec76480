"""A person's word on one exact request: asked once, given once, used once."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from mesh_shared.canonical import canonical_json

State = Literal["pending", "approved", "denied", "used", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The request that is asked about: all that leaves, so that no other request has the same `digest`."""

    agent: str
    connection_id: UUID
    grant_id: UUID
    method: str
    path: str
    query: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def body_digest(self) -> str:
        """SHA-256 of the body, hex; what an approver compares with the text that an agent shows."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def digest(self) -> str:
        """SHA-256 of everything, hex. The order of header fields with different names says nothing."""
        everything = [
            self.agent,
            str(self.connection_id),
            str(self.grant_id),
            self.method,
            self.path,
            self.query,
            sorted_fields(self.fields),
            self.body_digest,
        ]
        return hashlib.sha256(canonical_json(everything)).hexdigest()


def sorted_fields(fields: Iterable[tuple[str, str]]) -> list[list[str]]:
    """By name; those of one name stay in their order, which has a meaning (RFC 9110 §5.3)."""
    return [list(field) for field in sorted(fields, key=lambda field: field[0])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question and what became of it; instants in Unix seconds. Of the body it keeps the digest alone."""

    id: UUID
    digest: str
    agent: str
    connection: str
    owner: str
    method: str
    path: str
    query_keys: tuple[str, ...]
    body_digest: str
    body_bytes: int
    said: Literal["pending", "approved", "denied", "used"]
    approver: str | None
    created_at: int
    expires_at: int

    def state(self, now: float) -> State:
        """What it is worth at `now`: a question or a word that nobody used in time is `expired`."""
        return "expired" if self.said in ("pending", "approved") and now >= self.expires_at else self.said
