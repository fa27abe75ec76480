"""Composition root: the one module that names concrete adapters."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

from fastapi import FastAPI
from mesh_shared.app import About, build
from mesh_shared.auth.tokens import KeySource
from mesh_shared.database.secret import service_secret
from mesh_shared.platform import Platform

from mesh_deployer.actions import plugin
from mesh_deployer.adapters import prices
from mesh_deployer.adapters.docker import DockerMarketplace
from mesh_deployer.adapters.engine import Engine
from mesh_deployer.adapters.gateway import GatewayProfiles
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.api import costs, deployments, sdl, secure
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.deployment import Backend
from mesh_deployer.ports import Marketplace
from mesh_deployer.service.deployer import Deployer, Policy
from mesh_deployer.service.driver import Driver
from mesh_deployer.settings import Settings

ABOUT = About(
    title="Deployer",
    summary="SDL, bids, leases and what they cost.",
)
_UACT_PER_ACT = Decimal(1_000_000)


def create_app(settings: Settings, keys: KeySource | None = None) -> FastAPI:
    """The deployer's app; `keys` are given by tests, otherwise they come from the security gateway."""

    @asynccontextmanager
    async def start(platform: Platform) -> AsyncGenerator[Deployer, None]:
        markets = await _markets(settings, platform)
        driver = Driver(
            database=platform.database,
            markets=markets,
            instance=settings.instance,
            parallel=settings.parallel_deployments,
            step_timeout_s=settings.step_timeout_s,
        )
        await driver.recover()
        platform.run("deployments", driver.turn)
        platform.run("leftovers", driver.sweep)
        try:
            yield _deployer(settings, platform, markets)
        finally:
            await driver.stop()

    routers = [sdl.router, deployments.router, secure.router, costs.router]
    return build(ABOUT, settings, routers=routers, plugin=plugin, start=start, keys=keys)


async def _markets(settings: Settings, platform: Platform) -> dict[Backend, Marketplace]:
    simulated = SimulatedMarketplace(platform.database, settings.market_seed, _inputs(settings))
    engine = Engine(settings.docker_url, await service_secret(platform.database, "engine-owner"))
    return {"simulated": simulated, "docker": DockerMarketplace(simulated, engine)}


def _deployer(settings: Settings, platform: Platform, markets: dict[Backend, Marketplace]) -> Deployer:
    auth = platform.sessions.auth("security-gateway")
    return Deployer(
        database=platform.database,
        markets=markets,
        profiles=GatewayProfiles(platform.http, settings.gateway_url, auth),
        policy=Policy(
            reputation_floor=settings.reputation_floor,
            bid_window=timedelta(seconds=settings.bid_window_s),
            bid_deadline=timedelta(seconds=settings.bid_deadline_s),
            manifest_deadline=timedelta(seconds=settings.manifest_deadline_s),
            deposit_uact=settings.deposit_uact,
        ),
        snapshot=prices.newest(),
        inputs=_inputs(settings),
    )


def _inputs(settings: Settings) -> Inputs:
    return Inputs(block_time_s=settings.block_time_s, usd_per_uact=settings.usd_per_act / _UACT_PER_ACT)
