"""What runs, against what should: every difference is named, and so is what nobody reports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from arenas import AS_WANTED, WORKLOAD
from mesh_deployer.domain.drift import WHATS, Drift, drift, unreported
from mesh_deployer.repository.orders import SimulatedOrders
from mesh_shared.database.engine import Database

if TYPE_CHECKING:
    from fastapi import FastAPI

    from conftest import Tenant


def test_what_runs_as_it_should_is_no_drift():
    assert drift(WORKLOAD, [AS_WANTED]) == ()
    assert unreported([AS_WANTED]) == ()


@pytest.mark.parametrize(
    ("what", "found", "told"),
    [
        ("image", "debian:latest", ("debian:trixie-slim", "debian:latest")),
        ("replicas", 0, ("1", "0")),
        ("cpu_millis", 200, ("100", "200")),
        ("memory_bytes", 1, ("67108864", "1")),
        ("ports", (80, 443), ("80", "80, 443")),
        ("ports", (), ("80", "")),
    ],
)
def test_each_difference_says_what_is_wanted_and_what_is_found(what: str, found: Any, told: tuple[str, str]):
    wanted, is_there = told

    differences = drift(WORKLOAD, [replace(AS_WANTED, **{what: found})])

    assert differences == (
        Drift(placement="dcloud", service="web", what=what, wanted=wanted, found=is_there),
    )


def test_a_service_that_is_gone_and_one_that_nobody_asked_for_are_drift():
    stranger = replace(AS_WANTED, service="miner")

    assert drift(WORKLOAD, [stranger]) == (
        Drift(placement="dcloud", service="miner", what="service", wanted=None, found="miner"),
        Drift(placement="dcloud", service="web", what="service", wanted="web", found=None),
    )


@pytest.mark.parametrize("what", WHATS)
def test_what_is_not_reported_is_no_drift_and_is_named(what: str):
    observed = [replace(AS_WANTED, **{what: None})]

    assert drift(WORKLOAD, observed) == ()
    assert unreported(observed) == (what,)


def test_of_nothing_nothing_is_known():
    assert unreported([]) == WHATS


async def compared(tenant: Tenant, deployment: dict[str, Any]) -> dict[str, Any]:
    return await tenant.read(deployment, "/drift")


async def test_a_deployment_is_compared_with_its_sdl(tenant: Tenant):
    deployment = await tenant.deploy(wait=20)

    found = await compared(tenant, deployment)

    assert found == {
        "deploymentId": deployment["deploymentId"],
        "version_hash": deployment["version_hash"],
        "items": [],
        "not_reported": [],
    }


async def test_what_somebody_else_has_changed_is_found(sqlite_app: FastAPI, tenant: Tenant):
    deployment = await tenant.deploy(wait=20)
    await tampered(sqlite_app.state.platform.database, UUID(deployment["deploymentId"]))

    found = await compared(tenant, deployment)

    assert found["items"] == [
        {
            "placement": "dcloud",
            "service": "web",
            "what": "image",
            "wanted": "debian:trixie-slim",
            "found": "miner:latest",
        }
    ]


async def tampered(database: Database, order_id: UUID) -> None:
    """The provider runs another image than it was told to."""
    async with database.write() as session:
        row = await SimulatedOrders(session).get(order_id)
        assert row.manifest is not None
        (group,) = row.manifest
        services = [service | {"image": "miner:latest"} for service in group["services"]]
        row.manifest = [group | {"services": services}]


async def test_an_update_is_what_is_wanted_from_then_on(tenant: Tenant):
    deployment = await tenant.deploy(wait=20)
    newer = tenant.changed(("debian:trixie-slim", "debian:trixie"))
    path = f"/v1/deployments/{deployment['deploymentId']}/update"
    await tenant.http.post(path, json={"sdl": newer}, headers={"Prefer": "wait=20"})
    await tenant.until(deployment, "active")

    assert (await compared(tenant, deployment))["items"] == []


async def test_what_has_ended_is_not_compared(tenant: Tenant):
    deployment = await tenant.deploy(wait=20)
    await tenant.close(deployment)

    refused = await tenant.http.get(f"/v1/deployments/{deployment['deploymentId']}/drift")

    assert (refused.status_code, refused.json()["code"]) == (409, "not-running")


async def test_what_is_somebody_elses_is_not_found(tenant: Tenant):
    assert (await tenant.http.get(f"/v1/deployments/{uuid4()}/drift")).status_code == 404
