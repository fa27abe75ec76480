"""Composition root: the one module that names concrete adapters."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal

from fastapi import FastAPI
from mesh_shared.app import About, build
from mesh_shared.auth.tokens import KeySource
from mesh_shared.background import beside, forever
from mesh_shared.database.secret import service_secret
from mesh_shared.platform import Platform

from mesh_deployer.actions import plugin
from mesh_deployer.adapters import prices
from mesh_deployer.adapters.docker import DockerMarketplace
from mesh_deployer.adapters.engine import Engine
from mesh_deployer.adapters.gateway import GatewayProfiles
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.api import costs, deployments, running, sdl, secure, succession
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.deployment import Backend, Deadlines
from mesh_deployer.ports import Marketplace
from mesh_deployer.service.deployer import Deployer, Policy
from mesh_deployer.service.driver import Driver
from mesh_deployer.service.leftovers import Leftovers
from mesh_deployer.service.news import News
from mesh_deployer.service.steps import Steps
from mesh_deployer.settings import Settings

ABOUT = About(
    title="371 Mesh deployer",
    summary="SDL, bids, leases and what they cost.",
)
_UACT_PER_ACT = Decimal(1_000_000)


def create_app(settings: Settings, keys: KeySource | None = None) -> FastAPI:
    """The deployer's app; `keys` are given by tests, otherwise they come from the security gateway."""

    @asynccontextmanager
    async def start(platform: Platform) -> AsyncGenerator[Deployer, None]:
        async with _engine(settings, platform) as engine:
            markets = _markets(settings, platform, engine)
            news, leftovers = News(), _leftovers(settings, platform, markets)
            driver = _driver(settings, platform, markets, news)
            async with driver.working(), beside(forever("leftovers", leftovers.turn)):
                yield _deployer(settings, platform, markets, news)

    routers = [sdl.router, deployments.router, running.router, succession.router, secure.router, costs.router]
    return build(ABOUT, settings, routers=routers, plugin=plugin, start=start, keys=keys)


@asynccontextmanager
async def _engine(settings: Settings, platform: Platform) -> AsyncGenerator[Engine, None]:
    engine = Engine(settings.docker_url, await service_secret(platform.database, "engine-owner"))
    try:
        yield engine
    finally:
        engine.close()


def _markets(settings: Settings, platform: Platform, engine: Engine) -> dict[Backend, Marketplace]:
    simulated = SimulatedMarketplace(
        platform.database,
        settings.market_seed,
        _inputs(settings),
        settings.market_faults,
        settings.market_providers,
    )
    markets: dict[Backend, Marketplace] = {
        "simulated": simulated,
        "docker": DockerMarketplace(simulated, engine, settings.docker_exec),
    }
    if settings.akash_url is not None:
        markets["akash-chain"] = _akash(settings, platform, settings.akash_url)
    if settings.console_connection is not None:
        markets["akash-console"] = _console(settings, platform, settings.console_connection)
    return markets


def _akash(settings: Settings, platform: Platform, url: str) -> Marketplace:
    from mesh_deployer.adapters.akash.connected import connected  # noqa: PLC0415 - see its docstring

    return connected(
        platform.database,
        platform.http,
        url=url,
        profile=settings.akash_profile,
        key_file=settings.akash_key_file,
        fee_denom=settings.akash_fee_denom,
        gas_price=settings.akash_gas_price,
        allow_private=settings.akash_private_providers,
        may_exec=settings.akash_exec,
    )


def _console(settings: Settings, platform: Platform, connection: str) -> Marketplace:
    from mesh_deployer.adapters.console.connected import connected  # noqa: PLC0415 - see its docstring

    return connected(
        platform.database,
        platform.http,
        url=f"{settings.gateway_url}/v1/proxy/{connection}",
        auth=platform.sessions.auth("security-gateway"),
        proxy_url=settings.console_proxy_url,
        may_exec=settings.console_exec,
    )


def _driver(
    settings: Settings, platform: Platform, markets: dict[Backend, Marketplace], news: News
) -> Driver:
    return Driver(
        database=platform.database,
        steps=Steps(markets, settings.block_time_s),
        news=news,
        instance=settings.instance,
        parallel=settings.parallel_deployments,
        step_timeout_s=settings.step_timeout_s,
        watch_s=settings.watch_s,
        fail_over_s=settings.fail_over_s,
    )


def _leftovers(settings: Settings, platform: Platform, markets: dict[Backend, Marketplace]) -> Leftovers:
    return Leftovers(
        database=platform.database,
        markets=markets,
        pause_s=settings.sweep_s,
        timeout_s=settings.step_timeout_s,
    )


def _deployer(
    settings: Settings, platform: Platform, markets: dict[Backend, Marketplace], news: News
) -> Deployer:
    auth = platform.sessions.auth("security-gateway")
    return Deployer(
        database=platform.database,
        markets=markets,
        profiles=GatewayProfiles(platform.http, settings.gateway_url, auth),
        policy=Policy(
            reputation_floor=settings.reputation_floor,
            deadlines=Deadlines(
                bid_window_s=settings.bid_window_s,
                bid_s=settings.bid_deadline_s,
                start_s=settings.manifest_deadline_s,
            ),
            deposit_uact=settings.deposit_uact,
            replicas=range(settings.min_replicas, settings.max_replicas + 1),
        ),
        news=news,
        snapshot=prices.newest(),
        inputs=_inputs(settings),
    )


def _inputs(settings: Settings) -> Inputs:
    return Inputs(block_time_s=settings.block_time_s, usd_per_uact=settings.usd_per_act / _UACT_PER_ACT)
