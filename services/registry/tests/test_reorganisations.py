"""A real chain that takes back its newest blocks: so does the index, and it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mesh_registry.domain import naming
from mesh_shared.content import cid

if TYPE_CHECKING:
    from callers_of_registry import Caller
    from unaided import Chain

ELSEWHERE = str(cid.of(b"not in our store"))
DEPTHS = pytest.mark.parametrize("depth", [1, 6])


@DEPTHS
async def test_an_agent_that_the_chain_took_back_is_gone(caller: Caller, chain: Chain, depth: int):
    owner = chain.accounts[1]
    await chain.register(owner, "kept", ELSEWHERE)
    await chain.register(owner, "lost", ELSEWHERE)
    await chain.mine(depth - 1)
    await caller.agent_when("lost", lambda agent: agent["active"])

    await chain.reorganise(depth)
    await caller.gone("lost")

    assert await caller.agent("kept")
    told = [
        (event["subject"], event["data"]["reverted"]) for event in await caller.events("agent-registered")
    ]
    kept, lost = naming.agent_id_of("kept"), naming.agent_id_of("lost")
    assert told == [(kept, False), (lost, False), (lost, True)]


@DEPTHS
async def test_an_update_that_the_chain_took_back_is_undone(caller_lite: Caller, chain: Chain, depth: int):
    owner = chain.accounts[1]
    before, after = await caller_lite.store_metadata("old"), await caller_lite.store_metadata("new")
    await chain.register(owner, "their/agent", before, "old", stake=5)
    agent = await caller_lite.agent_when("their/agent", lambda agent: agent["capabilities"] == ["old"])
    await chain.update(owner, "their/agent", after, "new")
    await chain.mine(depth - 1)
    await caller_lite.agent_when("their/agent", lambda agent: agent["capabilities"] == ["new"])

    await chain.reorganise(depth)
    again = await caller_lite.agent_when("their/agent", lambda agent: agent["version"] == 1)

    unsure = {"status"}
    assert {k: v for k, v in again.items() if k not in unsure} == {
        k: v for k, v in agent.items() if k not in unsure
    }
    assert [found["agentId"] for found in await caller_lite.found("old")] == [again["agentId"]]
    assert await caller_lite.found("new") == []
    assert (await caller_lite.events("agent-updated"))[-1]["data"]["reverted"]


async def test_a_deactivation_that_the_chain_took_back_is_undone(caller_lite: Caller, chain: Chain):
    owner = chain.accounts[1]
    await chain.register(owner, "their/agent", await caller_lite.store_metadata(), "text.summarize")
    await chain.switch(owner, "their/agent", on=False)
    await caller_lite.agent_when(
        "their/agent", lambda agent: not agent["active"] and agent["metadataStatus"] == "fetched"
    )

    await chain.reorganise(1)
    await caller_lite.agent_when("their/agent", lambda agent: agent["active"])

    assert len(await caller_lite.found()) == 1
    assert [event["data"]["reverted"] for event in await caller_lite.events("agent-deactivated")][-1:] == [
        True
    ]


async def test_feedback_that_the_chain_took_back_counts_no_more(caller: Caller, chain: Chain):
    owner, client = chain.accounts[1:3]
    token_id = await chain.register(owner, "their/agent", ELSEWHERE)
    await chain.rate(client, token_id, 100, paid_to=owner)
    good = await caller.agent_when("their/agent", lambda agent: agent["feedbackCount"] == 1)
    await chain.rate(client, token_id, 0, paid_to=owner)
    await caller.agent_when("their/agent", lambda agent: agent["feedbackCount"] == 2)

    await chain.reorganise(1)
    again = await caller.agent_when("their/agent", lambda agent: agent["feedbackCount"] == 1)

    assert again["reputation"] == good["reputation"]
    assert (await caller.events("reputation-changed"))[-1]["data"]["reverted"]


async def test_what_is_said_again_on_the_other_branch_is_taken_in_again(caller_lite: Caller, chain: Chain):
    first, second = chain.accounts[1:3]
    branch = await chain.rpc.request("evm_snapshot")
    await chain.register(first, "their/agent", ELSEWHERE)
    await caller_lite.agent_when("their/agent", lambda agent: agent["owner"].lower() == first)

    await chain.rpc.request("evm_revert", branch)
    await chain.mine(3)
    await chain.register(second, "their/agent", ELSEWHERE)
    await caller_lite.agent_when("their/agent", lambda agent: agent["owner"].lower() == second)

    told = [event["data"]["reverted"] for event in await caller_lite.events("agent-registered")]
    assert told == [False, True, False]


async def test_a_chain_that_became_shorter_takes_the_index_along(caller_lite: Caller, chain: Chain):
    branch = await chain.rpc.request("evm_snapshot")
    await chain.register(chain.accounts[1], "their/agent", ELSEWHERE)
    await chain.mine(10)
    await caller_lite.agent_when("their/agent", lambda agent: agent["active"])

    await chain.rpc.request("evm_revert", branch)

    await caller_lite.gone("their/agent")


async def test_a_registration_that_the_chain_took_back_is_on_its_way_again(caller_lite: Caller, chain: Chain):
    operation = await caller_lite.registered("acme/one")

    await chain.reorganise(1)
    await caller_lite.gone("acme/one")

    again = (await caller_lite.http.get(f"/v1/operations/{operation['operationId']}")).json()
    assert (again["status"], again["transactionHash"]) == ("pending", operation["transactionHash"])


async def test_a_change_that_the_chain_took_back_is_pending_again(caller_lite: Caller, chain: Chain):
    await caller_lite.registered("acme/one")
    answer = await caller_lite.change("acme/one", {"kind": "deactivate", "expectedVersion": 1})
    address = f"/v1/operations/{answer.json()['operationId']}"

    async with chain.holding():
        await chain.reorganise(1)
        agent = await caller_lite.agent_when("acme/one", lambda agent: agent["active"])
        operation = await caller_lite.when(address, lambda operation: operation["status"] == "pending")

    assert operation["transactionHash"] == answer.json()["transactionHash"]
    assert agent["version"] == 1
