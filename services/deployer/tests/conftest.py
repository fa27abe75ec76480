"""The deployer on real parts: both databases, Redis, and a small gateway that speaks the contract."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import akash
import consoled
import pytest
from arenas import Arena, docker, simulated
from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from engines import cleared, engine_of
from fastapi import FastAPI
from httpx import AsyncClient
from httpx import Response as Answer
from localnet import BINARY
from mesh_deployer.app import create_app
from mesh_deployer.ports import Marketplace
from mesh_deployer.settings import Settings
from mesh_shared.testing import Issuer, running, with_schema
from pydantic import SecretStr
from security_gateway import Gateway
from stage import Stage, staged

ROOT = Path(__file__).parents[3]
T = TypeVar("T")
SCOPES = ("deployer:deploy", "actions:invoke", "events:read")
HELLO_WEB = (ROOT / "examples" / "sdl" / "hello-web.yaml").read_text()
IMAGE = "debian:trixie-slim"
CONFIG: dict[str, Any] = {
    "name": "web",
    "image": IMAGE,
    "env": {"GREETING": "hello"},
    "port": 8080,
    "cpu_millis": 500,
    "memory_bytes": 512 * 2**20,
    "storage_bytes": 2**30,
    "replicas": 2,
    "max_price_uact_per_block": "100",
}

MakeApp = Callable[..., FastAPI]


def changed(sdl: str, *changes: tuple[str, str]) -> str:
    """`sdl` with each first text replaced by the second; every one of them must be there."""
    for old, new in changes:
        assert old in sdl
        sdl = sdl.replace(old, new)
    return sdl


def with_attributes(sdl: str, **attributes: str) -> str:
    """`sdl` whose placement asks for `attributes`; `fault` is the simulated market's own."""
    named = {"simulated/fault" if name == "fault" else name: value for name, value in attributes.items()}
    lines = "".join(f"        {name}: {value}\n" for name, value in named.items())
    return changed(
        sdl, ("    dcloud:\n      pricing", f"    dcloud:\n      attributes:\n{lines}      pricing")
    )


@dataclass(frozen=True)
class Tenant:
    """Somebody with a token, and what one does with a deployer."""

    http: AsyncClient
    hello_web: str = HELLO_WEB
    config: dict[str, Any] = field(default_factory=lambda: dict(CONFIG))

    async def deploy(
        self, sdl: str = HELLO_WEB, *, key: str = "", wait: int = 0, provider: str = "simulated", **more: Any
    ) -> dict[str, Any]:
        """An accepted deployment."""
        response = await self.ask({"sdl": sdl, "provider": provider} | more, key=key, wait=wait)
        assert response.status_code == 202, response.text
        return response.json()

    async def ask(self, body: dict[str, Any], *, key: str = "", wait: int = 0) -> Answer:
        """Whatever comes of asking for a deployment."""
        headers = {"Idempotency-Key": key or str(uuid4()), "Prefer": f"wait={wait}"}
        return await self.http.post("/v1/deployments", json=body, headers=headers)

    async def act(self, action: str, parameters: dict[str, Any], *, key: str = "") -> dict[str, Any]:
        """What the action answers."""
        headers = {"Idempotency-Key": key} if key else {}
        response = await self.http.post(
            f"/actions/{action}", json={"parameters": parameters}, headers=headers
        )
        assert response.status_code == 200, response.text
        return response.json()

    async def read(self, deployment: dict[str, Any], part: str = "") -> dict[str, Any]:
        return (await self.http.get(f"/v1/deployments/{deployment['deploymentId']}{part}")).json()

    async def until(self, deployment: dict[str, Any], *states: str) -> dict[str, Any]:
        """The deployment once it is in one of `states`."""
        found = deployment
        try:
            async with asyncio.timeout(60):
                while (found := await self.read(deployment))["status"] not in states:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"still {found['status']}: {found['explanation']}") from None
        return found

    async def close(self, deployment: dict[str, Any]) -> dict[str, Any]:
        """The deployment once it has ended."""
        response = await self.http.post(f"/v1/deployments/{deployment['deploymentId']}/close")
        assert response.status_code == 202, response.text
        return await self.until(deployment, "closed", "failed")

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The service's log once it has at least `count` events."""
        async with asyncio.timeout(60):
            while len(items := (await self.http.get("/v1/events")).json()["items"]) < count:
                await asyncio.sleep(0.05)
        return items

    async def fact(self, name: str) -> dict[str, Any]:
        """The data of the first event of that name, such as `deployment-failed`, once it is there."""
        async with asyncio.timeout(60):
            while True:
                for event in await self.events(0):
                    if event["type"] == f"deployer.{name}.v1":
                        return event["data"]
                await asyncio.sleep(0.05)

    @staticmethod
    def with_attributes(sdl: str = HELLO_WEB, **attributes: str) -> str:
        return with_attributes(sdl, **attributes)

    @staticmethod
    def changed(*changes: tuple[str, str]) -> str:
        """hello-web with some of its text replaced."""
        return changed(HELLO_WEB, *changes)


@pytest.fixture(scope="session")
def docker_url() -> str:
    """A real engine that has the image of hello-web; without it a test of containers can say nothing."""
    url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    try:
        client = DockerClient(base_url=url, timeout=5)
        client.images.get(IMAGE)
    except ImageNotFound:
        pytest.skip(f"the Docker engine at {url} does not have {IMAGE}")
    except DockerException:
        pytest.skip(f"no Docker engine answers at {url}")
    client.close()
    return url


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[akash.Town]:
    """A real Akash chain with two small providers; it costs a tenth of a core while it runs."""
    if not BINARY.exists():
        pytest.skip("no Akash chain is built here: `make akash` does it where Go is installed")
    with akash.town(tmp_path_factory.mktemp("chain")) as town:
        yield town


@pytest.fixture
def make_app(tmp_path: Path, redis_url: str, issuer: Issuer) -> Iterator[MakeApp]:
    """Builds the deployer on a database; settings of its own are given by name.

    What a deployer left on a real engine is removed once all have stopped: one that still ran would
    start it again.
    """
    made: list[FastAPI] = []

    def make(database_url: str, **settings: Any) -> FastAPI:
        given: dict[str, Any] = {
            "state_dir": tmp_path / "state",
            "database_url": SecretStr(database_url),
            "redis_url": SecretStr(redis_url),
            "docker_url": f"unix://{tmp_path}/no-engine.sock",
            "market_faults": True,
        }
        app = create_app(with_schema(Settings(**(given | settings))), issuer.keys)
        made.append(app)
        return app

    yield make
    for app in made:
        if (engine := engine_of(app)) is not None:
            cleared(engine)


@pytest.fixture
def app(make_app: MakeApp, database_url: str) -> FastAPI:
    return make_app(database_url)


@pytest.fixture
def sqlite_app(make_app: MakeApp, tmp_path: Path) -> FastAPI:
    """For what no query is involved in."""
    return make_app(f"sqlite+aiosqlite:///{tmp_path}/test.db")


@pytest.fixture
def headers(issuer: Issuer) -> dict[str, str]:
    return issuer.headers(*SCOPES, audience="deployer")


TenantOf = Callable[..., AbstractAsyncContextManager[Tenant]]


@pytest.fixture
def tenant_of(headers: dict[str, str]) -> TenantOf:
    """Runs an app and is a tenant of it, with other headers when some are given."""

    @asynccontextmanager
    async def enter(app: FastAPI, other: dict[str, str] | None = None) -> AsyncGenerator[Tenant, None]:
        async with running(app, other or headers) as http:
            yield Tenant(http)

    return enter


@pytest.fixture(scope="session")
def tenant_at() -> type[Tenant]:
    """For a tenant of a deployer somewhere else."""
    return Tenant


@pytest.fixture
async def tenant(sqlite_app: FastAPI, headers: dict[str, str]) -> AsyncGenerator[Tenant, None]:
    async with running(sqlite_app, headers) as http:
        yield Tenant(http)


@pytest.fixture
async def tenant_everywhere(app: FastAPI, headers: dict[str, str]) -> AsyncGenerator[Tenant, None]:
    """A tenant of a deployer on each database in turn."""
    async with running(app, headers) as http:
        yield Tenant(http)


@pytest.fixture(scope="session")
def gateway_at() -> type[Gateway]:
    """For a gateway of another issuer."""
    return Gateway


@pytest.fixture
def gateway(issuer: Issuer) -> Gateway:
    return Gateway(issuer)


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as stage:
        yield stage


@pytest.fixture
async def sqlite_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """For what no query is involved in."""
    async with staged(f"sqlite+aiosqlite:///{tmp_path}/stage.db") as stage:
        yield stage


@pytest.fixture(
    params=[
        "simulated on sqlite",
        "simulated on postgresql",
        "docker",
        "akash, present line",
        "akash by the console",
        pytest.param("akash", marks=[pytest.mark.xdist_group("akash"), pytest.mark.again]),
    ]
)
async def arena(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Arena]:
    sqlite_url = f"sqlite+aiosqlite:///{tmp_path}/m.db"
    match request.param:
        case "akash, present line":
            entered = akash.present(sqlite_url, tmp_path)
        case "akash by the console":
            entered = consoled.consoled(sqlite_url)
        case "akash":
            entered = akash.entered(request.getfixturevalue("town"), sqlite_url, tmp_path)
        case "docker":
            entered = docker(sqlite_url, request.getfixturevalue("docker_url"))
        case "simulated on postgresql":
            entered = simulated(request.getfixturevalue("postgres_url"))
        case _:
            entered = simulated(sqlite_url)
    async with entered as arena:
        yield arena


@pytest.fixture
def market(arena: Arena) -> Marketplace:
    return arena.market
