"""Two replicas on one PostgreSQL: equal, and together as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from mesh_registry.domain import naming
from mesh_shared.testing import running
from pydantic import SecretStr

if TYPE_CHECKING:
    from callers_of_registry import Caller
    from unaided import Chain

    from conftest import MakeApp

COUNT = 20


@pytest.fixture
async def replicas(
    make_app: MakeApp, operator: str, writer: dict[str, str], postgres_url: str, caller_of: type[Caller]
) -> AsyncIterator[list[Caller]]:
    async with AsyncExitStack() as stack:
        callers: list[Caller] = []
        for instance in ("0", "1"):
            app = make_app(database_url=SecretStr(postgres_url), instance=instance)
            http = await stack.enter_async_context(running(app, writer))
            callers.append(caller_of(http, app))
        yield callers


async def test_registrations_at_either_replica_share_one_account_and_no_nonce(
    replicas: list[Caller], chain: Chain, operator: str
):
    async with asyncio.TaskGroup() as tasks:
        answers = [
            tasks.create_task(replicas[n % 2].register(replicas[0].wish(f"acme/{n}"), wait="confirmed"))
            for n in range(COUNT)
        ]

    assert {answer.result().status_code for answer in answers} == {201}
    assert await chain.nonce_of(operator) == COUNT
    for replica in replicas:
        assert len(await replica.found(limit=100)) == COUNT


async def test_the_same_registration_at_both_replicas_at_once_is_one_agent(
    replicas: list[Caller], chain: Chain
):
    answers = await asyncio.gather(
        *(replica.register(replica.wish("acme/one"), key="one") for replica in replicas),
        *(replica.register(replica.wish("acme/one"), key="two") for replica in replicas),
    )
    operations = {answer.json()["operationId"] for answer in answers if answer.status_code == 202}
    await replicas[0].agent_when("acme/one", lambda agent: agent["active"])

    assert len(operations) == 1
    assert await chain.total_agents() == 1


async def test_the_same_batch_at_both_replicas_at_once_is_made_once(replicas: list[Caller], chain: Chain):
    batch = {"agents": [replicas[0].wish(f"acme/{n}") for n in range(5)]}

    answers = await asyncio.gather(
        *(r.post("/v1/agents/batch", json=batch, headers={"Idempotency-Key": "one"}) for r in replicas),
        *(r.post("/v1/agents/batch", json=batch, headers={"Idempotency-Key": "two"}) for r in replicas),
    )
    made = [answer.json()["items"] for answer in answers if answer.status_code == 202]
    operations = {item["operation"]["operationId"] for items in made for item in items}
    for n in range(5):
        await replicas[0].agent_when(f"acme/{n}", lambda agent: agent["active"])

    assert len(operations) == 5
    assert await chain.total_agents() == 5


async def test_of_changes_of_one_version_at_both_replicas_one_is_made(replicas: list[Caller], chain: Chain):
    await replicas[0].registered("acme/one")
    changes = [
        {"kind": "deactivate", "expectedVersion": 1},
        {"kind": "update", "expectedVersion": 1, "metadata": replicas[0].metadata("new")},
    ]

    answers = await asyncio.gather(
        *(
            replica.change("acme/one", change, key=f"{n}")
            for n, change in enumerate(changes)
            for replica in replicas
        )
    )

    made = {answer.json()["operationId"] for answer in answers if answer.is_success}
    refused = {answer.json()["code"] for answer in answers if answer.is_error}
    agent = await replicas[1].agent("acme/one")
    assert agent is not None
    assert (len(made), agent["version"]) == (1, 2)
    assert refused <= {"version-mismatch", "idempotent-request-running"}


async def test_the_chain_is_indexed_once_whoever_does_it(replicas: list[Caller], chain: Chain):
    where = await replicas[0].store_metadata()
    for n in range(5):
        await chain.register(chain.accounts[1], f"their/{n}", where, "text.summarize")
    await replicas[1].agent_when("their/4", lambda agent: agent["metadataStatus"] == "fetched")

    told = [event["subject"] for event in await replicas[0].events("agent-registered")]

    assert told == [naming.agent_id_of(f"their/{n}") for n in range(5)]


async def test_one_replica_goes_on_when_the_other_ends(
    make_app: MakeApp,
    operator: str,
    writer: dict[str, str],
    postgres_url: str,
    caller_of: type[Caller],
    chain: Chain,
):
    first, second = (
        make_app(database_url=SecretStr(postgres_url), instance=instance) for instance in ("0", "1")
    )
    async with running(second, writer) as survivor:
        async with running(first, writer) as mortal:
            await caller_of(mortal, first).registered("acme/one")

        await caller_of(survivor, second).registered("acme/two")

    assert await chain.total_agents() == 2
