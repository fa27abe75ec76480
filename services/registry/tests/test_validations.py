"""What validators were asked about an agent, and what they answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from eth_utils.crypto import keccak
from mesh_registry.domain import naming
from mesh_shared.content import cid

if TYPE_CHECKING:
    from callers_of_registry import Caller
    from unaided import Chain

ELSEWHERE = str(cid.of(b"not in our store"))
ADDRESS = f"/v1/agents/{naming.agent_id_of('their/agent')}/validations"
HASH = keccak(text="what is to be validated")


@pytest.fixture
async def token_id(chain: Chain) -> int:
    return await chain.register(chain.accounts[1], "their/agent", ELSEWHERE)


async def test_a_request_is_shown_before_it_is_answered(caller: Caller, chain: Chain, token_id: int):
    owner, validator = chain.accounts[1:3]
    await chain.ask_validator(owner, validator, token_id, HASH)

    page = await caller.when(ADDRESS, lambda page: len(page["items"]) == 1)

    (asked,) = page["items"]
    assert (asked["validator"].lower(), asked["requestHash"]) == (validator, "0x" + HASH.hex())
    assert (asked["requestUri"], asked["response"], asked["tag"]) == ("ipfs://asked", None, None)
    assert (page["answeredCount"], page["averageResponse"]) == (0, None)


async def test_the_last_answer_of_a_validator_holds(caller: Caller, chain: Chain, token_id: int):
    owner, validator, other = chain.accounts[1:4]
    for who in (validator, other):
        await chain.ask_validator(owner, who, token_id, keccak(text=who))
    await chain.validate(validator, keccak(text=validator), 10)
    await chain.validate(validator, keccak(text=validator), 90)
    await chain.validate(other, keccak(text=other), 50)

    page = await caller.when(ADDRESS, lambda page: page["answeredCount"] == 2)
    shown = await caller.agent("their/agent")

    newest, oldest = page["items"]
    assert shown is not None
    assert (newest["response"], oldest["response"], page["averageResponse"]) == (50, 90, 70)
    assert shown["validation"] == {"answeredCount": 2, "averageResponse": 70}
    assert (oldest["responseUri"], oldest["tag"]) == ("ipfs://evidence", "tested")


async def test_an_answer_that_the_chain_took_back_is_gone(caller: Caller, chain: Chain, token_id: int):
    owner, validator = chain.accounts[1:3]
    await chain.ask_validator(owner, validator, token_id, HASH)
    await chain.validate(validator, HASH, 100)
    await caller.when(ADDRESS, lambda page: page["answeredCount"] == 1)

    await chain.reorganise(1)
    page = await caller.when(ADDRESS, lambda page: page["answeredCount"] == 0)

    assert page["items"][0]["response"] is None


async def test_requests_come_newest_first_and_in_pages(caller_lite: Caller, chain: Chain, token_id: int):
    owner, validator = chain.accounts[1:3]
    hashes = [keccak(text=str(n)) for n in range(3)]
    for hash in hashes:
        await chain.ask_validator(owner, validator, token_id, hash)
    await caller_lite.when(ADDRESS, lambda page: len(page["items"]) == 3)

    first = (await caller_lite.http.get(ADDRESS, params={"limit": 2})).json()
    rest = (await caller_lite.http.get(ADDRESS, params={"limit": 2, "cursor": first["next_cursor"]})).json()

    shown = [asked["requestHash"] for asked in first["items"] + rest["items"]]
    assert shown == ["0x" + hash.hex() for hash in reversed(hashes)]
    assert rest["next_cursor"] is None


async def test_a_validation_moves_no_reputation(caller_lite: Caller, chain: Chain, token_id: int):
    owner, validator = chain.accounts[1:3]
    await chain.ask_validator(owner, validator, token_id, HASH)
    await chain.validate(validator, HASH, 0)
    await caller_lite.when(ADDRESS, lambda page: page["answeredCount"] == 1)

    agent = await caller_lite.agent("their/agent")

    assert agent is not None
    assert agent["reputation"] == 0.420104


async def test_an_agent_that_is_not_there_has_no_validations(caller_lite: Caller):
    answer = await caller_lite.http.get(ADDRESS)

    assert (answer.status_code, answer.json()["code"]) == (404, "agent-not-found")
