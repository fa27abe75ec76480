"""The record as entries under a tree: whatever is done to it afterwards shows."""

import hashlib
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain import tree
from mesh_security_gateway.domain.audit import Break, Happening, Sealed, entry_id, follow, seal, sequence_of
from mesh_security_gateway.domain.tree import Edge
from msgspec import structs

AT = "2026-01-01T00:00:00.000+00:00"
ID = "00000000-0000-8000-8000-000000000001"
INTENT = Happening(
    phase="intent",
    action="proxy",
    agent="agent-7",
    connection="github",
    secret_version=3,
    fingerprint="c0ffee0123456789",
    method="GET",
    origin="https://api.github.com",
    private_origin=False,
    path="/user",
    query_keys=("page",),
    decision="allow",
    grant="7d4f",
    policies=("mesh.grant",),
    policy_hash="e3b0",
    actors=("agent-8",),
)


def record(length: int) -> list[Sealed]:
    """A record of `length` entries, by several agents."""
    return [
        seal(structs.replace(INTENT, agent=f"agent-{n % 3}"), id=entry_id(n + 1, n), at=AT, sequence=n + 1)
        for n in range(length)
    ]


def found(entries: list[Sealed], original: list[Sealed]) -> Break | None:
    """What a walk against the tree of the original record finds."""
    edge, broken = follow(Edge(), entries)
    signed = tree.grown(Edge(), (entry.leaf for entry in original))
    return broken or (None if edge == signed else Break(sequence=None, flaw="head-forged"))


def test_an_entry_says_everything_that_an_auditor_asks_and_no_secret():
    members = seal(INTENT, id=entry_id(1, 0), at=AT, sequence=1).members()

    told = {name: value for name, value in members.items() if value is not None and name != "leaf_hash"}
    assert told == {
        "v": 1,
        "sequence": 1,
        "id": ID,
        "at": AT,
        "phase": "intent",
        "action": "proxy",
        "agent": "agent-7",
        "connection": "github",
        "secret_version": 3,
        "fingerprint": "c0ffee0123456789",
        "method": "GET",
        "origin": "https://api.github.com",
        "private_origin": False,
        "path": "/user",
        "query_keys": ["page"],
        "decision": "allow",
        "grant": "7d4f",
        "policies": ["mesh.grant"],
        "policy_hash": "e3b0",
        "actors": ["agent-8"],
    }


def test_an_intent_ends_in_an_outcome_that_names_it():
    outcome = INTENT.ended(ID, code=None, status=200, received=12, ms=5)

    assert (outcome.phase, outcome.intent, outcome.code) == ("outcome", ID, None)
    assert (outcome.status, outcome.bytes, outcome.ms) == (200, 12, 5)
    assert (outcome.agent, outcome.connection, outcome.path) == (INTENT.agent, INTENT.connection, INTENT.path)


def test_a_refusal_is_an_intent_that_was_turned_down():
    refusal = INTENT.refused("grant-missing")

    assert (refusal.phase, refusal.decision, refusal.code) == ("intent", "deny", "grant-missing")


def test_an_outcome_is_found_by_the_place_of_its_intent():
    outcome = seal(
        INTENT.ended(ID, code=None, status=200, received=12, ms=5), id=entry_id(2, 7), at=AT, sequence=2
    )

    assert outcome.intent == 1
    assert found([*record(1), outcome], [*record(1), outcome]) is None


@given(st.integers(1, 2**53), st.integers(0, 2**64 - 1))
def test_an_id_says_where_its_entry_is_and_cannot_be_guessed(sequence: int, random: int):
    id = UUID(entry_id(sequence, random))

    assert sequence_of(id) == sequence
    assert (id.version, id.variant) == (8, "specified in RFC 4122")
    assert entry_id(sequence, random ^ 1) != str(id)


def test_a_record_that_nobody_touched_holds():
    entries = record(20)

    edge, broken = follow(Edge(), entries)

    assert broken is None
    assert (edge.size, edge) == (20, tree.grown(Edge(), (entry.leaf for entry in entries)))


@given(st.integers(1, 12), st.data())
def test_a_changed_byte_is_found_where_it_is(length: int, data: st.DataObject):
    entries, original = record(length), record(length)
    place = data.draw(st.integers(0, length - 1))
    body = bytearray(entries[place].body)
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    entries[place] = structs.replace(entries[place], body=bytes(body))

    assert found(entries, original) == Break(sequence=place + 1, flaw="entry-changed")


@given(st.integers(2, 12), st.data())
def test_an_entry_that_was_taken_out_is_missed(length: int, data: st.DataObject):
    entries, original = record(length), record(length)
    place = data.draw(st.integers(0, length - 1))
    del entries[place]

    is_last = place == length - 1
    expected = (
        Break(sequence=None, flaw="head-forged")
        if is_last
        else Break(sequence=place + 1, flaw="entry-missing")
    )
    assert found(entries, original) == expected


@given(st.integers(2, 12), st.data())
def test_entries_that_changed_places_are_found(length: int, data: st.DataObject):
    entries, original = record(length), record(length)
    first = data.draw(st.integers(0, length - 2))
    second = data.draw(st.integers(first + 1, length - 1))
    entries[first], entries[second] = (
        structs.replace(entries[second], sequence=first + 1),
        structs.replace(entries[first], sequence=second + 1),
    )

    assert found(entries, original) == Break(sequence=first + 1, flaw="entry-changed")


@given(st.integers(1, 12), st.data())
def test_whoever_rewrites_an_entry_and_its_leaf_makes_another_tree(length: int, data: st.DataObject):
    entries, original = record(length), record(length)
    place = data.draw(st.integers(0, length - 1))
    entries[place] = seal(
        structs.replace(INTENT, agent="somebody-else"), id=entry_id(place + 1, 1), at=AT, sequence=place + 1
    )

    assert found(entries, original) == Break(sequence=None, flaw="head-forged")


@pytest.mark.parametrize(
    "column", [{"agent": "other"}, {"connection": "other"}, {"connection": None}, {"intent": 7}]
)
def test_a_column_that_finds_an_entry_says_what_the_entry_says(column: dict[str, Any]):
    (entry,) = record(1)

    assert found([structs.replace(entry, **column)], [entry]) == Break(sequence=1, flaw="entry-changed")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"\xff", b'{"sequence": 1}'])
def test_what_is_no_entry_at_all_is_a_changed_one(body: bytes):
    (entry,) = record(1)
    nonsense = structs.replace(entry, body=body, leaf=tree.leaf(body))

    assert found([nonsense], [entry]) == Break(sequence=1, flaw="entry-changed")


def test_the_leaf_is_over_canonical_json_that_anybody_can_build():
    (entry,) = record(1)
    members = entry.members()
    leaf = members.pop("leaf_hash")

    canonical = orjson.dumps(members, option=orjson.OPT_SORT_KEYS)
    assert hashlib.sha256(b"\0" + canonical).hexdigest() == leaf
