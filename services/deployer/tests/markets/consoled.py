"""The arena of the Console: our own adapter, and the Console as its OpenAPI has it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
from arenas import DEPOSIT, WORKLOAD, migrated
from console import FAULT, PREFIX, SESSION, ConsoleServer
from mesh_deployer.adapters.console.api import NAME, Console
from mesh_deployer.adapters.console.market import ConsoleMarketplace
from mesh_deployer.adapters.console.proxy import ProviderProxy
from mesh_deployer.domain.market import BidBook
from mesh_deployer.domain.workload import Workload
from mesh_deployer.ports import Marketplace, Order
from mesh_deployer.repository.orders import RemoteOrders
from mesh_shared.http import client
from mesh_shared.testing import served
from proxy import proxying


@dataclass(frozen=True)
class ConsoleArena:
    market: ConsoleMarketplace
    server: ConsoleServer
    can_exec: bool = True
    reopens_all: bool = True
    cancelled_after: tuple[int, ...] = (1, 8, 34, -20)

    def order(self, *, deposit_uact: int = DEPOSIT, fault: str = "", workload: Workload = WORKLOAD) -> Order:
        requirements = {FAULT: fault} if fault else {}
        return Order(id=uuid4(), workload=workload, requirements=requirements, deposit_uact=deposit_uact)

    async def dseq(self, order_id: UUID) -> int:
        """The number that the Console has given an order."""
        async with self.market.database.read() as session:
            row = await RemoteOrders(session, NAME).find(order_id)
        assert row is not None
        assert row.dseq is not None
        return row.dseq

    async def all_bids(self, order_id: UUID) -> BidBook:
        book, dseq = await self.market.bids(order_id), await self.dseq(order_id)
        if self.server.happens(dseq, "lost-bid"):
            self.server.withdraw(dseq, book.bids[0].provider)
        return book

    async def paid_blocks(self, order_id: UUID) -> int:
        lease = self.server.leases(await self.dseq(order_id))[-1]
        return int(lease["closed_on"]) - int(lease["created_at"])

    def restarted(self) -> Marketplace:
        return replace(self.market)


class Session(httpx.Auth):
    """The deployer's own session at the gateway."""

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["Authorization"] = SESSION
        yield request


@asynccontextmanager
async def consoled(url: str) -> AsyncGenerator[ConsoleArena, None]:
    """The arena; what the Console knows is fresh every time."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(client())
        database = await stack.enter_async_context(migrated(url))
        server = ConsoleServer()
        at = await stack.enter_async_context(served(server.app))
        console = Console(http, f"{at}{PREFIX}", Session())
        way = await stack.enter_async_context(proxying(server.proxy))
        proxy = ProviderProxy(way, quiet_s=0.2)
        market = ConsoleMarketplace(
            database=database, console=console, proxy=proxy, may_exec=True, settle_s=0.3
        )
        yield ConsoleArena(market, server)
