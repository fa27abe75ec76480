"""A dry run: every provider with its reason, and nothing of it anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_deployer.repository.tables import DeploymentRow, SimulatedOrderRow
from sqlalchemy import func, select

if TYPE_CHECKING:
    from fastapi import FastAPI

    from conftest import Tenant, TenantOf

PATH = "/v1/deployments:precheck"


async def precheck(tenant: Tenant, sdl: str, **more: Any) -> dict[str, Any]:
    response = await tenant.http.post(PATH, json={"sdl": sdl, "provider": "simulated"} | more)
    assert response.status_code == 200, response.text
    return response.json()


async def test_every_provider_has_a_reason_and_the_best_is_chosen(tenant: Tenant):
    found = await precheck(tenant, tenant.hello_web)

    assert found["ok"]
    assert len(found["items"]) + len(found["declined"]) == 12
    assert found["chosen"] == found["items"][0]
    assert (found["chosen"]["rank"], found["chosen"]["cause"]) == (1, "chosen")
    assert found["costReduction"]["percent_like_for_like"]["aws"]
    assert {item["cause"] for item in found["items"]} == {"chosen", "outbid", "reputation"}
    assert found["out"] == {"reputation": 7}
    assert found["explanation"] == (
        f"5 of 12 providers would do: {found['chosen']['provider']} is chosen. Out: 7 reputation."
    )


async def test_nothing_is_opened_stored_or_told(sqlite_app: FastAPI, tenant_of: TenantOf):
    async with tenant_of(sqlite_app) as tenant:
        first, second = [await precheck(tenant, tenant.hello_web) for _ in range(2)]
        listed = (await tenant.http.get("/v1/deployments")).json()["items"]
        events = (await tenant.http.get("/v1/events")).json()["items"]
        async with sqlite_app.state.platform.database.read() as session:
            rows = [
                await session.scalar(select(func.count()).select_from(table))
                for table in (DeploymentRow, SimulatedOrderRow)
            ]

    assert first == second
    assert (listed, events, rows) == ([], [], [0, 0])


async def test_what_is_chosen_then_is_the_bid_that_was_foretold(tenant: Tenant):
    foretold = await precheck(tenant, tenant.hello_web)

    made = await tenant.deploy(wait=30)

    assert made["chosen"]["provider"] == foretold["chosen"]["provider"]
    bids = await tenant.read(made, "/bids")
    assert (bids["out"], bids["strategy"]) == (foretold["out"], "cheapest")
    assert {bid["provider"]: bid["cause"] for bid in bids["items"]} == {
        bid["provider"]: bid["cause"] for bid in foretold["items"]
    }


@pytest.mark.parametrize(
    ("changes", "out"),
    [
        ([("amount: 100", "amount: 0.000001")], {"price": 12}),
        ([("units: 250m", "units: 380"), ("amount: 100", "amount: 9999999")], {"capacity": 12}),
    ],
)
async def test_without_an_acceptable_bid_the_causes_are_counted(
    tenant: Tenant, changes: list[tuple[str, str]], out: dict[str, int]
):
    found = await precheck(tenant, tenant.changed(*changes))

    assert (found["ok"], found["chosen"], found["costReduction"]) == (False, None, None)
    assert (found["out"], found["items"]) == (out, [])
    assert all(declined["reason"] for declined in found["declined"])
    assert found["explanation"].startswith("0 of 12 providers would do. Out: 12 ")


async def test_a_region_and_an_auditor_are_causes_of_their_own(tenant: Tenant):
    far = await precheck(tenant, tenant.with_attributes(region="mars"))
    signed = await precheck(
        tenant, tenant.changed(("      pricing:", "      signedBy: {anyOf: [akash1auditor]}\n      pricing:"))
    )

    assert (far["out"], signed["out"]) == ({"residency": 12}, {"auditor": 12})


async def test_storage_that_few_have_is_asked_of_those_who_have_it(tenant: Tenant):
    volume = "{name: data, size: 1Gi, attributes: {persistent: true, class: beta3}}"
    sdl = tenant.changed(
        ("        storage:\n          size: 512Mi", f"        storage: [{{size: 512Mi}}, {volume}]"),
        ("    env:", "    params: {storage: {data: {mount: /data}}}\n    env:"),
    )

    found = await precheck(tenant, sdl, reputation_floor=0)

    assert 0 < found["out"]["resources"] < 12
    assert {d["reason"] for d in found["declined"]} == {"It has no storage of the class beta3."}


async def test_best_value_prefers_a_provider_of_many_good_leases(tenant: Tenant):
    cheap = await precheck(tenant, tenant.hello_web, reputation_floor=0)
    value = await precheck(tenant, tenant.hello_web, reputation_floor=0, strategy="best-value")

    scores = [float(item["score"]) for item in value["items"]]
    assert scores == sorted(scores)
    assert float(value["chosen"]["trust"]) >= float(cheap["chosen"]["trust"])
    assert float(cheap["chosen"]["uact_per_block"]) <= float(value["chosen"]["uact_per_block"])
    assert "at a trust of" in value["chosen"]["reason"]


async def test_the_strategy_holds_for_the_deployment_too(tenant: Tenant):
    foretold = await precheck(tenant, tenant.hello_web, reputation_floor=0, strategy="best-value")

    made = await tenant.deploy(wait=30, reputation_floor=0, strategy="best-value")

    assert made["chosen"]["provider"] == foretold["chosen"]["provider"]
    assert (await tenant.read(made, "/bids"))["strategy"] == "best-value"


async def test_another_strategy_under_the_same_key_is_another_request(tenant: Tenant):
    await tenant.deploy(key="same")

    again = await tenant.ask(
        {"sdl": tenant.hello_web, "provider": "simulated", "strategy": "best-value"}, key="same"
    )

    assert (again.status_code, again.json()["code"]) == (409, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"sdl": "a: 1"}, "sdl-invalid"),
        ({"sdl": "", "provider": "docker"}, "sdl-invalid"),
        ({"provider": "docker"}, "docker-not-available"),
    ],
)
async def test_a_dry_run_is_refused_like_a_deployment(tenant: Tenant, body: dict[str, Any], code: str):
    refusal = await tenant.http.post(PATH, json={"sdl": tenant.hello_web} | body)

    assert (refusal.status_code, refusal.json()["code"]) == (409, code)


@pytest.mark.parametrize("body", [{}, {"sdl": "", "strategy": "luck"}, {"sdl": "", "strategy": None}])
async def test_what_does_not_fit_the_schema_is_refused(tenant: Tenant, body: dict[str, Any]):
    assert (await tenant.http.post(PATH, json=body)).status_code == 422


async def test_a_large_market_is_one_setting(make_app: Any, tmp_path: Any, tenant_of: TenantOf):
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/large.db", market_providers=500)

    async with tenant_of(app) as tenant:
        found = await precheck(tenant, tenant.hello_web)

    assert len(found["items"]) + len(found["declined"]) == 500
    assert [item["rank"] for item in found["items"] if item["accepted"]] == [
        *range(1, 1 + sum(item["accepted"] for item in found["items"]))
    ]
