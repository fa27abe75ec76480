import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.adapters import prices
from mesh_deployer.domain import cost
from mesh_deployer.domain.cost import Inputs, Price, Snapshot, akash_usd_month, compare
from mesh_deployer.domain.workload import Shape

SNAPSHOT = prices.newest()
INPUTS = Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))
README = (Path(__file__).parents[1] / "README.md").read_text()
GB = 10**9
# Monthly dollars of Akash's own comparison for vCPU, memory and disk (console, pricing.service.ts).
ORACLE = [
    (500, GB // 2, GB // 2, "16.41", "18.07", "19.68"),
    (1000, GB, GB, "32.82", "36.14", "39.37"),
    (4000, 16 * GB, 100 * GB, "176.7", "191.6", "204.2"),
    (16_000, 64 * GB, 500 * GB, "719.9", "770.3", "816.7"),
]


def like_for_like(shape: Shape, akash: str = "0") -> dict[str, cost.Basket]:
    comparison = compare(shape, Decimal(akash), INPUTS, SNAPSHOT)
    return {cloud.cloud: cloud.like_for_like for cloud in comparison.clouds}


def cents(amount: Decimal | None) -> str:
    assert amount is not None
    return f"{amount.quantize(Decimal('0.01')):f}"


@pytest.mark.parametrize(("cpu", "memory", "disk", "aws", "gcp", "azure"), ORACLE)
def test_the_clouds_cost_what_akashs_own_comparison_says(
    cpu: int, memory: int, disk: int, aws: str, gcp: str, azure: str
):
    baskets = like_for_like(Shape(cpu, memory, disk))

    for cloud, published in {"aws": aws, "gcp": gcp, "azure": azure}.items():
        total = baskets[cloud].usd_month
        assert total is not None
        assert total.quantize(Decimal(published)) == Decimal(published)


def test_a_price_per_block_is_a_price_per_month():
    assert cents(akash_usd_month(Decimal(1), INPUTS)) == "0.43"
    six = Inputs(block_time_s=Decimal(6), usd_per_uact=Decimal("0.000001"))
    assert f"{akash_usd_month(Decimal(1), six):.3f}" == "0.438"


@given(st.decimals("0.000001", 1_000_000, places=6))
def test_a_price_is_the_same_after_there_and_back(price: Decimal):
    back = cost.uact_per_block(akash_usd_month(price, INPUTS), INPUTS)

    assert abs(back - price) < Decimal("1e-18")


def test_the_delivered_service_has_minimum_load_balancer_and_addresses_on_its_bill():
    comparison = compare(Shape(100, 10**8, GB), Decimal("1.8"), INPUTS, SNAPSHOT)
    delivered = {cloud.cloud: cloud.as_delivered for cloud in comparison.clouds}["aws"]

    assert [(item.what, str(item.quantity), cents(item.usd_month)) for item in delivered.items] == [
        ("vcpu", "0.25", "7.39"),
        ("memory", "0.5", "1.62"),
        ("disk", "1", "0.00"),
        ("load-balancer", "1", "16.44"),
        ("ipv4", "2", "7.30"),
    ]
    assert cents(delivered.usd_month) == "32.76"


def test_what_has_no_price_is_null_and_never_a_guess():
    comparison = compare(Shape(1000, GB, GB), Decimal(1), INPUTS, SNAPSHOT)
    gcp = {cloud.cloud: cloud.as_delivered for cloud in comparison.clouds}["gcp"]

    assert [item.usd_month for item in gcp.items if item.what == "ipv4"] == [None]
    assert (gcp.usd_month, gcp.percent) == (None, None)


def test_where_akash_is_dearer_the_reduction_is_negative():
    percent = like_for_like(Shape(1000, GB, GB), akash="1000")["aws"].percent

    assert percent is not None
    assert percent < 0


def test_a_cloud_that_a_snapshot_says_nothing_of_is_priced_at_nothing():
    price = Price(
        cloud="new",
        what="vcpu",
        sku="s",
        region="r",
        unit="vCPU-month",
        usd=Decimal(5),
        source="https://example.com",
        seen=date(2026, 1, 1),
        via="v",
    )
    (cloud,) = compare(Shape(1000, GB, 0), Decimal(1), INPUTS, Snapshot(date(2026, 1, 1), (price,))).clouds

    assert [item.usd_month for item in cloud.like_for_like.items] == [Decimal(5), None, None]
    assert cloud.like_for_like.usd_month is None


def test_every_price_names_its_source_and_its_day():
    assert {price.what for price in SNAPSHOT.prices} == {"vcpu", "memory", "disk", "load-balancer", "ipv4"}
    for price in SNAPSHOT.prices:
        assert price.source.startswith("https://")
        assert price.via
        assert price.seen <= SNAPSHOT.date


def akash_usual(cpu: str, memory: str, disk: str) -> Decimal:
    """uact per block at the targets of Akash's own price script: dollars per vCPU, GB and GB of disk."""
    usd = Decimal(cpu) * Decimal("4.5") + Decimal(memory) * Decimal("1.25") + Decimal(disk) * Decimal("0.08")
    return cost.uact_per_block(usd, INPUTS)


def bids_for_the_claim(shape: Shape) -> tuple[Decimal, Decimal]:
    """The bid, in uact per block, at which 97.6 % are saved against AWS: like for like, and as delivered."""
    aws = next(c for c in compare(shape, Decimal(1), INPUTS, SNAPSHOT).clouds if c.cloud == "aws")
    totals = [aws.like_for_like.usd_month, aws.as_delivered.usd_month]
    bids = [cost.uact_per_block(total * Decimal("0.024"), INPUTS) for total in totals if total is not None]
    return bids[0], bids[1]


def test_the_readme_answers_the_claim_of_97_6_percent_with_these_numbers():
    row = r"^\| (\S+) vCPU, (\S+) GB, (\S+) GB \| (\S+) \| (\S+) \| (\S+) \|$"
    rows = re.findall(row, README, re.MULTILINE)

    assert len(rows) == 3
    for cpu, memory, disk, same, delivered, usual in rows:
        shape = Shape(int(Decimal(cpu) * 1000), int(Decimal(memory) * GB), int(Decimal(disk) * GB))
        wanted = bids_for_the_claim(shape)
        assert (same, delivered) == (f"{wanted[0]:.2f}", f"{wanted[1]:.2f}")
        assert usual == f"{akash_usual(cpu, memory, disk):.2f}"


def test_the_claim_of_97_6_percent_is_refuted_resource_for_resource():
    """Akash's usual price for 1 vCPU, 1 GB and 1 GB is seven times the bid that the claim needs."""
    like_for_like, as_delivered = bids_for_the_claim(Shape(1000, GB, GB))

    assert akash_usual("1", "1", "1") > 7 * like_for_like
    assert akash_usual("1", "1", "1") > 4 * as_delivered


def test_the_claim_is_within_reach_as_delivered_for_the_smallest_service_only():
    """At Akash's usual price, against the least that Fargate bills with a load balancer and its addresses."""
    like_for_like, as_delivered = bids_for_the_claim(Shape(100, GB // 10, GB))

    assert like_for_like < akash_usual("0.1", "0.1", "1") < as_delivered
