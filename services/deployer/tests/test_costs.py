"""Costs through the API: every figure with what it was computed from."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from httpx import AsyncClient

    from conftest import MakeApp, Tenant, TenantOf

SIZE = {"cpu_millis": 1000, "memory_bytes": 10**9, "storage_bytes": 10**9}


async def compare(http: AsyncClient, **given: Any) -> dict[str, Any]:
    response = await http.post("/v1/cost-comparisons", json=SIZE | {"uact_per_block": "13.5"} | given)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_price_lists_are_dated_and_sourced_and_what_nobody_states_is_null(tenant: Tenant):
    prices = (await tenant.http.get("/v1/prices")).json()

    assert prices["snapshot_date"] == "2026-11-23"
    assert {item["cloud"] for item in prices["items"]} == {"aws", "gcp", "azure"}
    assert all(item["source"].startswith("https://") for item in prices["items"])
    unknown = [(item["cloud"], item["what"]) for item in prices["items"] if item["usd"] is None]
    assert unknown == [("gcp", "ipv4"), ("azure", "load-balancer"), ("azure", "ipv4")]
    vcpu = next(item for item in prices["items"] if (item["cloud"], item["what"]) == ("aws", "vcpu"))
    assert (vcpu["usd"], vcpu["unit"], vcpu["minimum"]) == ("0.04048", "vCPU-hour", "0.25")


async def test_a_comparison_has_every_line_of_every_bill(tenant: Tenant):
    comparison = await compare(tenant.http)

    assert comparison["akash_usd_month"] == "5.82"
    aws = next(cloud for cloud in comparison["clouds"] if cloud["cloud"] == "aws")
    assert [
        (item["what"], item["quantity"], item["usd_month"]) for item in aws["like_for_like"]["items"]
    ] == [
        ("vcpu", "1", "29.57"),
        ("memory", "1", "3.25"),
        ("disk", "1", "0.00"),
    ]
    assert (aws["like_for_like"]["usd_month"], aws["like_for_like"]["percent"]) == ("32.82", "82.3")
    assert [item["what"] for item in aws["as_delivered"]["items"]] == [
        "vcpu",
        "memory",
        "disk",
        "load-balancer",
        "ipv4",
    ]
    assert (aws["as_delivered"]["usd_month"], aws["as_delivered"]["percent"]) == ("56.56", "89.7")


async def test_a_bill_with_an_unknown_line_has_no_sum_and_no_percentage(tenant: Tenant):
    comparison = await compare(tenant.http)

    delivered = {cloud["cloud"]: cloud["as_delivered"] for cloud in comparison["clouds"]}
    assert [delivered["gcp"][field] for field in ("usd_month", "percent")] == [None, None]
    assert [delivered["azure"][field] for field in ("usd_month", "percent")] == [None, None]
    known = [item["usd_month"] for item in delivered["azure"]["items"][:3]]
    assert None not in known


async def test_a_comparison_says_what_it_was_computed_from(tenant: Tenant):
    comparison = await compare(tenant.http)

    assert comparison["inputs"] == SIZE | {
        "uact_per_block": "13.5",
        "usd_per_uact": "0.000001",
        "block_time_s": "6.098",
        "days_per_month": "30.437",
    }
    assert "percent = (1 - akash_usd_month / cloud_usd_month) * 100" in comparison["formula"]


async def test_the_formula_gives_the_figures_when_it_is_worked_out_by_hand(tenant: Tenant):
    comparison = await compare(tenant.http, uact_per_block="7.25")
    inputs = {
        name: Decimal(comparison["inputs"][name])
        for name in ("uact_per_block", "usd_per_uact", "block_time_s", "days_per_month")
    }

    seconds = inputs["days_per_month"] * 24 * 3600
    akash = inputs["uact_per_block"] * inputs["usd_per_uact"] * seconds / inputs["block_time_s"]
    gcp = (Decimal("0.0445") + Decimal("0.0049225") + Decimal("0.0000548")) * inputs["days_per_month"] * 24

    assert comparison["akash_usd_month"] == f"{akash:.2f}"
    bill = next(cloud for cloud in comparison["clouds"] if cloud["cloud"] == "gcp")["like_for_like"]
    assert (bill["usd_month"], bill["percent"]) == (f"{gcp:.2f}", f"{(1 - akash / gcp) * 100:.1f}")


@pytest.mark.parametrize(
    ("settings", "usd"),
    [
        ({"block_time_s": Decimal(6)}, "5.92"),
        ({"block_time_s": Decimal("6.5")}, "5.46"),
        ({"usd_per_act": Decimal("0.5")}, "2.91"),
    ],
)
async def test_block_time_and_rate_are_inputs(
    make_app: MakeApp, tenant_of: TenantOf, tmp_path: object, settings: dict[str, Any], usd: str
):
    async with tenant_of(make_app(f"sqlite+aiosqlite:///{tmp_path}/c.db", **settings)) as tenant:
        assert (await compare(tenant.http))["akash_usd_month"] == usd


async def test_free_is_a_hundred_percent_less_and_dearer_is_less_than_nothing(tenant: Tenant):
    free, dear = [await compare(tenant.http, uact_per_block=price) for price in ("0", "1000")]

    assert free["clouds"][0]["like_for_like"]["percent"] == "100.0"
    assert Decimal(dear["clouds"][0]["like_for_like"]["percent"]) < 0


async def test_what_a_deployment_saves_is_the_comparison_of_its_own_bid(tenant: Tenant):
    deployment = await tenant.deploy(wait=20)
    saves = deployment["costReduction"]

    same = await compare(
        tenant.http,
        cpu_millis=saves["inputs"]["cpu_millis"],
        memory_bytes=saves["inputs"]["memory_bytes"],
        storage_bytes=saves["inputs"]["storage_bytes"],
        uact_per_block=deployment["chosen"]["uact_per_block"],
    )

    assert saves["inputs"] == same["inputs"]
    assert saves["akash_usd_month"] == same["akash_usd_month"] == deployment["chosen"]["usd_per_month"]
    for basket in ("like_for_like", "as_delivered"):
        expected = {cloud["cloud"]: cloud[basket]["percent"] for cloud in same["clouds"]}
        assert saves[f"percent_{basket}"] == expected
    assert saves["basis"] == "a bid of the simulated market; it is no quotation"
    assert saves["snapshot_date"] == same["snapshot_date"]


async def test_replicas_are_counted_into_what_is_compared(tenant: Tenant):
    three = tenant.changed(("count: 1", "count: 3"))

    inputs = (await tenant.deploy(three, wait=20))["costReduction"]["inputs"]

    assert (inputs["cpu_millis"], inputs["memory_bytes"]) == (3 * 250, 3 * 128 * 2**20)
