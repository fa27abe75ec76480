"""What the registry tells the mesh, and what it takes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain.agents import Agent
from mesh_registry.domain.reputation import Standing
from mesh_registry.service.projection import changes
from mesh_shared.content import cid
from mesh_shared.events.event import CloudEvent, channel
from redis.asyncio import Redis

if TYPE_CHECKING:
    from callers_of_registry import Caller
    from mesh_shared.events.event import Event
    from unaided import Chain

ELSEWHERE = str(cid.of(b"not in our store"))
AGENT = Agent(
    token_id=7,
    transaction_hash="0x" + "5e" * 32,
    registered_in=10,
    changed_in=12,
    stated_in=12,
    agent_id="0x" + "a1" * 32,
    did="did:x:y",
    uri=f"ipfs://{ELSEWHERE}",
    owner="0x" + "11" * 20,
    stake_units=5,
)
RATED = replace(AGENT, standing=Standing(587_070, 1, 2), changed_in=13)
OFF = replace(AGENT, is_active=False, version=2, changed_in=14, stated_in=14)


def told(before: Agent | None, agent: Agent | None, *, reverted: bool = False) -> list[tuple[str, bool]]:
    return [(name_of(event), event.reverted) for event in said(before, agent, reverted=reverted)]


def said(before: Agent | None, agent: Agent | None, *, reverted: bool) -> list[Any]:
    return list(changes(before, agent, reverted=reverted))


def name_of(event: Event) -> str:
    return event.topic.removeprefix("registry.").removesuffix(".v1")


@pytest.mark.parametrize(
    ("before", "agent", "expected"),
    [
        (None, AGENT, ["agent-registered"]),
        (None, RATED, ["agent-registered", "reputation-changed"]),
        (None, OFF, ["agent-registered", "agent-deactivated"]),
        (AGENT, AGENT, []),
        (AGENT, replace(AGENT, changed_in=99, stated_in=99), []),
        (AGENT, RATED, ["reputation-changed"]),
        (AGENT, OFF, ["agent-updated", "agent-deactivated"]),
        (OFF, AGENT, ["agent-updated"]),
        (AGENT, replace(AGENT, stake_units=6), ["agent-updated"]),
        (AGENT, replace(AGENT, owner="0x" + "22" * 20), ["agent-updated"]),
        (AGENT, replace(AGENT, capability_hashes=("0x" + "33" * 32,)), ["agent-updated"]),
        (None, None, []),
    ],
)
def test_a_change_is_told_by_what_it_is(before: Agent | None, agent: Agent | None, expected: list[str]):
    assert told(before, agent) == [(name, False) for name in expected]


def test_what_a_reorganisation_took_back_is_told_as_taken_back():
    assert told(AGENT, None, reverted=True) == [("agent-registered", True)]
    assert told(RATED, AGENT, reverted=True) == [("reputation-changed", True)]
    assert told(OFF, AGENT, reverted=True) == [("agent-updated", True), ("agent-deactivated", True)]


def test_an_activation_that_was_taken_back_is_a_deactivation():
    assert told(AGENT, OFF, reverted=True) == [("agent-updated", True), ("agent-deactivated", False)]


def test_an_event_names_the_block_that_it_is_from():
    (registered,) = said(None, AGENT, reverted=False)
    (rated,) = said(AGENT, RATED, reverted=False)

    assert (registered.block_number, rated.block_number) == (10, 13)
    assert registered.subject() == AGENT.agent_id


async def test_the_life_of_an_agent_is_told_in_order(caller: Caller, chain: Chain):
    owner, client = chain.accounts[1:3]
    token_id = await chain.register(owner, "their/agent", ELSEWHERE, stake=3)
    await caller.agent_when("their/agent", lambda _: True)
    await chain.rate(client, token_id, 100, paid_to=owner)
    agent = await caller.agent_when("their/agent", lambda agent: agent["feedbackCount"] == 1)
    await chain.switch(owner, "their/agent", on=False)
    await caller.agent_when("their/agent", lambda agent: not agent["active"])

    events = await caller.events()

    names = ["agent-registered", "reputation-changed", "agent-updated", "agent-deactivated"]
    assert [event["type"] for event in events] == [f"registry.{name}.v1" for name in names]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    assert {(event["source"], event["subject"]) for event in events} == {("/mesh/registry", agent["agentId"])}
    assert events[0]["data"]["owner"].lower() == owner
    assert events[0]["data"]["metadata_cid"] == ELSEWHERE
    assert events[1]["data"]["reputation"] == agent["reputation"]
    assert events[2]["data"]["stake_amount"] == "3"


async def test_a_document_that_becomes_known_is_told(caller_lite: Caller, chain: Chain):
    where = await caller_lite.store_metadata()
    await chain.register(chain.accounts[1], "their/agent", where, "text.summarize")
    await caller_lite.agent_when("their/agent", lambda agent: agent["metadataStatus"] == "fetched")

    (update,) = await caller_lite.events("agent-updated")

    assert update["data"]["metadata_cid"] == where


async def test_who_listens_hears_it_at_once(caller_lite: Caller, chain: Chain, redis_url: str):
    async with Redis.from_url(redis_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as ear:
        await ear.subscribe(channel("registry"))
        await ear.get_message(timeout=1)
        await chain.register(chain.accounts[1], "their/agent", ELSEWHERE)
        heard: Any = await ear.get_message(timeout=20)

    event = CloudEvent.model_validate_json(heard["data"])
    assert event.type == "registry.agent-registered.v1"


async def test_reading_the_events_needs_the_scope(caller_lite: Caller):
    del caller_lite.http.headers["Authorization"]

    assert (await caller_lite.http.get("/v1/events")).status_code == 401
