"""The console over real services in this process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import OKPKey
from mesh_console.app import create_app
from mesh_console.settings import Settings
from mesh_deployer.app import create_app as create_deployer
from mesh_deployer.settings import Settings as DeployerSettings
from mesh_security_gateway.app import create_app as create_gateway
from mesh_security_gateway.settings import Settings as GatewaySettings
from mesh_shared.auth.keys import StaticKeys
from mesh_shared.testing import with_schema
from mesh_workspace_analyzer.app import create_app as create_analyzer
from mesh_workspace_analyzer.settings import Settings as AnalyzerSettings
from pydantic import SecretStr
from visiting import Browser, Streets, Town, browsing


@pytest.fixture
async def town(tmp_path: Path, redis_url: str) -> AsyncIterator[Town]:
    """The gateway alone; nobody can sign in without it."""
    settings = GatewaySettings(
        state_dir=tmp_path / "gateway", redis_url=SecretStr(redis_url), registry_url="http://127.0.0.1:1"
    )
    town = Town(Streets(), tmp_path)
    async with AsyncExitStack() as stack:
        await town.settle(stack, "security-gateway", create_gateway(with_schema(settings)))
        yield town


@pytest.fixture
async def city(town: Town, tmp_path: Path, redis_url: str) -> AsyncIterator[Town]:
    """The gateway, the deployer with its simulated market, and the analyzer."""
    jwks = (await town.services["security-gateway"].get("/.well-known/jwks.json")).json()
    keys = StaticKeys([OKPKey.import_key(key) for key in jwks["keys"]])
    redis = SecretStr(redis_url)
    deploying = DeployerSettings(state_dir=tmp_path / "deployer", redis_url=redis, bid_window_s=0)
    roots = (tmp_path / "roots",)
    analysing = AnalyzerSettings(state_dir=tmp_path / "analyzer", redis_url=redis, workspace_roots=roots)
    async with AsyncExitStack() as stack:
        await town.settle(stack, "deployer", create_deployer(with_schema(deploying), keys=keys))
        await town.settle(stack, "workspace-analyzer", create_analyzer(with_schema(analysing), keys=keys))
        yield town


@pytest.fixture
def console(town: Town, tmp_path: Path) -> FastAPI:
    settings = Settings(
        state_dir=tmp_path / "console",
        registry_url="http://registry",
        coordinator_url="http://coordinator",
        deployer_url="http://deployer",
        gateway_url="http://security-gateway",
        analyzer_url="http://workspace-analyzer",
    )
    return create_app(settings, httpx.AsyncClient(transport=town.streets))


@pytest.fixture
async def stranger(console: FastAPI) -> AsyncIterator[Browser]:
    """Somebody who has not signed in."""
    async with browsing(console) as browser:
        yield browser


@pytest.fixture
async def admin(stranger: Browser, town: Town) -> Browser:
    """The admin, signed in."""
    await stranger.sign_in(town.admin_key)
    return stranger
