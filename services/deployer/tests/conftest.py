"""The deployer on real parts: both databases, Redis, and a small gateway that speaks the contract."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import akash
import pytest
from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from httpx import AsyncClient
from httpx import Response as Answer
from localnet import BINARY
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.app import create_app
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.deployment import Deadlines, Deployment, Lease, State
from mesh_deployer.domain.drift import Observed
from mesh_deployer.domain.market import Bid, BidBook, Terms
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Group
from mesh_deployer.ports import Closed, Condition, LogLine, Marketplace, Order, Output
from mesh_deployer.repository.deployments import Deployments, Rest
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.service.driver import Driver
from mesh_deployer.service.news import News
from mesh_deployer.service.steps import Steps
from mesh_deployer.settings import Settings
from mesh_shared.auth.tokens import jwks
from mesh_shared.database import migrate
from mesh_shared.database.engine import Database, connect
from mesh_shared.errors import Unavailable
from mesh_shared.events.outbox import EventRow
from mesh_shared.testing import Issuer, running, with_schema
from pydantic import SecretStr
from sqlalchemy import select

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

(GROUP,) = compile_sdl(HELLO).groups
INPUTS = Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))
PATIENT = Deadlines(bid_window_s=0, bid_s=300, start_s=300)

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
def make_app(tmp_path: Path, redis_url: str, issuer: Issuer) -> MakeApp:
    """Builds the deployer on a database; settings of its own are given by name."""

    def make(database_url: str, **settings: Any) -> FastAPI:
        given: dict[str, Any] = {
            "state_dir": tmp_path / "state",
            "database_url": SecretStr(database_url),
            "redis_url": SecretStr(redis_url),
            "docker_url": f"unix://{tmp_path}/no-engine.sock",
            "market_faults": True,
        }
        return create_app(with_schema(Settings(**(given | settings))), issuer.keys)

    return make


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


class Gateway:
    """What the deployer asks of the security gateway, as the contract between the two has it."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.asked: list[dict[str, Any]] = []
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.garbage: Response | None = None
        self.app = FastAPI()
        self.app.add_api_route("/.well-known/jwks.json", self._jwks)
        self.app.add_api_route("/v1/sessions", self._session, methods=["POST"], status_code=201)
        self.app.add_api_route(
            "/v1/security-profiles/{profile}/compile", self._compile, methods=["POST"], response_model=None
        )

    async def _jwks(self) -> dict[str, Any]:
        return jwks([self.issuer.key])

    async def _session(self, request: Request) -> JSONResponse:
        if request.headers.get("x-api-key") != "the-deployers-key":
            return JSONResponse({"detail": "Unknown key."}, 401)
        audiences = (await request.json())["audiences"]
        token = self.issuer.token("gateway:compile", audience=audiences[0], subject="deployer")
        return JSONResponse({"token": token, "expires_at": 4102444800}, 201)

    async def _compile(self, profile: str, request: Request) -> Response:
        body = await request.json()
        token = request.headers["authorization"]
        self.asked.append(body | {"profile": profile, "authorization": token})
        if self.garbage is not None:
            return self.garbage
        if self.refusal is not None:
            return JSONResponse(self.refusal[1], self.refusal[0])
        return JSONResponse(
            {
                "profile": profile,
                "framework": body["framework"],
                "policies": [
                    {
                        "id": "default-deny",
                        "rule": "A call needs a live grant.",
                        "applies_to": [service["name"] for service in body["deployment"]["services"]],
                        "enforced_by": "security-gateway",
                        "evidence_level": "enforced",
                    }
                ],
                "controls": [
                    {
                        "id": "CC6.1",
                        "title": "Logical access",
                        "status": "pass",
                        "evidence": "No credential is held.",
                        "evidence_digest": f"sha256:{hashlib.sha256(b'CC6.1').hexdigest()}",
                    }
                ],
                "security_endpoint": "http://gateway.test/v1/proxy",
                "audit_url": f"http://gateway.test/v1/audit?agent={body['deployment']['deployment_id']}",
            }
        )


@pytest.fixture(scope="session")
def gateway_at() -> type[Gateway]:
    """For a gateway of another issuer."""
    return Gateway


@pytest.fixture
def gateway(issuer: Issuer) -> Gateway:
    return Gateway(issuer)


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

    async def capabilities(self, group: Group) -> str:
        return await self._ask("capabilities", self.market.capabilities(group))

    async def create(self, order: Order) -> None:
        await self._ask("create", self.market.create(order))

    async def bids(self, order_id: UUID) -> BidBook:
        return await self._ask("bids", self.market.bids(order_id))

    async def accept(self, order_id: UUID, bid: Bid) -> Lease:
        return await self._ask("accept", self.market.accept(order_id, bid))

    async def send_manifest(self, order_id: UUID, group: Group) -> None:
        await self._ask("send_manifest", self.market.send_manifest(order_id, group))

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
        accepted: dict[str, Any] = {
            "id": uuid4(),
            "owner": "tester",
            "request_digest": "d",
            "provider": "simulated",
            "provider_reason": "asked for",
            "sdl": HELLO,
            "version_hash": "h",
            "shape": GROUP.shape,
            "terms": Terms(reputation_floor=Decimal(0), ceiling_uact_per_block=GROUP.ceiling),
            "deposit_uact": 500_000,
            "deadlines": PATIENT,
            "created_at": datetime.now(UTC),
        }
        return Deployment(**(accepted | given))

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


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with staged(database_url) as stage:
        yield stage


@pytest.fixture
async def sqlite_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """For what no query is involved in."""
    async with staged(f"sqlite+aiosqlite:///{tmp_path}/stage.db") as stage:
        yield stage
