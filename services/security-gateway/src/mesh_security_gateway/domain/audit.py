"""The record of what was done with credentials: entries under a tree of hashes, under a signed checkpoint.

The tree shows an entry that was changed, taken out or moved. The signature shows a tail that was cut off.
What neither shows: a whole database put back to an earlier state together with the checkpoint of that time,
and whatever somebody writes who holds the audit key. A checkpoint that is noted elsewhere shows both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
from mesh_shared.canonical import canonical_json
from msgspec import Struct, structs

from mesh_security_gateway.domain import tree
from mesh_security_gateway.domain.tree import Edge

Phase = Literal["intent", "outcome", "change"]
Flaw = Literal["head-missing", "head-forged", "entry-missing", "entry-changed", "entry-beyond-head"]
"""A leaf that was put in another's place together with its entry makes another tree: `head-forged`."""


class Happening(Struct, frozen=True, kw_only=True):
    """What there is to say about one step; members that do not apply are null, and none is ever a secret.

    `actors` are those who act for `agent`, the present one first. `target` is what a change is about (a key's
    or grant's id, a provider's name) and `holder` who it concerns. `fingerprint` names a secret's version
    without telling it; `query_keys` are names without values; `intent` is the id of the intent that an
    outcome belongs to; `private_origin` says that a provider's exception was used. `grant` is what a call
    went out under, `policies` are the ids of those that decided, and `policy_hash` is SHA-256 of the text
    that was published at that time. `approval` is the id of a person's word that came with a call, and
    `lease` what it was made under.

    Every call makes two, and a dataclass of this size takes ten times as long.
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
    lease: str | None = None
    code: str | None = None
    intent: str | None = None
    status: int | None = None
    bytes: int | None = None
    ms: int | None = None

    def refused(self, code: str) -> "Happening":
        """This intent, turned down for the reason `code`."""
        return structs.replace(self, decision="deny", code=code)

    def ended(
        self, intent: str, *, code: str | None, status: int | None, received: int, ms: int
    ) -> "Happening":
        """How the intent with that id ended: `code` is null when well, `received` in bytes."""
        return structs.replace(
            self, phase="outcome", intent=intent, code=code, status=status, bytes=received, ms=ms
        )


class Sealed(Struct, frozen=True, kw_only=True):
    """An entry as it is kept: `leaf` is what the tree has of the canonical JSON in `body`.

    The other members only find it: `intent` is the sequence of the intent that an outcome belongs to.
    """

    sequence: int
    agent: str
    connection: str | None
    intent: int | None
    body: bytes
    leaf: bytes

    def members(self) -> dict[str, Any]:
        """The entry's members, with the hash of its leaf."""
        return orjson.loads(self.body) | {"leaf_hash": self.leaf.hex()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first place where the record does not hold; `sequence` is null when it is the head itself."""

    sequence: int | None
    flaw: Flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a look at the whole record found; `root` is that of its tree, hex."""

    entries: int
    root: str
    broken: Break | None


def seal(happening: Happening, *, id: str, at: str, sequence: int) -> Sealed:
    """`happening` as the entry at `sequence`, counted from 1, whose `entry_id` is `id`; `at` is an RFC 3339
    instant in UTC.
    """
    members = structs.asdict(happening)
    members |= {"v": 1, "id": id, "at": at, "sequence": sequence}
    body = canonical_json(members)
    return Sealed(
        sequence=sequence,
        agent=happening.agent,
        connection=happening.connection,
        intent=None if happening.intent is None else _sequence_in(happening.intent),
        body=body,
        leaf=tree.leaf(body),
    )


def entry_id(sequence: int, random: int) -> str:
    """A UUID of version 8 (RFC 9562 §5.8) with the sequence behind 58 bits of `random`, which has 64: nobody
    can guess it.
    """
    high = random & ~(0xF << 12) & (1 << 64) - 1 | 8 << 12
    digits = f"{high << 64 | 2 << 62 | sequence:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def sequence_of(id: UUID) -> int:
    """Where the entry with that id must be, if it is one of ours."""
    return id.int & (1 << 62) - 1


def _sequence_in(id: str) -> int:
    """`sequence_of` without a UUID in between."""
    return int(id[19:].replace("-", ""), 16) & (1 << 62) - 1


def follow(edge: Edge, entries: Iterable[Sealed]) -> tuple[Edge, Break | None]:
    """Walks from `edge` over the entries that should come next; stops at the first that does not hold."""
    for entry in entries:
        expected = edge.size + 1
        if entry.sequence != expected:
            return edge, Break(sequence=expected, flaw="entry-missing")
        if not _holds(entry):
            return edge, Break(sequence=expected, flaw="entry-changed")
        edge, _ = edge.grown(entry.leaf)
    return edge, None


def _holds(entry: Sealed) -> bool:
    """True when the row says what its body says, and the body is what was hashed."""
    if tree.leaf(entry.body) != entry.leaf:
        return False
    try:
        members = orjson.loads(entry.body)
        intent = members["intent"] and sequence_of(UUID(members["intent"]))
        kept = (members["sequence"], members["agent"], members["connection"], intent)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return kept == (entry.sequence, entry.agent, entry.connection, entry.intent)
