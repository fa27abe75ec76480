"""Several placements through the API: one deployment, bids and a lease for each."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from arenas import TWO_PLACES

if TYPE_CHECKING:
    from fastapi import FastAPI
    from httpx import Response

    from conftest import MakeApp, Tenant, TenantOf

BROKEN = TWO_PLACES.replace("west: {pricing", "west: {attributes: {simulated/fault: no-bids}, pricing")
RECLAIMED = TWO_PLACES.replace("east: {pricing", "east: {attributes: {simulated/fault: reclaim}, pricing")


def names(items: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(item["placement"] for item in items))


async def post(tenant: Tenant, made: dict[str, Any], verb: str, body: dict[str, Any]) -> Response:
    return await tenant.http.post(f"/v1/deployments/{made['deploymentId']}/{verb}", json=body)


async def test_each_placement_is_leased_and_the_first_one_stands_where_a_single_one_would(tenant: Tenant):
    made = await tenant.deploy(TWO_PLACES, wait=20)
    bids = await tenant.read(made, "/bids")

    assert (made["status"], names(made["leases"]), names(bids["items"])) == (
        "active",
        ["east", "west"],
        ["east", "west"],
    )
    first = made["leases"][0]
    assert (first["leaseId"], first["providerUri"]) == (made["leaseId"], made["providerUri"])
    assert (made["chosen"]["placement"], made["chosen"]["provider"]) == ("east", first["provider"])
    ranked = [bid["uact_per_block"] for bid in bids["items"] if bid["rank"] == 1]
    assert ranked == [lease["uact_per_block"] for lease in made["leases"]]
    assert made["bids_seen"] == len(bids["items"])


async def test_one_placement_without_a_bid_ends_it_and_the_whole_deposit_comes_back(
    sqlite_app: FastAPI, tenant: Tenant
):
    failed = await tenant.until(await tenant.deploy(BROKEN), "failed")

    assert failed["refunded_uact"] == failed["deposit_uact"]
    assert (failed["leases"], failed["leaseId"]) == ([], None)
    assert failed["explanation"].startswith("west: None of 0 bid(s) met the terms")
    assert list(await sqlite_app.state.service.markets["simulated"].held()) == []


async def test_a_dry_run_says_for_each_placement_who_would_run_it(tenant: Tenant):
    asked = {"sdl": TWO_PLACES, "provider": "simulated"}
    found = (await tenant.http.post("/v1/deployments:precheck", json=asked)).json()
    none = (await tenant.http.post("/v1/deployments:precheck", json=asked | {"sdl": BROKEN})).json()

    best = [item["provider"] for item in found["items"] if item["rank"] == 1]
    assert (found["ok"], found["chosen"]["placement"], len(best)) == (True, "east", 2)
    assert f"{best[0]} and {best[1]} is chosen" in found["explanation"]
    assert (none["ok"], none["chosen"], none["costReduction"]) == (False, None, None)


async def test_logs_and_drift_tell_the_placements_apart(tenant: Tenant):
    made = await tenant.deploy(TWO_PLACES, wait=20)

    logs = (await tenant.http.get(f"/v1/deployments/{made['deploymentId']}/logs")).text
    lines = [json.loads(line[6:]) for line in logs.splitlines() if line.startswith("data: {")]
    told = [(line["placement"], line["service"]) for line in lines if "service" in line]

    assert sorted(told) == [("east", "web"), ("west", "cache"), ("west", "web")]
    assert (await tenant.read(made, "/drift"))["items"] == []


async def test_it_is_updated_and_scaled_and_begun_elsewhere_as_one(tenant: Tenant):
    made = await tenant.deploy(TWO_PLACES, wait=20)
    newer = TWO_PLACES.replace("GREETING=hello", "GREETING=hi")

    updated = await post(tenant, made, "update", {"sdl": newer})
    active = await tenant.until(made, "active")
    headers = {"Idempotency-Key": "elsewhere"}
    path = f"/v1/deployments/{made['deploymentId']}/fail-over"
    second = await tenant.until((await tenant.http.post(path, headers=headers)).json(), "active")

    assert (updated.status_code, names(active["leases"])) == (202, ["east", "west"])
    left = {lease["provider"] for lease in active["leases"]}
    assert not left & {lease["provider"] for lease in second["leases"]}


async def test_when_a_provider_leaves_the_other_lease_stays_as_it_is(
    make_app: MakeApp, tenant_of: TenantOf, tmp_path: Any
):
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/reclaim.db", watch_s=0.05)
    async with tenant_of(app) as tenant:
        first = await tenant.deploy(RECLAIMED, wait=20)
        async with asyncio.timeout(30):
            while "/1/2/" not in ((await tenant.read(first))["leaseId"] or ""):
                await asyncio.sleep(0.02)
        second = await tenant.until(first, "active")
        facts = [e["data"] for e in await tenant.events(4) if e["type"] == "deployer.lease-created.v1"]

    assert second["leases"][1]["leaseId"].split("/")[2:4] == ["2", "1"]
    assert [fact["placement"] for fact in facts] == ["east", "west", "east"]
    assert facts[1]["lease_id"] == second["leases"][1]["leaseId"]


async def test_more_placements_than_an_order_may_have_are_refused(tenant: Tenant):
    pricing = "{pricing: {small: {denom: uact, amount: 100}}}"
    more = "".join(f"    p{n}: {pricing}\n" for n in range(19))
    used = ", ".join(f"p{n}: {{profile: small, count: 1}}" for n in range(19))
    sdl = TWO_PLACES.replace("    east: {pricing", f"{more}    east: {{pricing").replace(
        "  cache: {west", f"  cache: {{{used}, west"
    )

    response = await tenant.ask({"sdl": sdl, "provider": "simulated"})

    assert (response.status_code, response.json()["code"]) == (409, "too-many-placements")
    assert response.json()["most"] == 20
