"""What moves deployments: when the market is silent, when there are two replicas, when it is stopped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.deployment import Deadlines, Deployment, Lease, State
from mesh_deployer.domain.market import Terms
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.ports import Condition, Marketplace
from mesh_deployer.repository.deployments import Deployments, Rest
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.service.driver import Driver
from mesh_deployer.service.leftovers import Leftovers
from mesh_deployer.service.news import News
from mesh_deployer.service.steps import Steps
from mesh_deployer.settings import Settings
from mesh_shared.database import migrate
from mesh_shared.database.engine import Database, connect
from mesh_shared.errors import Unavailable
from mesh_shared.events.outbox import EventRow
from sqlalchemy import select

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from mesh_deployer.domain.market import Bid, BidBook
    from mesh_deployer.domain.workload import Group
    from mesh_deployer.ports import Order

(GROUP,) = compile_sdl(HELLO).groups
INPUTS = Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))
PATIENT = Deadlines(bid_window_s=0, bid_s=300, start_s=300)


@dataclass
class Weather:
    """A working market behind a line that can be cut, and a count of what came through it."""

    market: Marketplace
    is_down: bool = False
    condition: Condition | None = None
    asked: list[str] = field(default_factory=list[str])

    def _through(self, verb: str) -> None:
        if self.is_down:
            raise Unavailable("the market")
        self.asked.append(verb)

    async def capabilities(self, group: Group) -> str:
        self._through("capabilities")
        return await self.market.capabilities(group)

    async def create(self, order: Order) -> None:
        self._through("create")
        await self.market.create(order)

    async def bids(self, order_id: UUID) -> BidBook:
        self._through("bids")
        return await self.market.bids(order_id)

    async def accept(self, order_id: UUID, bid: Bid) -> Lease:
        self._through("accept")
        return await self.market.accept(order_id, bid)

    async def send_manifest(self, order_id: UUID, group: Group) -> None:
        self._through("send_manifest")
        await self.market.send_manifest(order_id, group)

    async def status(self, order_id: UUID) -> Condition:
        self._through("status")
        return self.condition or await self.market.status(order_id)

    async def close(self, order_id: UUID) -> int:
        self._through("close")
        return await self.market.close(order_id)

    async def held(self) -> Sequence[UUID]:
        self._through("held")
        return await self.market.held()


@dataclass
class Stage:
    """A database, a market behind a line, and as many replicas as a test wants."""

    database: Database
    market: Weather
    news: News = field(default_factory=News)

    def replica(self, instance: str = "0", *, parallel: int = 8, watch_s: float = 60) -> Driver:
        return Driver(
            database=self.database,
            steps=Steps({"simulated": self.market}),
            news=self.news,
            instance=instance,
            parallel=parallel,
            step_timeout_s=5,
            watch_s=watch_s,
        )

    async def accept(self, deadlines: Deadlines = PATIENT) -> UUID:
        deployment = Deployment(
            id=uuid4(),
            owner="tester",
            request_digest="d",
            provider="simulated",
            provider_reason="asked for",
            sdl=HELLO,
            version_hash="h",
            shape=GROUP.shape,
            terms=Terms(reputation_floor=Decimal(0), ceiling_uact_per_block=GROUP.ceiling),
            deposit_uact=500_000,
            deadlines=deadlines,
            created_at=datetime.now(UTC),
        )
        async with self.database.write() as session:
            Deployments(session).add(deployment)
        return deployment.id

    async def find(self, id: UUID) -> Deployment:
        async with self.database.read() as session:
            found = await Deployments(session).find(id)
        assert found is not None
        return found

    async def until(self, id: UUID, *states: State) -> Deployment:
        async with asyncio.timeout(15):
            while (found := await self.find(id)).state not in states:
                await asyncio.sleep(0.01)
        return found

    async def change(self, id: UUID, change: Callable[[Deployment], Deployment]) -> None:
        before = await self.find(id)
        async with self.database.write() as session:
            assert await Deployments(session).replace(before, change(before), Rest(datetime.now(UTC), 0))
        self.news.due.ring()

    async def facts(self) -> list[str]:
        async with self.database.read() as session:
            return list(await session.scalars(select(EventRow.type).order_by(EventRow.position)))


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    database = connect(database_url)
    await migrate.upgrade(database, [Settings.model_fields["migrations_dir"].default])
    yield Stage(database, Weather(SimulatedMarketplace(database, 379, INPUTS)))
    await database.engine.dispose()


async def test_a_silent_market_holds_a_deployment_up_and_costs_it_nothing(stage: Stage):
    stage.market.is_down = True
    id = await stage.accept()

    async with stage.replica().working():
        async with asyncio.timeout(10):
            while (await stage.find(id)).state is not State.CREATED or not await _attempts(stage, id):
                await asyncio.sleep(0.01)
        stage.market.is_down = False
        active = await stage.until(id, State.ACTIVE)

    assert [step.state for step in active.history] == ["open", "chosen", "leased", "active"]


async def _attempts(stage: Stage, id: UUID) -> int:
    async with stage.database.read() as session:
        return await Deployments(session).attempts(id)


@pytest.mark.parametrize(
    ("deadlines", "at", "code"),
    [
        (Deadlines(bid_window_s=0, bid_s=0.3, start_s=300), "create", "market-timeout"),
        (Deadlines(bid_window_s=0, bid_s=0.3, start_s=300), "bids", "no-acceptable-bid"),
        (Deadlines(bid_window_s=0, bid_s=300, start_s=0.3), "send_manifest", "manifest-timeout"),
    ],
)
async def test_a_market_that_stays_silent_ends_a_deployment_at_its_deadline(
    stage: Stage, deadlines: Deadlines, at: str, code: str
):
    id = await stage.accept(deadlines)
    before = {"create": "", "bids": "create", "send_manifest": "accept"}[at]

    async with stage.replica().working():
        async with asyncio.timeout(10):
            while before and before not in stage.market.asked:
                await asyncio.sleep(0)
        stage.market.is_down = True
        closing = await stage.until(id, State.CLOSING)
        stage.market.is_down = False
        failed = await stage.until(id, State.FAILED)

    assert closing.ending is not None
    assert closing.ending.code == code
    assert failed.refunded_uact == 500_000
    assert await stage.market.held() == []


async def test_what_runs_is_looked_at_now_and_then_and_what_has_died_is_closed(stage: Stage):
    id = await stage.accept()

    async with stage.replica(watch_s=0.05).working():
        await stage.until(id, State.ACTIVE)
        stage.market.condition = Condition("exited", "It was shot.")
        failed = await stage.until(id, State.FAILED)

    assert failed.explanation == "It was shot."
    assert await stage.market.held() == []


async def test_what_runs_and_goes_on_running_is_left_alone(stage: Stage):
    id = await stage.accept()

    async with stage.replica(watch_s=0.02).working():
        active = await stage.until(id, State.ACTIVE)
        seen = stage.market.asked.count("status")
        async with asyncio.timeout(10):
            while stage.market.asked.count("status") < seen + 5:
                await asyncio.sleep(0.01)

    assert await stage.find(id) == active


async def test_an_order_that_the_market_closed_by_itself_is_a_failure(stage: Stage):
    id = await stage.accept()

    async with stage.replica(watch_s=0.05).working():
        await stage.until(id, State.ACTIVE)
        await stage.market.close(id)
        failed = await stage.until(id, State.FAILED)

    assert failed.ending is not None
    assert failed.ending.code == "order-not-open"


async def test_two_replicas_share_the_work_and_do_nothing_twice(stage: Stage):
    ids = [await stage.accept() for _ in range(12)]

    async with stage.replica("a", parallel=3).working(), stage.replica("b", parallel=3).working():
        for id in ids:
            await stage.until(id, State.ACTIVE)

    assert stage.market.asked.count("create") == stage.market.asked.count("accept") == 12
    assert (await stage.facts()).count("deployer.lease-created.v1") == 12


async def test_more_deployments_than_places_all_get_their_turn(stage: Stage):
    ids = [await stage.accept() for _ in range(10)]

    async with asyncio.timeout(10), stage.replica(parallel=1).working():
        for id in ids:
            await stage.until(id, State.ACTIVE)

    assert stage.market.asked.count("accept") == 10


async def test_what_a_dead_replica_had_taken_is_taken_up_at_its_next_start(stage: Stage):
    """It is claimed for a minute; its own next start does not wait for that."""
    id, now = await stage.accept(), datetime.now(UTC)
    async with stage.database.write() as session:
        assert await Deployments(session).claim([id], "dead", now, now + timedelta(seconds=60)) == [id]

    async with stage.replica("dead").working():
        assert (await stage.until(id, State.ACTIVE)).id == id


async def test_what_a_replica_that_stays_dead_had_taken_falls_to_another_when_its_claim_ends(stage: Stage):
    id, now = await stage.accept(), datetime.now(UTC)
    async with stage.database.write() as session:
        await Deployments(session).claim([id], "dead", now, now + timedelta(seconds=0.3))

    async with stage.replica("alive").working():
        assert (await stage.until(id, State.ACTIVE)).id == id


async def test_a_wish_of_its_owner_wins_over_a_step_under_way(stage: Stage):
    """The step's outcome is dropped, and the order that it opened is closed with the rest."""
    id = await stage.accept()
    deployment = await stage.find(id)
    after = await Steps({"simulated": stage.market}).take(deployment)

    await stage.change(id, lambda d: d.closing(datetime.now(UTC)))
    async with stage.database.write() as session:
        assert not await Deployments(session).replace(deployment, after)
    async with stage.replica().working():
        closed = await stage.until(id, State.CLOSED)

    assert closed.refunded_uact == 500_000
    assert await stage.market.held() == []


async def test_a_step_that_is_a_bug_of_ours_ends_one_look_and_no_others(stage: Stage):
    sick, well = await stage.accept(), await stage.accept()
    await stage.change(sick, lambda d: replace(d, sdl="no sdl", revision=d.revision + 1))

    async with stage.replica(parallel=1).working():
        active = await stage.until(well, State.ACTIVE)

    assert active.id == well
    assert (await stage.find(sick)).state is State.CREATED


async def test_stopping_drops_what_is_under_way_and_the_next_start_takes_it_up(stage: Stage):
    id = await stage.accept()
    async with stage.replica().working():
        async with asyncio.timeout(10):
            while "create" not in stage.market.asked:
                await asyncio.sleep(0)

    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("deployment ")]
    async with stage.replica().working():
        assert (await stage.until(id, State.ACTIVE)).id == id


def sweeping(stage: Stage) -> Leftovers:
    return Leftovers(database=stage.database, markets={"simulated": stage.market}, pause_s=0, timeout_s=5)


async def test_what_a_market_holds_for_an_ended_deployment_is_closed_and_nothing_else(stage: Stage):
    ended, alive = await stage.accept(), await stage.accept()
    for id in (ended, alive):
        await Steps({"simulated": stage.market}).take(await stage.find(id))
    await stage.change(ended, lambda d: d.closing(datetime.now(UTC)).ended(0, datetime.now(UTC)))

    await sweeping(stage).turn()

    assert await stage.market.held() == [alive]


async def test_a_market_that_cannot_be_searched_is_searched_the_next_time(stage: Stage):
    id = await stage.accept()
    await Steps({"simulated": stage.market}).take(await stage.find(id))
    await stage.change(id, lambda d: d.closing(datetime.now(UTC)).ended(0, datetime.now(UTC)))
    stage.market.is_down = True

    await sweeping(stage).turn()
    stage.market.is_down = False
    await sweeping(stage).turn()

    assert await stage.market.held() == []


async def test_a_market_that_nobody_used_is_not_searched(stage: Stage):
    await sweeping(stage).turn()

    assert stage.market.asked == []


async def test_more_orders_than_a_query_has_parameters_are_told_apart(stage: Stage):
    alive = await stage.accept()
    strangers = [uuid4() for _ in range(2500)]

    async with stage.database.read() as session:
        live = await Deployments(session).live([*strangers, alive])

    assert list(live) == [alive]
