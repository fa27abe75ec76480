"""The Akash arena: a real chain, two small providers, and our own adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from arenas import DEPOSIT, WORKLOAD, migrated
from hosts import Certificate, Host, World
from localnet import localnet
from mesh_cli.parts import free_port
from mesh_deployer.adapters.akash.chain import Chain, Fees
from mesh_deployer.adapters.akash.gateway import ProviderGateway
from mesh_deployer.adapters.akash.market import AkashMarketplace
from mesh_deployer.adapters.akash.signer import Signer
from mesh_deployer.adapters.akash.wire import FIRST, PRESENT, Profile
from mesh_deployer.domain.market import BidBook
from mesh_deployer.domain.workload import Workload
from mesh_deployer.ports import Marketplace, Order
from mesh_shared.http import client
from mesh_shared.testing import served
from present import Node

OWNER = Signer.of("11" * 32)
PROVIDERS = (Signer.of("22" * 32), Signer.of("33" * 32))
FEES = Fees(denom="uakt", gas_price=Decimal("0.025"))


@dataclass(frozen=True)
class Town:
    """A running chain with its providers declared."""

    api: str
    hosts: tuple[Host, ...]
    world: World
    profile: Profile = FIRST

    def chain(self, http: httpx.AsyncClient, signer: Signer = OWNER) -> Chain:
        return Chain(http, self.api, self.profile, signer, FEES)


@contextmanager
def town(home: Path) -> Generator[Town, None, None]:
    """Starts it all, and stops it."""
    with localnet(home, [signer.address for signer in (OWNER, *PROVIDERS)]) as api:
        with ThreadPoolExecutor(1) as thread:  # fixtures are entered while a loop runs
            town = thread.submit(asyncio.run, _declared(api)).result()
        yield town


@asynccontextmanager
async def present(url: str, folder: Path) -> AsyncGenerator[AkashArena, None]:
    """The arena on a ledger of the present line; fresh every time."""
    async with served(Node().app) as api, entered(await _declared(api, PRESENT), url, folder) as arena:
        yield arena


async def _declared(api: str, profile: Profile = FIRST) -> Town:
    world = World()
    town = Town(api, (), world, profile)
    async with client() as http:
        hosts = tuple(
            Host(
                chain=town.chain(http, signer),
                port=free_port(),
                price=Decimal(price),
                certificate=Certificate.of(signer.address),
                owner=OWNER.address,
                tenant=OWNER.public_key,
                world=world,
            )
            for signer, price in zip(PROVIDERS, ("7.25", "9.5"), strict=True)
        )
        await asyncio.gather(*(host.register() for host in hosts))
    return replace(town, hosts=hosts)


@dataclass(frozen=True)
class AkashArena:
    market: AkashMarketplace
    town: Town
    hosts: tuple[Host, ...]
    can_exec: bool = True
    reopens_all: bool = False
    cancelled_after: tuple[int, ...] = (1, -30, -200)

    def order(self, *, deposit_uact: int = DEPOSIT, fault: str = "", workload: Workload = WORKLOAD) -> Order:
        order = Order(id=uuid4(), workload=workload, requirements={}, deposit_uact=deposit_uact)
        dseq = order.id.int >> 80
        if deposit_uact < DEPOSIT:
            self.town.world.poor.add(dseq)
        if fault:
            self.town.world.faults[dseq] = fault
        return order

    async def all_bids(self, order_id: UUID) -> BidBook:
        async with asyncio.timeout(60):
            while not (book := await self.market.bids(order_id)).bids or len(book.bids) % len(self.hosts):
                await asyncio.sleep(0.1)
        if self.town.world.has(order_id.int >> 80, "lost-bid"):
            cheapest = next(host for host in self.hosts if host.address == book.bids[0].provider)
            await cheapest.withdraw_bid((order_id.int >> 80, 1, 1))
        return book

    async def paid_blocks(self, order_id: UUID) -> int:
        lease = (await self.market.chain.leases(order_id.int >> 80))[-1]
        return lease.closed_on - lease.created_at

    def restarted(self) -> Marketplace:
        return replace(self.market, chain=self.town.chain(self.market.chain.http))


@asynccontextmanager
async def entered(town: Town, url: str, folder: Path) -> AsyncGenerator[AkashArena, None]:
    """The arena, with its providers at work while the block lasts."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(client())
        database = await stack.enter_async_context(migrated(url))
        hosts = tuple(
            replace(host, chain=town.chain(http, host.chain.signer), manifests={}) for host in town.hosts
        )
        for number, host in enumerate(hosts):
            await stack.enter_async_context(host.working(folder / f"host-{number}"))
        gateway = ProviderGateway(OWNER, allow_private=True)
        market = AkashMarketplace(database=database, chain=town.chain(http), gateway=gateway, may_exec=True)
        yield AkashArena(market, town, hosts)
