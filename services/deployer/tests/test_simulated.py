"""The simulated market: invented providers, real rules."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.adapters.inventions import PROVIDERS, providers
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain import cost
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload
from mesh_deployer.ports import Order
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.settings import Settings
from mesh_shared.database import migrate
from mesh_shared.database.engine import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mesh_deployer.domain.market import BidBook

WORKLOAD = Workload(compile_sdl(HELLO).groups)
INPUTS = cost.Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))


def order(id: UUID | None = None, **changes: Any) -> Order:
    wanted = Order(id=id or uuid4(), workload=WORKLOAD, requirements={}, deposit_uact=500_000)
    return replace(wanted, **changes)


def placed(*attributes: tuple[str, str]) -> Workload:
    """The same for providers that have these attributes."""
    return Workload(tuple(replace(group, attributes=attributes) for group in WORKLOAD.groups))


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[SimulatedMarketplace]:
    database = connect(f"sqlite+aiosqlite:///{tmp_path}/market.db")
    await migrate.upgrade(database, [Settings.model_fields["migrations_dir"].default])
    yield SimulatedMarketplace(database, 379, INPUTS)
    await database.engine.dispose()


async def book(market: SimulatedMarketplace, wanted: Order) -> BidBook:
    await market.create(wanted)
    while not (found := await market.bids(wanted.id)).is_complete:
        pass
    return found


@given(st.integers(0, 2**63))
def test_the_same_seed_has_the_same_providers(seed: int):
    invented = providers(seed)

    assert invented == providers(seed)
    assert len({provider.address for provider in invented}) == PROVIDERS
    assert all(0 <= provider.reputation <= 1 and provider.factor > 0 for provider in invented)
    assert all(provider.uri.endswith(".provider.invalid") for provider in invented)


def test_another_seed_has_others():
    assert not {p.address for p in providers(1)} & {p.address for p in providers(2)}


def test_the_usual_seed_has_a_provider_that_is_cheapest_and_not_to_be_trusted():
    """So that the rule can be seen at work: the cheapest bid alone would be the wrong one."""
    cheapest = min(providers(Settings.model_fields["market_seed"].default), key=lambda p: p.factor)

    assert cheapest.reputation < Decimal("0.7")


async def test_the_same_order_has_the_same_bids_and_another_has_others(market: SimulatedMarketplace):
    first = await book(market, order(UUID(int=1)))
    other = await book(market, order(UUID(int=2)))

    assert await book(market, order(UUID(int=1))) == first
    assert {bid.provider for bid in other.bids} == {bid.provider for bid in first.bids}
    assert [bid.uact_per_block for bid in other.bids] != [bid.uact_per_block for bid in first.bids]


async def test_an_order_keeps_its_bids_when_the_operator_changes_the_seed(market: SimulatedMarketplace):
    wanted = order()
    before = await book(market, wanted)

    other = SimulatedMarketplace(market.database, 380, INPUTS)

    assert (await other.bids(wanted.id)).bids == before.bids
    assert (await other.accept(wanted.id, [before.bids[0]]))[0].provider_uri == before.bids[0].uri
    assert (await other.close(wanted.id)).spent_uact == 0


async def test_the_price_is_akashs_formula_within_the_spread_of_the_providers(market: SimulatedMarketplace):
    """$4.5 per vCPU, $1.25 per GB, $0.08 per GB of disk and $0.05 per endpoint a month, times 0.7 to 1.6."""
    shape = WORKLOAD.shape
    usd = (
        Decimal(shape.cpu_millis) / 1000 * Decimal("4.5")
        + Decimal(shape.memory_bytes) / 10**9 * Decimal("1.25")
        + Decimal(shape.storage_bytes) / 10**9 * Decimal("0.08")
        + Decimal("0.05")
    )
    target = cost.uact_per_block(usd, INPUTS)

    found = await book(market, order())

    factors = {provider.address: provider.factor for provider in providers(379)}
    for bid in found.bids:
        mood = bid.uact_per_block / (target * factors[bid.provider])
        assert Decimal("0.9799") < mood < Decimal("1.0201")


async def test_bids_arrive_with_the_blocks_and_a_block_passes_with_each_look(market: SimulatedMarketplace):
    wanted = order()
    await market.create(wanted)

    books = [await market.bids(wanted.id) for _ in range(3)]

    counts = [len(found.bids) for found in books]
    assert counts == sorted(counts)
    assert 0 < counts[0] < counts[-1] == PROVIDERS
    assert [found.is_complete for found in books] == [False, False, True]


async def test_requirements_of_sdl_and_order_both_count(market: SimulatedMarketplace):
    in_europe = placed(("region", "eu-west"))

    by_sdl = await book(market, order(workload=in_europe))
    by_order = await book(market, order(requirements={"region": "eu-west"}))
    by_both = await book(market, order(workload=in_europe, requirements={"region": "us-east"}))

    regions = [{bid.attributes["region"] for bid in found.bids} for found in (by_sdl, by_order, by_both)]
    assert regions == [{"eu-west"}, {"eu-west"}, {"us-east"}]
    assert len(by_sdl.bids) + len(by_sdl.declined) == PROVIDERS


async def test_every_provider_that_does_not_bid_says_why(market: SimulatedMarketplace):
    found = await book(market, order(requirements={"gpu": "h100"}))

    assert found.bids == ()
    assert {d.reason for d in found.declined} == {"gpu is not declared, h100 is required."}


async def test_a_fault_is_had_for_the_asking_only_where_faults_are_on_offer(market: SimulatedMarketplace):
    """Elsewhere it is an attribute like any other, which no provider has."""
    broken = placed(("simulated/fault", "no-bids"))
    rehearsing = replace(market, has_faults=True)

    refused = await book(market, order(workload=broken))
    wanted = order(workload=broken)
    await rehearsing.create(wanted)
    silent = await rehearsing.bids(wanted.id)

    assert len(refused.declined) == PROVIDERS
    assert "simulated/fault is not declared" in refused.declined[0].reason
    assert (silent.bids, silent.declined) == ((), ())
    assert Settings.model_fields["market_faults"].default is False


async def test_the_book_outlives_the_process(market: SimulatedMarketplace):
    wanted = order()
    before = await book(market, wanted)
    later = SimulatedMarketplace(market.database, 379, INPUTS)

    seen = await later.bids(wanted.id)
    lease = await market.accept(wanted.id, [before.bids[0]])

    assert seen == before
    assert await later.accept(wanted.id, [before.bids[0]]) == lease


@pytest.mark.parametrize(
    ("deposit", "looks"), [(500_000, 0), (500_000, 1), (500_000, 100), (10, 2), (7, 3), (1, 24)]
)
async def test_a_provider_is_paid_its_price_for_every_block_and_a_begun_uact_is_gone(
    market: SimulatedMarketplace, deposit: int, looks: int
):
    wanted = order(deposit_uact=deposit)
    bid = (await book(market, wanted)).bids[0]
    await market.accept(wanted.id, [bid])
    await market.send_manifest(wanted.id, WORKLOAD)
    for _ in range(looks):
        await market.status(wanted.id)

    owed = (bid.uact_per_block * looks).to_integral_value(ROUND_CEILING)
    assert (await market.close(wanted.id)).spent_uact == min(deposit, owed)


async def test_time_before_the_lease_is_nobodys_money(market: SimulatedMarketplace):
    wanted = order()
    bid = (await book(market, wanted)).bids[0]
    for _ in range(10):
        await market.bids(wanted.id)
    await market.accept(wanted.id, [bid])

    assert (await market.close(wanted.id)).spent_uact == 0
