"""The record of what was done with credentials: entries chained by hash, under a signed head.

The chain shows an entry that was changed, taken out or moved. The signed head shows a tail that was cut off.
What neither shows: a whole database put back to an earlier state together with the head of that time, and
whatever somebody writes who holds the audit key.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal
from uuid import UUID

import orjson
from mesh_shared.canonical import canonical_json

GENESIS = "0" * 64

Phase = Literal["intent", "outcome", "change"]
Flaw = Literal["head-missing", "head-forged", "entry-missing", "entry-changed", "entry-beyond-head"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What there is to say about one step; members that do not apply are null, and none is ever a secret.

    `actors` are those who act for `agent`, the present one first. `target` is what a change is about (a key's
    or grant's id, a provider's name) and `holder` who it concerns. `fingerprint` names a secret's version
    without telling it; `query_keys` are names without values; `intent` is the id of the intent that an
    outcome belongs to; `private_origin` says that a provider's exception was used. `grant` is what a call
    went out under, `policies` are the ids of those that decided, and `policy_hash` is SHA-256 of the text
    that was published at that time. `approval` is the id of a person's word that came with a call.
    """

    phase: Phase
    action: str
    agent: str
    target: str | None = None
    holder: str | None = None
    actors: tuple[str, ...] = ()
    connection: str | None = None
    secret_version: int | None = None
    fingerprint: str | None = None
    method: str | None = None
    origin: str | None = None
    private_origin: bool | None = None
    path: str | None = None
    query_keys: tuple[str, ...] = ()
    decision: Literal["allow", "deny"] | None = None
    grant: str | None = None
    policies: tuple[str, ...] = ()
    policy_hash: str | None = None
    approval: str | None = None
    code: str | None = None
    intent: str | None = None
    status: int | None = None
    bytes: int | None = None
    ms: int | None = None

    def decided(self, grant: UUID | None, policies: tuple[str, ...], policy_hash: str) -> "Happening":
        """This intent with what the policies said of it."""
        return replace(
            self, grant=None if grant is None else str(grant), policies=policies, policy_hash=policy_hash
        )

    def refused(self, code: str) -> "Happening":
        """This intent, turned down for the reason `code`."""
        return replace(self, decision="deny", code=code)

    def ended(
        self, intent: str, *, code: str | None, status: int | None, received: int, ms: int
    ) -> "Happening":
        """How the intent with that id ended: `code` is null when well, `received` in bytes."""
        return replace(self, phase="outcome", intent=intent, code=code, status=status, bytes=received, ms=ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest entry's place and hash; all zeros before the first."""

    sequence: int
    hash: str

    def statement(self) -> bytes:
        """What the audit key signs."""
        return b"mesh-audit-head\0" + canonical_json({"entries": self.sequence, "head": self.hash})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An entry as it is kept: `body` is the canonical JSON that `hash` (SHA-256, hex) is taken of."""

    sequence: int
    agent: str
    connection: str | None
    body: bytes
    hash: str

    def members(self) -> dict[str, Any]:
        """The entry's members, with its hash."""
        return orjson.loads(self.body) | {"hash": self.hash}


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first place where the record does not hold; `sequence` is null when it is the head itself."""

    sequence: int | None
    flaw: Flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a look at the whole record found."""

    entries: int
    head: str
    broken: Break | None


def seal(happening: Happening, *, id: str, at: str, head: Head) -> Sealed:
    """`happening` as the entry after `head`; `at` is an RFC 3339 instant in UTC."""
    sequence = head.sequence + 1
    members = asdict(happening) | {"v": 1, "id": id, "at": at, "sequence": sequence, "prev": head.hash}
    body = canonical_json(members)
    return Sealed(
        sequence=sequence,
        agent=happening.agent,
        connection=happening.connection,
        body=body,
        hash=hashlib.sha256(body).hexdigest(),
    )


def follow(head: Head, entries: Iterable[Sealed]) -> tuple[Head, Break | None]:
    """Walks from `head` over the entries that should come next; stops at the first that does not hold."""
    for entry in entries:
        expected = head.sequence + 1
        if entry.sequence != expected:
            return head, Break(sequence=expected, flaw="entry-missing")
        if not _holds(entry, head):
            return head, Break(sequence=expected, flaw="entry-changed")
        head = Head(sequence=expected, hash=entry.hash)
    return head, None


def _holds(entry: Sealed, head: Head) -> bool:
    if hashlib.sha256(entry.body).hexdigest() != entry.hash:
        return False
    try:
        members = orjson.loads(entry.body)
        kept = (members["sequence"], members["prev"], members["agent"], members["connection"])
    except (ValueError, TypeError, KeyError):
        return False
    return kept == (entry.sequence, head.hash, entry.agent, entry.connection)
