"""What the deployer tells the world, and when."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from mesh_deployer import events
from mesh_shared.events.event import CloudEvent, channel
from mesh_shared.testing import served
from redis.asyncio import Redis

if TYPE_CHECKING:
    from fastapi import FastAPI

    from conftest import Tenant

LIFE = ["deployer.deployment-created.v1", "deployer.lease-created.v1", "deployer.deployment-closed.v1"]


async def told(url: str, headers: dict[str, str], count: int, after: int = 0) -> list[dict[str, Any]]:
    """The first `count` events of the stream."""
    found: list[dict[str, Any]] = []
    async with (
        asyncio.timeout(60),
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=20) as http,
        http.stream("GET", "/v1/events/stream", params={"after": after}) as stream,
    ):
        async for line in stream.aiter_lines():
            if line.startswith("data:"):
                found.append(json.loads(line.removeprefix("data:")))
            if len(found) == count:
                break
    return found


async def test_a_life_is_told_as_it_happens_and_can_be_followed_from_anywhere(
    sqlite_app: FastAPI, headers: dict[str, str], tenant_at: type[Tenant]
):
    async with (
        served(sqlite_app) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http,
    ):
        tenant = tenant_at(http)
        following = asyncio.create_task(told(url, headers, 3))
        deployment = await tenant.until(await tenant.deploy(), "active")
        await tenant.close(deployment)
        live, later = await following, await told(url, headers, 2, after=1)

    assert [event["type"] for event in live] == LIFE
    assert [event["sequence"] for event in live] == [1, 2, 3]
    assert later == live[1:]
    assert {event["source"] for event in live} == {"/mesh/deployer"}
    assert live[1]["data"] == {
        "deployment_id": deployment["deploymentId"],
        "provider": "simulated",
        "placement": "dcloud",
        "lease_id": deployment["leaseId"],
        "provider_address": deployment["chosen"]["provider"],
        "uact_per_block": deployment["chosen"]["uact_per_block"],
    }


async def test_subscribers_of_redis_are_rung(tenant: Tenant, redis_url: str):
    async with Redis.from_url(redis_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as bell:
        await bell.subscribe(channel("deployer"))
        made = await tenant.deploy(wait=20)
        heard: list[CloudEvent] = []
        async with asyncio.timeout(60):
            while len(heard) < 2:
                if (message := await bell.get_message(timeout=1)) is not None:
                    event = CloudEvent.model_validate_json(cast("bytes", message["data"]))
                    heard += [event] if event.subject == made["deploymentId"] else []

    assert [event.type for event in heard] == LIFE[:2]


async def test_a_failure_is_told_with_its_name_and_what_came_back(tenant: Tenant):
    failed = await tenant.until(await tenant.deploy(reputation_floor=1), "failed")

    told = await tenant.fact("deployment-failed")

    assert told == {
        "deployment_id": failed["deploymentId"],
        "provider": "simulated",
        "code": "no-acceptable-bid",
        "detail": failed["explanation"],
        "refunded_uact": "500000",
        "close_reason": "owner",
    }


async def test_no_event_has_an_sdl_or_an_owner_in_it(tenant: Tenant):
    await tenant.close(await tenant.deploy(wait=20))

    texts = [json.dumps(event["data"]) for event in await tenant.events(3)]

    assert not [text for text in texts if "GREETING" in text or "tester" in text]


@pytest.mark.parametrize(
    "kind",
    [events.DeploymentCreated, events.LeaseCreated, events.DeploymentClosed, events.DeploymentFailed],
)
def test_a_topic_names_service_fact_and_version(kind: type[events.DeploymentEvent]):
    service, fact, version = kind.topic.split(".")

    assert (service, version) == ("deployer", "v1")
    assert fact.replace("-", "") == kind.__name__.lower()
