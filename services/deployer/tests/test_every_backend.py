"""A deployment's life through the API, the same on every backend."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastapi import FastAPI

    from conftest import MakeApp, Tenant, TenantOf


@pytest.fixture(params=["simulated", "docker"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def app(backend: str, make_app: MakeApp, tmp_path: Path, request: pytest.FixtureRequest) -> FastAPI:
    """A deployer whose engine, where one is needed, is the real one."""
    engine = {"docker_url": request.getfixturevalue("docker_url")} if backend == "docker" else {}
    return make_app(f"sqlite+aiosqlite:///{tmp_path}/every.db", **engine)


@pytest.fixture
async def tenant(app: FastAPI, tenant_of: TenantOf) -> AsyncIterator[Tenant]:
    async with tenant_of(app) as tenant:
        yield tenant


async def held(app: FastAPI, backend: str) -> list[UUID]:
    return list(await app.state.service.markets[backend].held())


async def test_an_sdl_becomes_a_running_workload(tenant: Tenant, backend: str):
    """Row F: `{deploymentId, leaseId, providerUri, costReduction}`."""
    deployment = await tenant.deploy(provider=backend, wait=30)

    assert [step["status"] for step in deployment["history"]] == ["open", "chosen", "leased", "active"]
    assert deployment["leaseId"].startswith(f"sim/{deployment['deploymentId']}/1/1/")
    assert deployment["providerUri"]
    assert Decimal(deployment["costReduction"]["percent_like_for_like"]["aws"]) > 0
    assert deployment["chosen"]["rank"] == 1
    assert (deployment["provider"], deployment["refunded_uact"]) == (backend, None)


async def test_closing_ends_it_and_gives_back_what_was_not_earned(app: FastAPI, tenant: Tenant, backend: str):
    deployment = await tenant.deploy(provider=backend, wait=30)

    ended = await tenant.close(deployment)

    earned = int(ended["deposit_uact"]) - int(ended["refunded_uact"])
    assert (ended["status"], ended["uris"]) == ("closed", [])
    assert 0 < earned < 1_000
    assert await held(app, backend) == []


async def test_closing_at_any_moment_leaves_nothing(app: FastAPI, tenant: Tenant, backend: str):
    made = [await tenant.deploy(provider=backend) for _ in range(3)]
    moments = (0.0, 0.05, 0.3)

    async def close_after(deployment: dict[str, Any], moment: float) -> dict[str, Any]:
        await asyncio.sleep(moment)
        return await tenant.close(deployment)

    ended = await asyncio.gather(*map(close_after, made, moments))

    assert {deployment["status"] for deployment in ended} == {"closed"}
    assert await held(app, backend) == []


async def test_a_lost_bid_is_followed_by_the_next_best(tenant: Tenant, backend: str):
    sdl = tenant.with_attributes(fault="lost-bid")

    deployment = await tenant.deploy(sdl, provider=backend, wait=30)

    bids = (await tenant.read(deployment, "/bids"))["items"]
    lost = next(bid for bid in bids if bid["reason"].startswith("Lost before"))
    assert deployment["status"] == "active"
    assert deployment["chosen"]["provider"] == bids[0]["provider"] != lost["provider"]


async def test_a_provider_that_takes_its_machine_back_is_followed_by_another(
    make_app: MakeApp, tenant_of: TenantOf, backend: str, tmp_path: Path, request: pytest.FixtureRequest
):
    engine = {"docker_url": request.getfixturevalue("docker_url")} if backend == "docker" else {}
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/reclaim.db", watch_s=0.2, **engine)
    async with tenant_of(app) as tenant:
        first = await tenant.deploy(tenant.with_attributes(fault="reclaim"), provider=backend)
        async with asyncio.timeout(60):
            while "/1/2/" not in ((await tenant.read(first))["leaseId"] or ""):
                await asyncio.sleep(0.05)
        second = await tenant.until(first, "active")
        ended = await tenant.close(first)
        left = await held(app, backend)

    notes = [step["note"] for step in second["history"] if step["status"] == "created"]
    assert [note.endswith("(unstable). Asking for bids once more.") for note in notes] == [True]
    assert (ended["status"], left) == ("closed", [])


@pytest.mark.parametrize(
    ("fault", "code"), [("no-bids", "no-acceptable-bid"), ("manifest-timeout", "manifest-timeout")]
)
async def test_what_cannot_go_on_fails_with_a_name_and_the_whole_deposit(
    make_app: MakeApp,
    tenant_of: TenantOf,
    backend: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    fault: str,
    code: str,
):
    engine = {"docker_url": request.getfixturevalue("docker_url")} if backend == "docker" else {}
    bid_deadline_s = 0.3 if fault == "no-bids" else 60
    url = f"sqlite+aiosqlite:///{tmp_path}/short.db"
    app = make_app(url, bid_deadline_s=bid_deadline_s, **engine)
    async with tenant_of(app) as tenant:
        failed = await tenant.until(
            await tenant.deploy(tenant.with_attributes(fault=fault), provider=backend), "failed"
        )
        fact = await tenant.fact("deployment-failed")
        left = await held(app, backend)

    assert failed["refunded_uact"] == failed["deposit_uact"]
    assert fact["code"] == code
    assert left == []


async def test_a_deployer_that_stops_in_the_middle_goes_on_where_it_was(
    make_app: MakeApp, tenant_of: TenantOf, backend: str, tmp_path: Path, request: pytest.FixtureRequest
):
    engine = {"docker_url": request.getfixturevalue("docker_url")} if backend == "docker" else {}
    url = f"sqlite+aiosqlite:///{tmp_path}/stops.db"
    async with tenant_of(make_app(url, **engine)) as tenant:
        accepted = await tenant.deploy(provider=backend)

    again = make_app(url, **engine)
    async with tenant_of(again) as tenant:
        deployment = await tenant.until(accepted, "active", "failed")
        ended = await tenant.close(deployment)
        left = await held(again, backend)

    assert [step["status"] for step in deployment["history"]] == ["open", "chosen", "leased", "active"]
    assert (ended["status"], left) == ("closed", [])
