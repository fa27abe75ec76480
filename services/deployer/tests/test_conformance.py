"""What every backend promises, asked of each: the simulated market on both databases, and Docker."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from mesh_deployer.adapters.docker import DockerMarketplace
from mesh_deployer.adapters.engine import Engine
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.market import Bid, BidBook
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.errors import OrderNotOpen
from mesh_deployer.ports import Condition, Marketplace, Order
from mesh_deployer.settings import Settings
from mesh_shared.database import migrate
from mesh_shared.database.engine import Database, connect

SLEEPER = """\
version: "2.0"
services:
  web:
    image: debian:trixie-slim
    command: [sleep, infinity]
    expose: [{port: 80, as: 80, to: [{global: true}]}]
profiles:
  compute:
    web: {resources: {cpu: {units: 100m}, memory: {size: 64Mi}, storage: {size: 512Mi}}}
  placement:
    dcloud: {pricing: {web: {denom: uact, amount: 100}}}
deployment:
  web: {dcloud: {profile: web, count: 1}}
"""
(GROUP,) = compile_sdl(SLEEPER).groups
INPUTS = Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))
DEPOSIT = 500_000


def order(deposit: int = DEPOSIT) -> Order:
    return Order(id=uuid4(), group=GROUP, requirements={}, deposit_uact=deposit)


@asynccontextmanager
async def migrated(url: str) -> AsyncGenerator[Database, None]:
    database = connect(url)
    await migrate.upgrade(database, [Settings.model_fields["migrations_dir"].default])
    yield database
    await database.engine.dispose()


@pytest.fixture(params=["simulated on sqlite", "simulated on postgresql", "docker"])
async def market(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Marketplace]:
    on_postgres = request.param.endswith("postgresql")
    url = request.getfixturevalue("postgres_url") if on_postgres else f"sqlite+aiosqlite:///{tmp_path}/m.db"
    docker_url = request.getfixturevalue("docker_url") if request.param == "docker" else None
    async with migrated(url) as database:
        simulated = SimulatedMarketplace(database, 379, INPUTS)
        if docker_url is None:
            yield simulated
            return
        engine = Engine(docker_url, owner=uuid4().hex)
        docker = DockerMarketplace(simulated, engine)
        yield docker
        for left in await docker.held():
            await docker.close(left)
        engine.close()


async def all_bids(market: Marketplace, order_id: UUID) -> BidBook:
    while not (book := await market.bids(order_id)).is_complete:
        pass
    return book


async def leased(market: Marketplace, wanted: Order) -> tuple[Bid, Lease]:
    await market.create(wanted)
    bid = (await all_bids(market, wanted.id)).bids[0]
    return bid, await market.accept(wanted.id, bid)


async def running(market: Marketplace, order_id: UUID) -> Condition:
    await market.send_manifest(order_id, GROUP)
    async with asyncio.timeout(60):
        while (condition := await market.status(order_id)).phase == "starting":
            await asyncio.sleep(0.05)
    return condition


async def test_it_says_in_a_sentence_what_running_there_means(market: Marketplace):
    meaning = await market.capabilities(GROUP)

    assert "simulated" in meaning
    assert meaning.endswith(".")


async def test_bids_arrive_one_per_provider_and_never_above_the_price(market: Marketplace):
    wanted = order()
    await market.create(wanted)

    first, book = await market.bids(wanted.id), await all_bids(market, wanted.id)

    assert set(bid.provider for bid in first.bids) <= {bid.provider for bid in book.bids}
    assert len({bid.provider for bid in book.bids}) == len(book.bids) > 1
    assert all(0 < bid.uact_per_block <= GROUP.ceiling for bid in book.bids)
    assert all(0 <= bid.reputation <= 1 for bid in book.bids)


async def test_an_order_opened_twice_is_opened_once(market: Marketplace):
    wanted = order()
    await market.create(wanted)
    before = await all_bids(market, wanted.id)

    await market.create(wanted)

    assert await all_bids(market, wanted.id) == before
    assert list(await market.held()) == [wanted.id]


async def test_a_bid_accepted_twice_is_one_lease(market: Marketplace):
    wanted = order()
    bid, lease = await leased(market, wanted)

    assert await market.accept(wanted.id, bid) == lease
    assert bid.provider in lease.lease_id


async def test_a_leased_order_is_nobody_elses(market: Marketplace):
    wanted = order()
    bid, _ = await leased(market, wanted)
    other = next(b for b in (await all_bids(market, wanted.id)).bids if b.provider != bid.provider)

    with pytest.raises(OrderNotOpen):
        await market.accept(wanted.id, other)


async def test_nothing_runs_without_a_lease(market: Marketplace):
    wanted = order()
    await market.create(wanted)

    with pytest.raises(OrderNotOpen):
        await market.send_manifest(wanted.id, GROUP)


async def test_a_manifest_sent_twice_is_one_workload(market: Marketplace):
    wanted = order()
    await leased(market, wanted)
    first = await running(market, wanted.id)

    again = await running(market, wanted.id)

    assert (first.phase, again) == ("running", first)


async def test_closing_ends_everything_and_what_was_earned_is_the_price_of_the_blocks(market: Marketplace):
    wanted = order()
    bid, _ = await leased(market, wanted)
    await market.send_manifest(wanted.id, GROUP)
    for _ in range(3):  # each look is a block
        await market.status(wanted.id)

    earned = await market.close(wanted.id)

    assert earned == int(bid.uact_per_block * 3)
    assert list(await market.held()) == []


async def test_a_provider_never_earns_more_than_the_deposit(market: Marketplace):
    wanted = order(deposit=1)
    await leased(market, wanted)
    await market.send_manifest(wanted.id, GROUP)
    await market.status(wanted.id)

    assert await market.close(wanted.id) == 1


async def test_closing_twice_is_closing_once(market: Marketplace):
    wanted = order()
    await leased(market, wanted)
    await running(market, wanted.id)

    assert await market.close(wanted.id) == await market.close(wanted.id) > 0


async def test_what_was_never_leased_or_never_opened_has_earned_nothing(market: Marketplace):
    wanted = order()
    await market.create(wanted)

    assert await market.close(wanted.id) == 0
    assert await market.close(uuid4()) == 0


async def test_a_closed_order_takes_no_further_step(market: Marketplace):
    wanted = order()
    bid, _ = await leased(market, wanted)
    await market.close(wanted.id)

    for step in (
        market.bids(wanted.id),
        market.accept(wanted.id, bid),
        market.send_manifest(wanted.id, GROUP),
        market.status(wanted.id),
    ):
        with pytest.raises(OrderNotOpen):
            await step
    assert list(await market.held()) == []


async def test_an_order_that_nobody_opened_has_no_bids_and_no_condition(market: Marketplace):
    with pytest.raises(OrderNotOpen):
        await market.bids(uuid4())
    with pytest.raises(OrderNotOpen):
        await market.status(uuid4())


async def test_everything_that_is_not_closed_is_held(market: Marketplace):
    opened, taken, closed = order(), order(), order()
    await market.create(opened)
    await leased(market, taken)
    await market.send_manifest(taken.id, GROUP)
    await market.create(closed)
    await market.close(closed.id)

    assert set(await market.held()) == {opened.id, taken.id}


async def test_two_askers_at_once_get_the_same_lease(market: Marketplace):
    wanted = order()
    await market.create(wanted)
    bid = (await all_bids(market, wanted.id)).bids[0]

    leases = await asyncio.gather(*(market.accept(wanted.id, bid) for _ in range(5)))
    await asyncio.gather(*(market.send_manifest(wanted.id, GROUP) for _ in range(3)))

    assert len(set(leases)) == 1
    assert (await running(market, wanted.id)).phase == "running"
