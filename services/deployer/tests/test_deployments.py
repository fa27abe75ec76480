"""Deployments through the API, on each database."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from mesh_shared.testing import Issuer, running
from mesh_shared.web.idempotency import IdempotencyRow
from sqlalchemy import delete

if TYPE_CHECKING:
    from fastapi import FastAPI

    from conftest import MakeApp, Tenant, TenantOf

NOBODYS = "00000000-0000-4000-8000-000000000000"


async def test_an_sdl_becomes_a_lease_with_the_fields_that_were_promised(tenant_everywhere: Tenant):
    """Row F: `{deploymentId, leaseId, providerUri, costReduction}`."""
    tenant = tenant_everywhere

    deployment = await tenant.deploy(wait=20)

    assert deployment["leaseId"].startswith(f"sim/{deployment['deploymentId']}/1/1/")
    assert deployment["providerUri"].endswith(".provider.invalid")
    assert Decimal(deployment["costReduction"]["percent_like_for_like"]["aws"]) > 0
    assert deployment["chosen"]["reason"].startswith("Cheapest of")
    assert deployment["provider"] == "simulated"
    assert "nothing really runs" in deployment["provider_reason"]
    assert (deployment["status"], deployment["uris"]) == ("active", [])


async def test_the_cheapest_bid_of_good_reputation_is_chosen_and_every_bid_has_its_reason(
    tenant_everywhere: Tenant,
):
    tenant = tenant_everywhere
    deployment = await tenant.deploy(wait=20)

    bids = await tenant.read(deployment, "/bids")

    good = [bid for bid in bids["items"] if Decimal(bid["reputation"]) >= Decimal("0.7")]
    cheapest = min(good, key=lambda bid: Decimal(bid["uact_per_block"]))
    assert deployment["chosen"]["provider"] == cheapest["provider"]
    assert len(bids["items"]) == deployment["bids_seen"] == 12
    assert all(bid["reason"] for bid in bids["items"])
    shady = [bid for bid in bids["items"] if not bid["accepted"]]
    assert shady
    assert min(Decimal(bid["uact_per_block"]) for bid in shady) < Decimal(cheapest["uact_per_block"])


async def test_a_deployment_is_announced_leased_and_closed_exactly_once(tenant_everywhere: Tenant):
    tenant = tenant_everywhere
    deployment = await tenant.until(await tenant.deploy(), "active")

    ended = await tenant.close(deployment)

    events = await tenant.events(3)
    assert [event["type"] for event in events] == [
        "deployer.deployment-created.v1",
        "deployer.lease-created.v1",
        "deployer.deployment-closed.v1",
    ]
    assert {event["subject"] for event in events} == {deployment["deploymentId"]}
    assert events[1]["data"]["lease_id"] == deployment["leaseId"]
    assert events[2]["data"]["refunded_uact"] == ended["refunded_uact"]
    assert events[2]["data"]["close_reason"] == ended["close_reason"] == "owner"


async def test_what_is_done_later_belongs_to_the_trace_of_whoever_asked(tenant: Tenant):
    headers = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Idempotency-Key": "k",
    }
    body = {"sdl": tenant.hello_web, "provider": "simulated"}
    await tenant.http.post("/v1/deployments", json=body, headers=headers | {"Prefer": "wait=20"})

    events = await tenant.events(2)

    traces = [event["traceparent"].split("-")[1] for event in events]
    assert traces == ["0af7651916cd43dd8448eb211c80319c"] * 2


async def test_closing_gives_back_what_the_provider_has_not_begun_to_earn(
    tenant_everywhere: Tenant,
):
    tenant = tenant_everywhere
    deployment = await tenant.until(await tenant.deploy(), "active")
    price = Decimal(deployment["chosen"]["uact_per_block"])

    ended = await tenant.close(deployment)

    # one virtual block passed between lease and close: the look at the workload's condition
    assert ended["status"] == "closed"
    assert int(ended["refunded_uact"]) == int(deployment["deposit_uact"]) - ceil(price)
    again = await tenant.close(ended)
    assert again["revision"] == ended["revision"]


async def test_a_deployment_without_an_acceptable_bid_fails_and_the_deposit_is_back(
    tenant_everywhere: Tenant,
):
    tenant = tenant_everywhere
    deployment = await tenant.deploy(reputation_floor=1)

    failed = await tenant.until(deployment, "failed")

    assert failed["explanation"] == "None of 12 bid(s) met the terms; 0 did not bid: 12 reputation."
    assert failed["refunded_uact"] == failed["deposit_uact"]
    assert (failed["leaseId"], failed["chosen"], failed["costReduction"]) == (None, None, None)
    events = await tenant.events(2)
    assert (events[1]["type"], events[1]["data"]["code"]) == (
        "deployer.deployment-failed.v1",
        "no-acceptable-bid",
    )


async def test_providers_that_do_not_bid_say_why(tenant: Tenant):
    cheap = tenant.changed(("amount: 100", "amount: 3"))

    deployment = await tenant.deploy(tenant.with_attributes(cheap, region="eu-central"))
    await tenant.until(deployment, "active", "failed")

    bids = await tenant.read(deployment, "/bids")
    reasons = {declined["reason"].split(",")[0] for declined in bids["declined"]}
    assert {"region is us-west", "region is us-east", "region is eu-west"} <= reasons
    assert any("the order pays at most 3" in declined["reason"] for declined in bids["declined"])
    assert all(Decimal(bid["uact_per_block"]) <= 3 for bid in bids["items"])


async def test_auditors_that_nobody_has_leave_no_bids_and_a_reason_for_each_provider(tenant: Tenant):
    auditor = "      signedBy: {anyOf: [akash1x]}\n"
    audited = tenant.changed(("    dcloud:\n      pricing", f"    dcloud:\n{auditor}      pricing"))

    failed = await tenant.until(await tenant.deploy(audited), "failed")

    bids = await tenant.read(failed, "/bids")
    assert bids["items"] == []
    assert {declined["reason"] for declined in bids["declined"]} == {"No auditor has signed its attributes."}


async def test_closing_before_there_is_a_bid_ends_it(tenant_everywhere: Tenant):
    tenant = tenant_everywhere
    deployment = await tenant.until(await tenant.deploy(tenant.with_attributes(fault="no-bids")), "open")

    ended = await tenant.close(deployment)

    assert (ended["status"], ended["refunded_uact"]) == ("closed", ended["deposit_uact"])


async def test_a_stalling_market_holds_up_nobody_else(tenant_everywhere: Tenant):
    tenant = tenant_everywhere
    stalled = await tenant.until(
        await tenant.deploy(tenant.with_attributes(fault="stall-after-accept")), "chosen"
    )

    others = await asyncio.gather(*(tenant.deploy() for _ in range(3)))
    for other in others:
        await tenant.until(other, "active")

    assert (await tenant.read(stalled))["status"] == "chosen"


async def test_what_a_market_did_without_answering_is_found_out_by_asking_again(
    make_app: MakeApp, database_url: str, tenant_of: TenantOf
):
    async with tenant_of(make_app(database_url, step_timeout_s=0.5)) as tenant:
        stalled = await tenant.deploy(tenant.with_attributes(fault="stall-after-accept"))
        active = await tenant.until(stalled, "active")

    assert [step["status"] for step in active["history"]].count("leased") == 1


async def test_repeating_a_request_makes_no_second_deployment(tenant_everywhere: Tenant):
    tenant, key = tenant_everywhere, str(uuid4())

    first = await tenant.deploy(key=key)
    second = await tenant.deploy(key=key)

    assert second == first
    assert len((await tenant.http.get("/v1/deployments")).json()["items"]) == 1


async def test_a_hundred_identical_requests_at_once_make_one_deployment(tenant_everywhere: Tenant):
    tenant, key = tenant_everywhere, str(uuid4())
    body = {"sdl": tenant.hello_web, "provider": "simulated"}

    answers = await asyncio.gather(*(tenant.ask(body, key=key) for _ in range(100)))

    made = [answer.json() for answer in answers if answer.status_code == 202]
    # 503 is a database or a loop that is too busy to say more than "later", as a hundred at once may make it.
    assert {answer.status_code for answer in answers} <= {202, 409, 503}
    assert len({deployment["deploymentId"] for deployment in made}) == 1
    assert len((await tenant.http.get("/v1/deployments")).json()["items"]) == 1


async def test_work_done_under_a_forgotten_key_is_recognised(app: FastAPI, tenant_of: TenantOf):
    """The answer was lost with the process: the request runs again, and finds the deployment."""
    async with tenant_of(app) as tenant:
        first = await tenant.deploy(key="k")
        async with app.state.platform.database.write() as session:
            await session.execute(delete(IdempotencyRow))

        again = await tenant.deploy(key="k")
        async with app.state.platform.database.write() as session:
            await session.execute(delete(IdempotencyRow))
        other = await tenant.ask({"sdl": tenant.hello_web, "provider": "auto"}, key="k")

    assert again["deploymentId"] == first["deploymentId"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")


async def test_a_config_is_deployed_as_well(tenant: Tenant):
    response = await tenant.ask({"config": tenant.config, "provider": "simulated"}, wait=20)

    assert (response.status_code, response.json()["status"]) == (202, "active")


async def test_where_no_engine_is_auto_is_simulated_and_says_so_and_docker_is_refused(tenant: Tenant):
    automatic = await tenant.deploy(provider="auto")
    refused = await tenant.ask({"sdl": tenant.hello_web, "provider": "docker"})

    assert automatic["provider"] == "simulated"
    assert automatic["provider_reason"] == (
        "No Docker engine answers here, so no container can really run. "
        "Bids, price and lease are simulated, and nothing really runs."
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "docker-not-available")


async def test_the_list_is_walked_by_its_cursors_newest_first(tenant_everywhere: Tenant):
    tenant = tenant_everywhere
    made = [(await tenant.deploy())["deploymentId"] for _ in range(5)]

    pages: list[list[str]] = []
    url = "/v1/deployments?limit=2"
    while url:
        answer = await tenant.http.get(url)
        pages.append([item["deploymentId"] for item in answer.json()["items"]])
        await tenant.deploy()  # newer ones do not disturb the walk
        url = answer.headers.get("link", "").partition(">")[0].removeprefix("<")

    assert [id for page in pages for id in page] == made[::-1]


async def test_a_deployment_that_has_not_changed_is_not_sent_again(tenant: Tenant):
    deployment = await tenant.until(await tenant.deploy(), "active")
    path = f"/v1/deployments/{deployment['deploymentId']}"
    etag = (await tenant.http.get(path)).headers["etag"]

    unchanged = await tenant.http.get(path, headers={"If-None-Match": etag})
    await tenant.close(deployment)
    changed = await tenant.http.get(path, headers={"If-None-Match": etag})

    assert (unchanged.status_code, changed.status_code) == (304, 200)


async def test_tenants_see_their_own_and_administrators_all(
    sqlite_app: FastAPI, issuer: Issuer, tenant_of: TenantOf
):
    def headers(subject: str, scope: str) -> dict[str, str]:
        return issuer.headers(scope, audience="deployer", subject=subject)

    async with tenant_of(sqlite_app, headers("alice", "deployer:deploy")) as alice:
        http, deployment = alice.http, await alice.deploy(key="k")
        path = f"/v1/deployments/{deployment['deploymentId']}"
        bob, admin = headers("bob", "deployer:deploy"), headers("root", "mesh:admin")

        seen = [
            (await http.get(f"{path}{part}", headers=who)).status_code
            for part in ("", "/bids")
            for who in (bob, admin)
        ]
        closed = await http.post(f"{path}/close", headers=bob)
        lists = [(await http.get("/v1/deployments", headers=who)).json()["items"] for who in (bob, admin)]
        same_key = await http.post(
            "/v1/deployments",
            json={"sdl": alice.hello_web, "provider": "simulated"},
            headers=bob | {"Idempotency-Key": "k"},
        )
        ended = await http.post(f"{path}/close", headers=admin | {"Prefer": "wait=20"})

    assert seen == [404, 200, 404, 200]
    assert closed.status_code == 404
    assert [len(items) for items in lists] == [0, 1]
    assert same_key.json()["deploymentId"] != deployment["deploymentId"]
    assert ended.json()["status"] == "closed"


async def test_everything_but_the_price_list_needs_the_scope(sqlite_app: FastAPI, issuer: Issuer):
    paths = {p: methods for p, methods in sqlite_app.openapi()["paths"].items() if p.startswith("/v1/")}
    async with running(sqlite_app, issuer.headers("nothing:much", audience="deployer")) as http:
        answers = {
            f"{method} {path}": (await http.request(method, path.format(deployment_id=NOBODYS), json={}))
            for path, methods in paths.items()
            for method in methods
        }

    open_to_all = {route for route, answer in answers.items() if answer.status_code != 403}
    assert open_to_all == {"get /v1/prices"}


@pytest.mark.parametrize(
    ("prefer", "waited"),
    [("wait=0", False), ("respond-async", False), ("wait=nonsense", False), ("respond-async, wait=20", True)],
)
async def test_the_caller_waits_as_long_as_it_prefers(tenant: Tenant, prefer: str, waited: bool):
    response = await tenant.http.post(
        "/v1/deployments",
        json={"sdl": tenant.hello_web, "provider": "simulated"},
        headers={"Idempotency-Key": str(uuid4()), "Prefer": prefer},
    )

    assert (response.json()["leaseId"] is not None) is waited
    assert response.headers["location"] == f"/v1/deployments/{response.json()['deploymentId']}"
