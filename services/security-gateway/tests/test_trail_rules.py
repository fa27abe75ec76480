"""The record as a chain: whatever is done to it afterwards shows."""

import hashlib
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.adapters.keyfiles import Ed25519HeadKey
from mesh_security_gateway.domain.audit import GENESIS, Break, Happening, Head, Sealed, follow, seal

EMPTY = Head(sequence=0, hash=GENESIS)
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
    head, entries = EMPTY, list[Sealed]()
    for n in range(length):
        happening = replace(INTENT, agent=f"agent-{n % 3}")
        entry = seal(happening, id=f"id-{n}", at=f"2026-01-01T00:00:{n:02}.000+00:00", head=head)
        entries.append(entry)
        head = Head(sequence=entry.sequence, hash=entry.hash)
    return entries


def broken(entries: list[Sealed]) -> Break | None:
    return follow(EMPTY, entries)[1]


def test_an_entry_says_everything_that_an_auditor_asks_and_no_secret():
    members = seal(INTENT, id="one", at="2026-01-01T00:00:00.000+00:00", head=EMPTY).members()

    told = {name: value for name, value in members.items() if value is not None and name != "hash"}
    assert told == {
        "v": 1,
        "sequence": 1,
        "id": "one",
        "at": "2026-01-01T00:00:00.000+00:00",
        "prev": GENESIS,
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
    outcome = INTENT.ended("one", code=None, status=200, received=12, ms=5)

    assert (outcome.phase, outcome.intent, outcome.code) == ("outcome", "one", None)
    assert (outcome.status, outcome.bytes, outcome.ms) == (200, 12, 5)
    assert (outcome.agent, outcome.connection, outcome.path) == (INTENT.agent, INTENT.connection, INTENT.path)


def test_a_refusal_is_an_intent_that_was_turned_down():
    refusal = INTENT.refused("grant-missing")

    assert (refusal.phase, refusal.decision, refusal.code) == ("intent", "deny", "grant-missing")


def test_a_record_that_nobody_touched_holds():
    entries = record(20)

    assert follow(EMPTY, entries) == (Head(sequence=20, hash=entries[-1].hash), None)


@given(st.integers(1, 12), st.data())
def test_a_changed_byte_is_found_where_it_is(length: int, data: st.DataObject):
    entries = record(length)
    place = data.draw(st.integers(0, length - 1))
    body = bytearray(entries[place].body)
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    entries[place] = replace(entries[place], body=bytes(body))

    assert broken(entries) == Break(sequence=place + 1, flaw="entry-changed")


@given(st.integers(2, 12), st.data())
def test_an_entry_that_was_taken_out_is_missed(length: int, data: st.DataObject):
    entries = record(length)
    place = data.draw(st.integers(0, length - 2))
    del entries[place]

    assert broken(entries) == Break(sequence=place + 1, flaw="entry-missing")


@given(st.integers(2, 12), st.data())
def test_entries_that_changed_places_are_found(length: int, data: st.DataObject):
    entries = record(length)
    first = data.draw(st.integers(0, length - 2))
    second = data.draw(st.integers(first + 1, length - 1))
    entries[first], entries[second] = (
        replace(entries[second], sequence=first + 1),
        replace(entries[first], sequence=second + 1),
    )

    assert broken(entries) == Break(sequence=first + 1, flaw="entry-changed")


@given(st.integers(2, 12), st.data())
def test_whoever_rewrites_an_entry_and_its_hash_breaks_the_next(length: int, data: st.DataObject):
    entries = record(length)
    place = data.draw(st.integers(0, length - 2))
    head = Head(sequence=place, hash=entries[place - 1].hash if place else GENESIS)
    entries[place] = seal(replace(INTENT, agent="somebody-else"), id="forged", at="now", head=head)

    assert broken(entries) == Break(sequence=place + 2, flaw="entry-changed")


@pytest.mark.parametrize("column", [{"agent": "other"}, {"connection": "other"}, {"connection": None}])
def test_a_column_that_finds_an_entry_says_what_the_entry_says(column: dict[str, Any]):
    (entry,) = record(1)

    assert broken([replace(entry, **column)]) == Break(sequence=1, flaw="entry-changed")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"\xff", b'{"sequence": 1}'])
def test_what_is_no_entry_at_all_is_a_changed_one(body: bytes):
    (entry,) = record(1)
    nonsense = replace(entry, body=body, hash=hashlib.sha256(body).hexdigest())

    assert broken([nonsense]) == Break(sequence=1, flaw="entry-changed")


def test_the_hash_is_over_canonical_json_that_anybody_can_build():
    (entry,) = record(1)
    members = entry.members()
    hash = members.pop("hash")

    assert hashlib.sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).hexdigest() == hash


@given(st.integers(0, 2**53), st.binary(min_size=32, max_size=32))
def test_a_head_is_signed_for_one_place_and_one_hash(sequence: int, hash: bytes):
    key, head = Ed25519HeadKey(b"\1" * 32), Head(sequence=sequence, hash=hash.hex())
    signature = key.sign(head.statement())

    assert key.holds(head.statement(), signature)
    assert not key.holds(replace(head, sequence=sequence + 1).statement(), signature)
    assert not key.holds(replace(head, hash=f"{int(head.hash, 16) ^ 1:064x}").statement(), signature)
    assert not Ed25519HeadKey(b"\2" * 32).holds(head.statement(), signature)
