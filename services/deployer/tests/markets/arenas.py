"""Each backend as the conformance suite meets it: how it is asked for a fault, and what a block is there."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol
from uuid import UUID, uuid4

from engines import cleared
from mesh_deployer.adapters.docker import DockerMarketplace
from mesh_deployer.adapters.engine import Engine
from mesh_deployer.adapters.simulated import FAULT_ATTRIBUTE, SimulatedMarketplace
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.market import BidBook
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload
from mesh_deployer.ports import Marketplace, Order
from mesh_deployer.repository.tables import SimulatedOrderRow
from mesh_deployer.settings import Settings
from mesh_shared.database import migrate
from mesh_shared.database.engine import Database, connect

SLEEPER = """\
version: "2.0"
services:
  web:
    image: debian:trixie-slim
    command: [sh, -c, "echo $GREETING; sleep infinity"]
    env: [GREETING=hello]
    expose: [{port: 80, as: 80, to: [{global: true}]}]
profiles:
  compute:
    web: {resources: {cpu: {units: 100m}, memory: {size: 64Mi}, storage: {size: 512Mi}}}
  placement:
    dcloud: {pricing: {web: {denom: uact, amount: 100}}}
deployment:
  web: {dcloud: {profile: web, count: 1}}
"""
TWO_PLACES = """\
version: "2.0"
services:
  web:
    image: debian:trixie-slim
    command: [sh, -c, "echo $GREETING; sleep infinity"]
    env: [GREETING=hello]
    expose: [{port: 80, as: 80, to: [{global: true}]}]
  cache:
    image: debian:trixie-slim
    command: [sleep, infinity]
    expose: [{port: 6379, to: [{service: web}]}]
profiles:
  compute:
    small: {resources: {cpu: {units: 100m}, memory: {size: 64Mi}, storage: {size: 512Mi}}}
  placement:
    east: {pricing: {small: {denom: uact, amount: 100}}}
    west: {pricing: {small: {denom: uact, amount: 100}}}
deployment:
  web: {east: {profile: small, count: 1}, west: {profile: small, count: 1}}
  cache: {west: {profile: small, count: 1}}
"""
WORKLOAD = Workload(compile_sdl(SLEEPER).groups)
AS_WANTED = Observed(
    service="web",
    image="debian:trixie-slim",
    replicas=1,
    cpu_millis=100,
    memory_bytes=64 * 2**20,
    ports=(80,),
)
SEVERAL = Workload(compile_sdl(TWO_PLACES).groups)
"""The second placement has two services, one of which is in the first, too."""
NO_BIDS_IN_THE_SECOND = "no-bids 2"
GREETS_OTHERWISE = Workload(compile_sdl(SLEEPER.replace("GREETING=hello", "GREETING=good evening")).groups)
BIGGER = Workload(compile_sdl(SLEEPER.replace("64Mi", "128Mi")).groups)
INPUTS = Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))
DEPOSIT = 500_000


class Arena(Protocol):
    """A market and what is around it."""

    @property
    def market(self) -> Marketplace: ...

    @property
    def can_exec(self) -> bool: ...

    @property
    def reopens_all(self) -> bool:
        """Whether all placements look for a provider again when one has lost its own."""
        ...

    @property
    def cancelled_after(self) -> tuple[int, ...]:
        """Turns of the event loop, or milliseconds where below zero, after which a step is given up."""
        ...

    def order(self, *, deposit_uact: int = DEPOSIT, fault: str = "", workload: Workload = WORKLOAD) -> Order:
        """One that nobody has opened; with a fault, something goes wrong with it once."""
        ...

    async def all_bids(self, order_id: UUID) -> BidBook:
        """The bids once everybody has bid."""
        ...

    async def paid_blocks(self, order_id: UUID) -> int:
        """For how many blocks the provider of a closed order was paid."""
        ...

    def restarted(self) -> Marketplace:
        """The market as another process of ours finds it."""
        ...


@dataclass(frozen=True)
class SimulatedArena:
    market: SimulatedMarketplace
    can_exec: bool = False
    reopens_all: bool = False
    cancelled_after: tuple[int, ...] = (0, 1, 2, 3, 5, 8, 13, 21, 34)

    def order(self, *, deposit_uact: int = DEPOSIT, fault: str = "", workload: Workload = WORKLOAD) -> Order:
        requirements = {FAULT_ATTRIBUTE: fault} if fault else {}
        if fault == NO_BIDS_IN_THE_SECOND:
            first, second = workload.groups
            broken = replace(second, attributes=((FAULT_ATTRIBUTE, "no-bids"),))
            requirements, workload = {}, Workload((first, broken))
        return Order(id=uuid4(), workload=workload, requirements=requirements, deposit_uact=deposit_uact)

    async def all_bids(self, order_id: UUID) -> BidBook:
        while not (book := await self.market.bids(order_id)).is_complete:
            pass
        return book

    async def paid_blocks(self, order_id: UUID) -> int:
        async with self.market.database.read() as session:
            row = await session.get(SimulatedOrderRow, order_id)
        assert row is not None
        return row.height - row.leases[0]["height"]

    def restarted(self) -> Marketplace:
        return replace(self.market)


@dataclass(frozen=True)
class DockerArena:
    market: DockerMarketplace
    can_exec: bool = True
    reopens_all: bool = False
    cancelled_after: tuple[int, ...] = (0, 3, 8, 21)

    def order(self, *, deposit_uact: int = DEPOSIT, fault: str = "", workload: Workload = WORKLOAD) -> Order:
        return SimulatedArena(self.market.market).order(
            deposit_uact=deposit_uact, fault=fault, workload=workload
        )

    async def all_bids(self, order_id: UUID) -> BidBook:
        return await SimulatedArena(self.market.market).all_bids(order_id)

    async def paid_blocks(self, order_id: UUID) -> int:
        return await SimulatedArena(self.market.market).paid_blocks(order_id)

    def restarted(self) -> Marketplace:
        engine = self.market.engine
        return replace(self.market, engine=Engine(engine.url, engine.owner))


@asynccontextmanager
async def migrated(url: str) -> AsyncGenerator[Database, None]:
    """A database with the deployer's tables."""
    database = connect(url)
    await migrate.upgrade(database, [Settings.model_fields["migrations_dir"].default])
    yield database
    await database.engine.dispose()


@asynccontextmanager
async def simulated(url: str) -> AsyncGenerator[SimulatedArena, None]:
    """The simulated market on a database."""
    async with migrated(url) as database:
        yield SimulatedArena(SimulatedMarketplace(database, 379, INPUTS, has_faults=True))


@asynccontextmanager
async def docker(url: str, docker_url: str) -> AsyncGenerator[DockerArena, None]:
    """The same with containers; what a test leaves is removed."""
    async with simulated(url) as arena:
        engine = Engine(docker_url, owner=uuid4().hex)
        market = DockerMarketplace(arena.market, engine, may_exec=True)
        yield DockerArena(market)
        engine.close()
        cleared(engine)
