"""Changes, challenges and batches that nobody means well: each gets a clear problem, and nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from mesh_registry.domain import naming

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from httpx import Response
    from unaided import Chain

NAME = "acme/one"
AGENT_ID = naming.agent_id_of(NAME)
CHANGES = f"/v1/agents/{AGENT_ID}/changes"
CHALLENGES = "/v1/wallet-challenges"
BATCH = "/v1/agents/batch"
OFF = {"kind": "deactivate", "expectedVersion": 1}
PROOF = {"nonce": "5e" * 16, "signature": "0x" + "11" * 65}

# What is changed in the metadata of a good update, and the problem that answers it.
METADATA: dict[str, tuple[Body, int, str]] = {
    "text that turns around": ({"description": "\u202egnihtemos"}, 409, "text-unfit"),
    "a zero-width space": ({"name": "Ac\u200bme"}, 409, "text-unfit"),
    "NUL": ({"description": "a\0b"}, 409, "nul-in-text"),
    "a template as endpoint": ({"endpoint": "https://{agentId}.example"}, 422, "invalid-request"),
    "an endpoint with a homoglyph": ({"endpoint": "https://\u0430cme.example"}, 422, "invalid-request"),
    "an endpoint that is a file": ({"endpoint": "file:///etc/passwd"}, 422, "invalid-request"),
    "a capability in capitals": ({"capabilities": ["Text"]}, 422, "invalid-request"),
    "a member that nobody knows": ({"admin": True}, 422, "invalid-request"),
}
# What is sent beside a change, and why it does not help.
BESIDE: dict[str, tuple[Body, int, str]] = {
    "a nonce that was never given": ({"proof": PROOF}, 409, "challenge-closed"),
    "a nonce in capitals": ({"proof": PROOF | {"nonce": "5E" * 16}}, 422, "invalid-request"),
    "a nonce that is too short": ({"proof": PROOF | {"nonce": "5e"}}, 422, "invalid-request"),
    "a nonce that is SQL": ({"proof": PROOF | {"nonce": "' OR 1=1 --"}}, 422, "invalid-request"),
    "a signature without end": ({"proof": PROOF | {"signature": "0x" + "1" * 9000}}, 422, "invalid-request"),
    "a signature of half a byte": (
        {"proof": PROOF | {"signature": "0x" + "1" * 131}},
        422,
        "invalid-request",
    ),
    "a message of the caller's own": ({"proof": PROOF | {"message": "I am it"}}, 422, "invalid-request"),
    "an owner of the caller's own": ({"owner": "0x" + "1" * 40}, 422, "invalid-request"),
    "a proof that is a list": ({"proof": [PROOF]}, 422, "invalid-request"),
    "a deadline that is text": (
        {"authorization": {"deadline": "soon", "signature": "0x" + "11" * 65}},
        422,
        "invalid-request",
    ),
}


async def sent(caller: Caller, address: str, content: bytes, key: str) -> Response:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return await caller.post(address, content=content, headers=headers)


@pytest.fixture
async def agent(caller_lite: Caller) -> Body:
    await caller_lite.registered(NAME)
    found = await caller_lite.agent(NAME)
    assert found is not None
    return found


async def test_an_update_to_metadata_that_hides_something_is_refused(caller_lite: Caller, agent: Body):
    answers: dict[str, tuple[int, str]] = {}
    for name, (change, _, _) in METADATA.items():
        said = caller_lite.metadata() | change
        body = {"change": {"kind": "update", "expectedVersion": 1, "metadata": said}}
        answer = await sent(caller_lite, CHANGES, orjson.dumps(body), name.replace(" ", "-"))
        answers[name] = (answer.status_code, answer.json()["code"])

    assert answers == {name: (status, code) for name, (_, status, code) in METADATA.items()}
    assert await caller_lite.agent(NAME) == agent


async def test_nobody_asks_a_wallet_about_metadata_that_hides_something(caller_lite: Caller, agent: Body):
    answers: dict[str, tuple[int, str]] = {}
    for name, (change, _, _) in METADATA.items():
        said = caller_lite.metadata() | change
        body = {"agentId": AGENT_ID, "change": {"kind": "update", "expectedVersion": 1, "metadata": said}}
        answer = await sent(caller_lite, CHALLENGES, orjson.dumps(body), "any")
        answers[name] = (answer.status_code, answer.json()["code"])

    assert answers == {name: (status, code) for name, (_, status, code) in METADATA.items()}


async def test_what_is_sent_beside_a_change_is_what_it_must_be(caller_lite: Caller, agent: Body):
    answers: dict[str, tuple[int, str]] = {}
    for name, (more, _, _) in BESIDE.items():
        body = orjson.dumps({"change": OFF} | more)
        answer = await sent(caller_lite, CHANGES, body, name.replace(" ", "-"))
        answers[name] = (answer.status_code, answer.json()["code"])

    assert answers == {name: (status, code) for name, (_, status, code) in BESIDE.items()}
    assert await caller_lite.agent(NAME) == agent


@pytest.mark.parametrize("address", [CHANGES, CHALLENGES, BATCH])
async def test_json_that_two_readers_would_read_differently_is_refused(
    caller_lite: Caller, chain: Chain, address: str
):
    bad = [
        b'{"change":{"kind":"deactivate","kind":"activate","expectedVersion":1}}',
        b'{"change":{"kind":"deactivate","expectedVersion":1},"change":{"kind":"withdraw"}}',
        b'{"agents":[],"agents":[]}',
        b'{"change":{"kind":"deactivate","expectedVersion":NaN}}',
        b'{"change":' + b"[" * 3000,
        b'{"change":"\\ud800"}',
        b'\xff{"change":{}}',
        b'{"change":{}',
    ]

    answers = [await sent(caller_lite, address, content, str(n)) for n, content in enumerate(bad)]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(400, "malformed-request")] * len(bad)


@pytest.mark.parametrize("address", [CHANGES, CHALLENGES, BATCH])
async def test_a_body_that_is_too_large_is_refused(caller_lite: Caller, chain: Chain, address: str):
    answer = await sent(caller_lite, address, b'{"change":"' + b"a" * (1 << 20) + b'"}', "large")

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


@pytest.mark.parametrize("address", [CHANGES, CHALLENGES, BATCH])
async def test_a_body_of_another_kind_is_refused(caller_lite: Caller, chain: Chain, address: str):
    bodies = [b"[]", b"null", b'"change"', b"7", b"{}", b'{"change":{}}', b'{"agents":[{}]}']

    answers = [await sent(caller_lite, address, body, str(n)) for n, body in enumerate(bodies)]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(422, "invalid-request")] * len(bodies)


async def test_no_problem_repeats_what_was_sent(caller_lite: Caller, agent: Body):
    body = {"change": OFF, "proof": {"nonce": "sk-secret", "signature": "sk-secret"}}

    answer = await sent(caller_lite, CHANGES, orjson.dumps(body), "one")

    assert answer.status_code == 422
    assert "sk-secret" not in answer.text


@pytest.mark.parametrize(
    "agent_id",
    ["0x", "0x12", AGENT_ID.upper(), AGENT_ID + "0", "acme%2Fone", "..%2F..%2Fetc%2Fpasswd", "%00"],
)
async def test_an_id_that_is_none_names_no_agent(caller_lite: Caller, chain: Chain, agent_id: str):
    answer = await sent(caller_lite, f"/v1/agents/{agent_id}/changes", orjson.dumps({"change": OFF}), "one")

    assert answer.status_code in (400, 404, 422)


async def test_a_batch_with_something_hidden_in_it_does_the_rest(caller_lite: Caller, chain: Chain):
    agents: list[Any] = [
        caller_lite.wish("acme/good"),
        caller_lite.wish("acme/hidden", metadata=caller_lite.metadata(description="\u202egnihtemos")),
        caller_lite.wish("acme/tags", metadata=caller_lite.metadata(name="nice\U000e0069")),
    ]

    answer = await sent(caller_lite, BATCH, orjson.dumps({"agents": agents}), "batch")

    problems = [item["problem"] and item["problem"]["code"] for item in answer.json()["items"]]
    assert problems == [None, "text-unfit", "text-unfit"]
    await caller_lite.agent_when("acme/good", lambda agent: agent["active"])
    assert await chain.total_agents() == 1
