"""The simulated market with providers that really run the container, on the local Docker engine."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from mesh_shared.errors import Unavailable

from mesh_deployer.adapters.engine import Engine
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.market import Bid, BidBook
from mesh_deployer.domain.workload import Group
from mesh_deployer.errors import DockerNotAvailable
from mesh_deployer.ports import Condition, Order

PROVIDER_URI = "docker://local"


@dataclass(frozen=True, slots=True)
class DockerMarketplace:
    """Implements `ports.Marketplace`: bids, price and lease from `market`, the workload on `engine`."""

    market: SimulatedMarketplace
    engine: Engine
    check_s: float = 3
    """How long an engine may take to say whether it can run something; a caller waits for it."""

    async def capabilities(self, group: Group) -> str:
        """Also raises `DockerNotAvailable`, `ImageNotPresent`, `NotOnDocker`."""
        try:
            async with asyncio.timeout(self.check_s):
                await self.engine.ask(lambda containers: containers.check(group))
        except (Unavailable, TimeoutError):
            raise DockerNotAvailable from None
        return "The container really runs on the local Docker engine; bids, price and lease are simulated."

    async def create(self, order: Order) -> None:
        await self.market.create(order)

    async def bids(self, order_id: UUID) -> BidBook:
        return await self.market.bids(order_id)

    async def accept(self, order_id: UUID, bid: Bid) -> Lease:
        return replace(await self.market.accept(order_id, bid), provider_uri=PROVIDER_URI)

    async def send_manifest(self, order_id: UUID, group: Group) -> None:
        # the market first: it knows whether the order is still leased
        await self.market.send_manifest(order_id, group)
        await self.engine.ask(lambda containers: containers.run(order_id, group))

    async def status(self, order_id: UUID) -> Condition:
        await self.market.status(order_id)
        return await self.engine.ask(lambda containers: containers.condition(order_id))

    async def close(self, order_id: UUID) -> int:
        await self.engine.ask(lambda containers: containers.remove(order_id))
        return await self.market.close(order_id)

    async def held(self) -> Sequence[UUID]:
        running = await self.engine.ask(lambda containers: containers.held())
        return list({*running, *await self.market.held()})
