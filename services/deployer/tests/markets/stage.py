"""A driver's surroundings: a database, and a market behind a line on which a caller can die."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

from beginning import ACCEPTED
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.choice import placements
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.deployment import Deadlines, Deployment, Lease, State
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.market import Bid, BidBook, Terms
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload
from mesh_deployer.ports import Closed, Condition, LogLine, Marketplace, Order, Output
from mesh_deployer.repository.deployments import Deployments, Rest
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.service.driver import Driver
from mesh_deployer.service.news import News
from mesh_deployer.service.steps import Steps
from mesh_deployer.settings import Settings
from mesh_shared.database import migrate
from mesh_shared.database.engine import Database, connect
from mesh_shared.errors import Unavailable
from mesh_shared.events.outbox import EventRow
from sqlalchemy import select

T = TypeVar("T")
WORKLOAD = Workload(compile_sdl(HELLO).groups)
INPUTS = Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))
PATIENT = Deadlines(bid_window_s=0, bid_s=300, start_s=300)


@dataclass
class Line:
    """A working market behind a line that can be cut, and on which the caller can die at any call."""

    market: Marketplace
    is_down: bool = False
    condition: Condition | None = None
    asked: list[str] = field(default_factory=list[str])
    deadly: tuple[int, str] | None = None
    """The number of the call, and whether it kills `before` or `after` it takes effect."""
    died: asyncio.Event = field(default_factory=asyncio.Event)

    async def capabilities(self, workload: Workload) -> str:
        return await self._ask("capabilities", self.market.capabilities(workload))

    async def create(self, order: Order) -> None:
        await self._ask("create", self.market.create(order))

    async def bids(self, order_id: UUID) -> BidBook:
        return await self._ask("bids", self.market.bids(order_id))

    async def accept(self, order_id: UUID, bids: Sequence[Bid]) -> Sequence[Lease]:
        return await self._ask("accept", self.market.accept(order_id, bids))

    async def send_manifest(self, order_id: UUID, workload: Workload) -> None:
        await self._ask("send_manifest", self.market.send_manifest(order_id, workload))

    async def status(self, order_id: UUID) -> Condition:
        condition = await self._ask("status", self.market.status(order_id))
        return self.condition or condition

    async def observed(self, order_id: UUID) -> Sequence[Observed]:
        return await self._ask("observed", self.market.observed(order_id))

    async def quote(self, order: Order) -> BidBook:
        return await self._ask("quote", self.market.quote(order))

    async def deposit(self, order_id: UUID, total_uact: int) -> None:
        await self._ask("deposit", self.market.deposit(order_id, total_uact))

    async def close(self, order_id: UUID) -> Closed:
        return await self._ask("close", self.market.close(order_id))

    async def logs(self, order_id: UUID, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        async for line in self.market.logs(order_id, tail=tail, follow=follow):
            yield line

    async def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        return await self._ask("exec", self.market.exec(order_id, service, command))

    async def held(self) -> Sequence[UUID]:
        return await self._ask("held", self.market.held())

    async def _ask(self, verb: str, answer: Coroutine[Any, Any, T]) -> T:
        if self.is_down:
            answer.close()
            raise Unavailable("the market")
        self.asked.append(verb)
        with closing(answer):
            await self._perhaps_die(len(self.asked), "before")
            heard = await answer
        await self._perhaps_die(len(self.asked), "after")
        return heard

    async def _perhaps_die(self, call: int, moment: str) -> None:
        """Dying is never being heard of again: whoever asked is cancelled, and nothing more is written."""
        if self.deadly == (call, moment):
            self.died.set()
            await asyncio.Event().wait()


@dataclass
class Stage:
    """A database, a market behind a line, and as many replicas as a test wants."""

    database: Database
    market: Line
    simulated: SimulatedMarketplace
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

    def deployment(self, **given: Any) -> Deployment:
        """One that was just accepted."""
        terms = Terms(reputation_floor=Decimal(0), placements=placements(WORKLOAD))
        accepted = replace(ACCEPTED, id=uuid4(), terms=terms, deadlines=PATIENT, created_at=datetime.now(UTC))
        return replace(accepted, **given)

    async def accept(self, deadlines: Deadlines = PATIENT, **given: Any) -> UUID:
        deployment = self.deployment(deadlines=deadlines, **given)
        async with self.database.write() as session:
            Deployments(session).add(deployment)
        return deployment.id

    async def find(self, id: UUID) -> Deployment:
        async with self.database.read() as session:
            found = await Deployments(session).find(id)
        assert found is not None
        return found

    async def until(self, id: UUID, *states: State) -> Deployment:
        async with asyncio.timeout(60):
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


@asynccontextmanager
async def staged(database_url: str) -> AsyncGenerator[Stage, None]:
    database = connect(database_url)
    await migrate.upgrade(database, [Settings.model_fields["migrations_dir"].default])
    simulated = SimulatedMarketplace(database, 379, INPUTS)
    yield Stage(database, Line(simulated), simulated)
    await database.engine.dispose()
