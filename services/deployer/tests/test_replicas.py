"""Two deployers on one PostgreSQL: callers do not notice which of them they talk to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest import MakeApp, Tenant, TenantOf


@pytest.fixture
async def pair(
    make_app: MakeApp, tenant_of: TenantOf, postgres_url: str
) -> AsyncIterator[tuple[Tenant, Tenant]]:
    """The same tenant at each of two replicas."""
    one, other = (make_app(postgres_url, instance=instance) for instance in ("a", "b"))
    async with tenant_of(one) as first, tenant_of(other) as second:
        yield first, second


async def test_what_one_accepts_the_other_shows_and_closes(pair: tuple[Tenant, Tenant]):
    one, other = pair
    made = await one.deploy(wait=20)

    seen = await other.read(made)
    await other.close(made)

    assert seen == await one.read(made) | {
        name: seen[name]
        for name in ("status", "history", "revision", "explanation", "refunded_uact", "funds", "close_reason")
    }
    assert (seen["status"], (await one.read(made))["status"]) == ("active", "closed")


async def test_a_caller_waits_at_one_for_what_the_other_does(pair: tuple[Tenant, Tenant]):
    one, other = pair
    made = await one.deploy(one.with_attributes(fault="no-bids"))

    closing = other.http.post(f"/v1/deployments/{made['deploymentId']}/close", headers={"Prefer": "wait=20"})

    assert (await closing).json()["status"] == "closed"


async def test_the_same_request_at_both_makes_one_deployment(pair: tuple[Tenant, Tenant]):
    key = str(uuid4())
    body = {"sdl": pair[0].hello_web, "provider": "simulated"}

    answers = await asyncio.gather(*(pair[n % 2].ask(body, key=key) for n in range(20)))

    made = [answer.json()["deploymentId"] for answer in answers if answer.status_code == 202]
    # 503 is what a database says that is asked more than it answers in a second
    assert {answer.status_code for answer in answers} <= {202, 409, 503}
    assert len(set(made)) == 1
    assert len((await pair[0].http.get("/v1/deployments")).json()["items"]) == 1


async def test_together_they_lease_everything_once(pair: tuple[Tenant, Tenant]):
    made = [await pair[n % 2].deploy() for n in range(10)]

    active = [await pair[(n + 1) % 2].until(deployment, "active") for n, deployment in enumerate(made)]

    facts = [event["type"] for event in await pair[0].events(20)]
    assert len({deployment["leaseId"] for deployment in active}) == 10
    assert facts.count("deployer.lease-created.v1") == 10


async def test_closed_at_both_at_once_is_closed_once(pair: tuple[Tenant, Tenant]):
    made = await pair[0].deploy(wait=20)
    path = f"/v1/deployments/{made['deploymentId']}/close"

    answers = await asyncio.gather(*(pair[n % 2].http.post(path) for n in range(10)))

    ended = await pair[1].until(made, "closed")
    assert {answer.status_code for answer in answers} == {202}
    assert [step["status"] for step in ended["history"]].count("closing") == 1
    assert [e["type"] for e in await pair[0].events(3)].count("deployer.deployment-closed.v1") == 1


async def test_a_cursor_of_one_continues_at_the_other(pair: tuple[Tenant, Tenant]):
    made = [(await pair[n % 2].deploy())["deploymentId"] for n in range(3)]

    first = (await pair[0].http.get("/v1/deployments?limit=2")).json()
    second = (await pair[1].http.get(f"/v1/deployments?limit=2&cursor={first['next_cursor']}")).json()

    assert [item["deploymentId"] for page in (first, second) for item in page["items"]] == made[::-1]
