"""The simulated market with providers that really run the container, on the local Docker engine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from mesh_shared.errors import Unavailable

from mesh_deployer.adapters.engine import Engine
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.market import Bid, BidBook
from mesh_deployer.domain.workload import Workload
from mesh_deployer.errors import DockerNotAvailable, NotOffered
from mesh_deployer.ports import Closed, Condition, LogLine, Order, Output

if TYPE_CHECKING:
    from mesh_deployer.adapters.transcripts import Reading

PROVIDER_URI = "docker://local"


@dataclass(frozen=True, slots=True)
class DockerMarketplace:
    """Implements `ports.Marketplace`: bids, price and lease from `market`, the workload on `engine`."""

    market: SimulatedMarketplace
    engine: Engine
    may_exec: bool = False
    """Whether the operator lets commands be run in containers."""
    check_s: float = 3
    """How long an engine may take to say whether it can run something; a caller waits for it."""
    look_s: float = 0.5
    """How often it is looked for new lines of a log."""

    async def capabilities(self, workload: Workload) -> str:
        """Also raises `DockerNotAvailable`, `ImageNotPresent`, `NotOnDocker`."""
        try:
            async with asyncio.timeout(self.check_s):
                await self.engine.ask(lambda containers: containers.check(workload))
        except (Unavailable, TimeoutError):
            raise DockerNotAvailable from None
        return "The container really runs on the local Docker engine; bids, price and lease are simulated."

    async def quote(self, order: Order) -> BidBook:
        return await self.market.quote(order)

    async def create(self, order: Order) -> None:
        if order.number > 1:
            await self.engine.ask(lambda containers: containers.remove(order.id, order.kept))
        await self.market.create(order)

    async def bids(self, order_id: UUID) -> BidBook:
        return await self.market.bids(order_id)

    async def accept(self, order_id: UUID, bids: Sequence[Bid]) -> Sequence[Lease]:
        leases = await self.market.accept(order_id, bids)
        return [replace(lease, provider_uri=PROVIDER_URI) for lease in leases]

    async def send_manifest(self, order_id: UUID, workload: Workload) -> None:
        # the market first: it knows whether the order is still leased
        await self.market.send_manifest(order_id, workload)
        await self.engine.ask(lambda containers: containers.run(order_id, workload))

    async def status(self, order_id: UUID) -> Condition:
        await self.market.status(order_id)
        return await self.engine.ask(lambda containers: containers.condition(order_id))

    async def observed(self, order_id: UUID) -> Sequence[Observed]:
        await self.market.observed(order_id)  # raises when there is no such order any more
        return await self.engine.ask(lambda containers: containers.observed(order_id))

    async def deposit(self, order_id: UUID, total_uact: int) -> None:
        await self.market.deposit(order_id, total_uact)

    async def close(self, order_id: UUID) -> Closed:
        await self.engine.ask(lambda containers: containers.remove(order_id))
        return await self.market.close(order_id)

    async def held(self) -> Sequence[UUID]:
        running = await self.engine.ask(lambda containers: containers.held())
        return list({*running, *await self.market.held()})

    async def logs(self, order_id: UUID, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        async for _ in self.market.logs(order_id, tail=1, follow=False):
            break  # raises when there is no such order any more
        reading = await self.engine.ask(lambda containers: containers.read(order_id, tail))
        for line in reading.lines:
            yield line
        while follow and reading.has_more:
            await asyncio.sleep(self.look_s)
            reading = await self._read_on(order_id, reading)
            for line in reading.lines:
                yield line

    async def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        if not self.may_exec:
            raise NotOffered("The operator does not let commands be run in containers.")
        return await self.engine.ask(lambda containers: containers.exec(order_id, service, command))

    async def _read_on(self, order_id: UUID, after: "Reading") -> "Reading":
        return await self.engine.ask(lambda containers: containers.read_on(order_id, after))
