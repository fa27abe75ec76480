"""Agents of the operator: from a request to an agent that is found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from mesh_registry.domain import naming
from mesh_registry.schemas.registrations import EXAMPLE_METADATA, AgentRequest
from mesh_shared.canonical import canonical_json
from mesh_shared.content import cid
from pydantic import ValidationError

if TYPE_CHECKING:
    from callers_of_registry import Caller
    from mesh_shared.testing import Issuer
    from unaided import Chain

NOWHERE = "00000000-0000-4000-8000-000000000000"


async def test_the_answer_carries_id_cid_and_transaction_hash(caller: Caller):
    body = caller.wish("acme/one", "test-capability")

    answer = await caller.register(body)

    operation = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/operations/{operation['operationId']}"
    assert operation["agentId"] == naming.agent_id_of("acme/one")
    assert operation["metadataCid"] == str(cid.of(canonical_json(body["metadata"])))
    assert re.fullmatch(r"0x[0-9a-fA-F]{64}", operation["transactionHash"])


async def test_an_agent_registered_with_a_capability_is_found_by_it(caller: Caller, operator: str):
    await caller.registered("acme/one", "test-capability")

    (agent,) = await caller.found("test-capability")
    assert agent["agentId"] == naming.agent_id_of("acme/one")
    assert agent["owner"] == operator
    assert agent["did"] == f"did:pkh:eip155:31337:{operator}"
    assert agent["capabilities"] == ["test-capability"]
    assert (agent["active"], agent["status"], agent["metadataStatus"]) == (True, "confirmed", "fetched")


async def test_the_metadata_is_in_the_store_before_the_chain_names_it(caller_lite: Caller, chain: Chain):
    body = caller_lite.wish("acme/one")

    async with chain.holding():
        operation = (await caller_lite.register(body)).json()
        stored = await caller_lite.http.get(f"/v1/content/{operation['metadataCid']}")

    assert stored.content == canonical_json(body["metadata"])


async def test_an_agent_is_not_there_before_its_transaction_is_mined(caller_lite: Caller, chain: Chain):
    async with chain.holding():
        operation = (await caller_lite.register(caller_lite.wish("acme/one"))).json()
        early = await caller_lite.agent("acme/one")
        await chain.mine(1)
        await caller_lite.agent_when("acme/one", lambda agent: agent["active"])

    assert operation["status"] == "pending"
    assert early is None


async def test_an_operation_tells_how_sure_the_registration_is(caller_lite: Caller, chain: Chain):
    operation = await caller_lite.registered("acme/one")
    address = f"/v1/operations/{operation['operationId']}"

    confirmed = (await caller_lite.http.get(address)).json()["status"]
    await chain.mine(11)
    await caller_lite.when(address, lambda operation: operation["status"] == "finalized")

    assert confirmed == "confirmed"


async def test_the_answer_with_wait_is_the_agent_that_can_be_found(caller_lite: Caller):
    answer = await caller_lite.register(caller_lite.wish("acme/one"), wait="confirmed")

    assert answer.status_code == 201
    agent = await caller_lite.http.get(answer.headers["location"])
    assert agent.json()["metadataStatus"] == "fetched"


async def test_an_operation_that_has_not_moved_is_not_sent_again(caller_lite: Caller, chain: Chain):
    operation = await caller_lite.registered("acme/one")
    address = f"/v1/operations/{operation['operationId']}"
    etag = (await caller_lite.http.get(address)).headers["etag"]

    same = await caller_lite.http.get(address, headers={"If-None-Match": etag})

    assert (same.status_code, same.content) == (304, b"")


async def test_the_same_registration_is_one_operation_under_whatever_key(caller: Caller, chain: Chain):
    body = caller.wish("acme/one")

    first = await caller.register(body, key="one", wait="confirmed")
    again = await caller.register(body, key="other")

    assert again.json()["operationId"] == first.json()["operationId"]
    assert again.json()["transactionHash"] == first.json()["transactionHash"]
    assert await chain.total_agents() == 1


async def test_the_same_key_gets_the_first_answer_again(caller_lite: Caller):
    body = caller_lite.wish("acme/one")

    first = await caller_lite.register(body, key="one")
    again = await caller_lite.register(body, key="one")

    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)


async def test_an_id_that_is_taken_is_not_given_again(caller: Caller, chain: Chain):
    await caller.registered("acme/one")

    refused = await caller.register(caller.wish("acme/one", "other"), key="two")

    assert (refused.status_code, refused.json()["code"]) == (409, "agent-exists")
    assert await chain.total_agents() == 1


async def test_an_id_that_is_on_its_way_is_not_given_again(caller_lite: Caller, chain: Chain):
    async with chain.holding():
        await caller_lite.register(caller_lite.wish("acme/one"))
        refused = await caller_lite.register(caller_lite.wish("acme/one", "other"), key="two")

    assert (refused.status_code, refused.json()["code"]) == (409, "agent-exists")


async def test_an_id_that_a_stranger_took_is_refused_by_the_contract(caller_lite: Caller, chain: Chain):
    cid_of_theirs = await caller_lite.store_metadata("theirs")
    await chain.register(chain.accounts[3], "acme/one", cid_of_theirs, "theirs")

    refused = await caller_lite.register(caller_lite.wish("acme/one"))

    assert (refused.status_code, refused.json()["code"]) == (409, "agent-exists")


async def test_a_stake_is_locked_with_the_registration(caller_lite: Caller, chain: Chain, operator: str):
    await chain.fund(operator, 70)
    before = await chain.tokens_of(chain.registry)

    await caller_lite.registered("acme/one", stake=50)

    agent = await caller_lite.agent("acme/one")
    assert agent is not None
    assert agent["stakeAmount"] == "50"
    assert await chain.tokens_of(chain.registry) - before == 50
    assert await chain.tokens_of(operator) == 20


async def test_several_staked_agents_need_one_allowance(caller_lite: Caller, chain: Chain, operator: str):
    await chain.fund(operator, 30)

    for name in ("one", "two", "three"):
        await caller_lite.registered(f"acme/{name}", stake=10)

    assert await chain.nonce_of(operator) == 4


async def test_a_stake_that_is_not_there_is_refused_and_nothing_is_registered(
    caller_lite: Caller, chain: Chain, operator: str
):
    refused = await caller_lite.register(caller_lite.wish("acme/one", stake=1))

    assert (refused.status_code, refused.json()["code"]) == (409, "balance-too-low")
    assert await chain.total_agents() == 0
    assert await caller_lite.agent("acme/one") is None


async def test_an_id_that_was_refused_is_free_for_the_next_attempt(
    caller: Caller, chain: Chain, operator: str
):
    body = caller.wish("acme/one", stake=1)
    await caller.register(body, key="poor")
    await chain.fund(operator, 1)

    accepted = await caller.register(body, key="rich", wait="confirmed")

    assert accepted.status_code == 201


async def test_an_operation_that_failed_says_why(caller_lite: Caller, chain: Chain, operator: str):
    async with chain.holding():
        await caller_lite.register(caller_lite.wish("acme/first"))
        late = await caller_lite.http.post(
            "/v1/agents", json=caller_lite.wish("acme/late", stake=1), headers={"Idempotency-Key": "late"}
        )
    address = f"/v1/operations/{late.json()['operationId']}"

    operation = await caller_lite.when(address, lambda operation: operation["status"] == "failed")

    assert (late.status_code, late.json()["code"]) == (503, "signing-delayed")
    assert operation["error"]["code"] == "balance-too-low"
    assert operation["transactionHash"] is None


async def test_more_stake_than_the_contract_can_count_is_refused(caller_lite: Caller):
    refused = await caller_lite.register(caller_lite.wish("acme/one", stake=2**128))

    assert (refused.status_code, refused.json()["code"]) == (409, "stake-too-large")


async def test_an_agent_may_bring_a_did_of_its_own(caller_lite: Caller):
    await caller_lite.registered("acme/one", did="did:web:acme.example")

    agent = await caller_lite.agent("acme/one")
    assert agent is not None
    assert agent["did"] == "did:web:acme.example"


async def test_registering_needs_a_key(caller_lite: Caller):
    answer = await caller_lite.post("/v1/agents", json=caller_lite.wish("acme/one"))

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-required")


async def test_nobody_registers_without_the_scope(caller_lite: Caller, issuer: Issuer, chain: Chain):
    reader = issuer.headers("registry:discover", audience="registry")
    key = {"Idempotency-Key": "one"}
    body = caller_lite.wish("acme/one")

    forbidden = await caller_lite.post("/v1/agents", json=body, headers=reader | key)
    del caller_lite.http.headers["Authorization"]
    unknown = await caller_lite.post("/v1/agents", json=body, headers=key)

    assert (forbidden.status_code, unknown.status_code) == (403, 401)
    assert await chain.total_agents() == 0


@pytest.mark.parametrize("address", [f"/v1/operations/{NOWHERE}", "/v1/agents/0x" + "00" * 32])
async def test_what_is_not_there_is_not_found(caller_lite: Caller, address: str):
    answer = await caller_lite.http.get(address)

    assert answer.status_code == 404
    assert answer.json()["code"] in ("operation-not-found", "agent-not-found")


@pytest.mark.parametrize(
    "name", ["", "Acme", "acme one", "-acme", "a" * 129, "äcme", "acme\u200b", "acme\n", 7, None]
)
def test_a_name_that_is_none_does_not_fit_the_schema(name: object):
    with pytest.raises(ValidationError, match="id"):
        AgentRequest.model_validate({"id": name, "metadata": EXAMPLE_METADATA})


async def test_what_does_not_fit_the_schema_is_refused_with_its_place(caller_lite: Caller):
    body = caller_lite.wish("Acme") | {"stake": "-1", "surprise": True}

    answer = await caller_lite.post("/v1/agents", json=body, headers={"Idempotency-Key": "one"})

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/id", "/stake", "/surprise"}
