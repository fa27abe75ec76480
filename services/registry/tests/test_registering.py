from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from mesh_registry.domain import naming

if TYPE_CHECKING:
    from conftest import Caller, Chain


async def test_the_answer_carries_id_cid_and_transaction_hash(caller: Caller, operator: str):
    answer = await caller.register(caller.wish("acme/one", "test-capability"))

    operation = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/operations/{operation['operationId']}"
    assert operation["agentId"] == naming.agent_id_of("acme/one")
    assert re.fullmatch(r"0x[0-9a-fA-F]{64}", operation["transactionHash"])


async def test_an_agent_registered_with_a_capability_is_found_by_it(caller: Caller, operator: str):
    await caller.registered("acme/one", "test-capability")

    (agent,) = await caller.found("test-capability")
    assert agent["agentId"] == naming.agent_id_of("acme/one")
    assert agent["owner"] == operator
    assert agent["did"] == f"did:pkh:eip155:31337:{operator}"
    assert agent["capabilities"] == ["test-capability"]
    assert (agent["active"], agent["status"], agent["metadataStatus"]) == (True, "confirmed", "fetched")


async def test_fifty_registrations_at_once_are_fifty_agents(caller: Caller, chain: Chain):
    async with asyncio.TaskGroup() as tasks:
        sent = [
            tasks.create_task(caller.register(caller.wish(f"acme/{n}"), wait="confirmed")) for n in range(50)
        ]

    assert {task.result().status_code for task in sent} == {201}
    assert await chain.total_agents() == 50
    assert len(await caller.found(limit=100)) == 50
