"""Row H: `deployWithSecurity` → `{deploymentId, securityEndpoint, complianceReport, auditLogs}`.

The gateway is a small working server that speaks the contract; `tests/contracts` has the real one.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from mesh_shared.testing import served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from httpx import Response as Answer
    from security_gateway import Gateway

    from conftest import MakeApp, Tenant, TenantOf

PINNED = "debian@sha256:" + "0" * 64


@pytest.fixture
def secured(make_app: MakeApp, tenant_of: TenantOf, gateway: Gateway, tmp_path: Path):
    """Runs a deployer beside the gateway and is a tenant of it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "service.key").write_text("the-deployers-key")

    @asynccontextmanager
    async def enter(database_url: str = "") -> AsyncGenerator[Tenant, None]:
        async with served(gateway.app) as url:
            app = make_app(database_url or f"sqlite+aiosqlite:///{tmp_path}/s.db", gateway_url=url)
            async with tenant_of(app) as tenant:
                yield tenant

    return enter


async def secure(tenant: Tenant, *, key: str = "", wait: int = 20, **more: Any) -> Answer:
    body: dict[str, Any] = {
        "sdl": tenant.hello_web,
        "provider": "simulated",
        "cloud_provider": "akash",
        "profile": "zero-trust",
        "framework": "SOC2",
        "data_residency": "eu-west",
    }
    headers = {"Idempotency-Key": key or str(uuid4()), "Prefer": f"wait={wait}"}
    return await tenant.http.post("/v1/secure-deployments", json=body | more, headers=headers)


async def test_a_secure_deployment_has_an_endpoint_a_report_and_audit_logs(
    secured: Any, gateway: Gateway, database_url: str
):
    async with secured(database_url) as tenant:
        answer = await secure(tenant)

    deployment = answer.json()
    assert (answer.status_code, deployment["status"]) == (202, "active")
    assert answer.headers["location"] == f"/v1/secure-deployments/{deployment['deploymentId']}"
    assert deployment["securityEndpoint"] == "http://gateway.test/v1/proxy"
    assert deployment["complianceReport"]["policies"][0]["id"] == "default-deny"
    assert deployment["auditLogs"]["url"].endswith(f"agent={deployment['deploymentId']}")
    statuses = [entry["status"] for entry in deployment["auditLogs"]["entries"]]
    assert statuses == ["open", "chosen", "leased", "active"]


async def test_the_gateway_is_asked_for_the_profile_with_the_facts_and_a_token_of_ours(
    secured: Any, gateway: Gateway
):
    async with secured() as tenant:
        deployment = (await secure(tenant)).json()

    (asked,) = gateway.asked
    assert asked["authorization"].startswith("Bearer ")
    assert asked | {"authorization": ""} == {
        "authorization": "",
        "profile": "zero-trust",
        "framework": "SOC2",
        "data_residency": "eu-west",
        "deployment": {
            "deployment_id": deployment["deploymentId"],
            "services": [{"name": "web", "image": "debian:trixie-slim", "public": True}],
        },
    }


async def test_only_providers_that_declare_the_region_are_considered(secured: Any):
    async with secured() as tenant:
        deployment = (await secure(tenant)).json()
        bids = await tenant.read(deployment, "/bids")

    assert bids["requirements"] == {"region": "eu-west"}
    assert bids["items"]
    assert {bid["attributes"]["region"] for bid in bids["items"]} == {"eu-west"}
    assert any("eu-west is required" in declined["reason"] for declined in bids["declined"])


async def test_a_region_that_nobody_declares_ends_it_without_a_lease(secured: Any):
    async with secured() as tenant:
        answer = await secure(tenant, data_residency="moon")

    report = {c["id"]: c for c in answer.json()["complianceReport"]["controls"]}
    assert answer.json()["status"] == "failed"
    assert answer.json()["explanation"] == "None of 0 bid(s) met the terms; 12 did not bid: 12 residency."
    assert report["C1.1/deployer-residency"]["status"] == "not_assessed"


async def test_the_report_says_what_was_found_and_claims_no_more(secured: Any):
    async with secured() as tenant:
        loose = (await secure(tenant)).json()["complianceReport"]
        pinned_sdl = tenant.changed(("debian:trixie-slim", PINNED))
        pinned = (await secure(tenant, sdl=pinned_sdl)).json()["complianceReport"]

    found = [{c["id"]: c["status"] for c in report["controls"]} for report in (loose, pinned)]
    assert [statuses["CC8.1/deployer-image"] for statuses in found] == ["fail", "pass"]
    assert found[0]["CC6.1"] == found[0]["C1.1/deployer-residency"] == "pass"
    assert loose["summary"] == {"pass": 4, "fail": 1, "not_assessed": 1}
    assert sum(loose["summary"].values()) == len(loose["controls"])
    assert (loose["evidence_level"], "no attestation" in loose["statement"]) == ("self-declared", True)
    assert all(control["evidence_digest"].startswith("sha256:") for control in loose["controls"])


async def test_the_report_is_read_again_as_it_stands_then_with_an_etag(secured: Any):
    async with secured() as tenant:
        first = (await secure(tenant, wait=0)).json()
        await tenant.until(first, "active")
        path = f"/v1/secure-deployments/{first['deploymentId']}"
        later = await tenant.http.get(path)
        unchanged = await tenant.http.get(path, headers={"If-None-Match": later.headers["etag"]})

    before = {c["id"]: c["status"] for c in first["complianceReport"]["controls"]}
    after = {c["id"]: c["status"] for c in later.json()["complianceReport"]["controls"]}
    assert (before["C1.1/deployer-residency"], after["C1.1/deployer-residency"]) == ("not_assessed", "pass")
    assert unchanged.status_code == 304


async def test_a_plain_deployment_has_no_report(secured: Any):
    async with secured() as tenant:
        plain = await tenant.deploy()
        answer = await tenant.http.get(f"/v1/secure-deployments/{plain['deploymentId']}")

    assert (answer.status_code, answer.json()["code"]) == (404, "deployment-not-found")


async def test_the_same_key_is_the_same_deployment_and_the_gateway_is_asked_once(
    secured: Any, gateway: Gateway
):
    async with secured() as tenant:
        first, second = await secure(tenant, key="k"), await secure(tenant, key="k")
        other = await secure(tenant, key="k", data_residency="us-east")

    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert len(gateway.asked) == 1
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")


async def test_a_gateway_that_is_down_stops_it_and_the_same_key_works_when_it_is_back(
    secured: Any, make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path
):
    url = f"sqlite+aiosqlite:///{tmp_path}/down.db"
    async with tenant_of(make_app(url, gateway_url="http://127.0.0.1:9")) as tenant:
        down = await secure(tenant, key="k")
    async with secured(url) as tenant:
        back = await secure(tenant, key="k")

    assert (down.status_code, down.json()["down"]) == (503, ["security-gateway"])
    assert (back.status_code, back.json()["status"]) == (202, "active")
