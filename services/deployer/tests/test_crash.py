"""A real deployer process, killed with -9 in the middle of deployments, and started again."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest
from mesh_cli.parts import free_port
from mesh_deployer.repository.tables import SimulatedOrderRow
from mesh_shared.database.engine import connect
from mesh_shared.events.outbox import EventRow
from mesh_shared.testing import served
from sqlalchemy import func, select

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from mesh_cli.zygote import Life, Zygote
    from security_gateway import Gateway

    from conftest import Tenant


@pytest.fixture(scope="session")
def zygote(zygote_of: Callable[[str], Zygote]) -> Zygote:
    return zygote_of("mesh_deployer")


@dataclass
class Deployer:
    """The service as it is run, in a process of its own that can be killed."""

    zygote: Zygote
    environment: dict[str, str]
    http: httpx.AsyncClient
    log: Path
    _life: Life | None = field(default=None)

    async def start(self) -> None:
        """Back when it is ready."""
        self._life = self.zygote.start(self.environment, self.log)
        async with asyncio.timeout(60):
            while not await self._is_ready():
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        if self._life is not None:
            self._life.kill()
            self._life = None

    async def _is_ready(self) -> bool:
        try:
            return (await self.http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def deployer(
    zygote: Zygote,
    tmp_path: Path,
    gateway: Gateway,
    redis_url: str,
    database_url: str,
    headers: dict[str, str],
    **more: str,
) -> AsyncGenerator[Deployer, None]:
    state = tmp_path / "process"
    state.mkdir()
    (state / "service.key").write_text("the-deployers-key")
    port = free_port()
    async with served(gateway.app) as gateway_url:
        environment = {
            "PATH": os.environ["PATH"],
            "MESH_PORT": str(port),
            "MESH_STATE_DIR": str(state),
            "MESH_DATABASE_URL": database_url,
            "MESH_REDIS_URL": redis_url,
            "MESH_GATEWAY_URL": gateway_url,
            "MESH_DOCKER_URL": f"unix://{tmp_path}/no-engine.sock",
            "MESH_MARKET_FAULTS": "true",
            "MESH_STEP_TIMEOUT_S": "50",
        } | more
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as http:
            process = Deployer(zygote, environment, http, tmp_path / "process.log")
            await process.start()
            yield process
            process.kill()


@dataclass(frozen=True)
class Book:
    """What the databases of the deployer and of its market say, beside the API."""

    facts: dict[str, int]
    orders: dict[UUID, SimulatedOrderRow]

    @property
    def held(self) -> set[UUID]:
        return {id for id, row in self.orders.items() if row.state != "closed"}


async def read_book(database_url: str) -> Book:
    database = connect(database_url)
    async with database.read() as session:
        counted = select(EventRow.type, func.count()).group_by(EventRow.type)
        facts = {kind: count for kind, count in await session.execute(counted)}
        orders = {row.order_id: row for row in await session.scalars(select(SimulatedOrderRow))}
    await database.engine.dispose()
    return Book(facts, orders)


def is_whole(deployment: dict[str, Any], book: Book) -> bool:
    """True when deployment and order agree on every unit of the deposit."""
    spent = book.orders[UUID(deployment["deploymentId"])].spent_uact
    return int(deployment["refunded_uact"]) + (spent or 0) == int(deployment["deposit_uact"])


async def test_whatever_was_done_and_not_heard_of_when_it_died_is_done_once(
    zygote: Zygote,
    tmp_path: Path,
    gateway: Gateway,
    redis_url: str,
    headers: dict[str, str],
    tenant_at: type[Tenant],
    postgres_url: str,
):
    """The market has opened, leased, started and closed; each time the deployer dies before it knows."""
    async with deployer(zygote, tmp_path, gateway, redis_url, postgres_url, headers) as process:
        ended = await rehearse(process, tenant_at(process.http), postgres_url)

    book = await read_book(postgres_url)
    assert len(book.orders) == book.facts["deployer.lease-created.v1"] == 4
    assert book.facts["deployer.deployment-closed.v1"] == 4
    assert book.held == set()
    assert all(is_whole(deployment, book) for deployment in ended)


async def rehearse(process: Deployer, tenant: Tenant, database_url: str) -> list[dict[str, Any]]:
    """Kills where the market has just done something, for each thing it does; the ended deployments."""
    stalls = {
        point: await tenant.deploy(tenant.with_attributes(fault=f"stall-after-{point}"))
        for point in ("create", "accept", "manifest", "close")
    }
    await tenant.until(stalls["accept"], "chosen")
    await tenant.until(stalls["manifest"], "leased")
    await tenant.until(stalls["close"], "active")
    await tenant.http.post(f"/v1/deployments/{stalls['close']['deploymentId']}/close")
    async with asyncio.timeout(60):
        while not all(row.fault_fired for row in (await read_book(database_url)).orders.values()):
            await asyncio.sleep(0.05)

    process.kill()
    await process.start()
    active = [await tenant.until(stalls[point], "active") for point in ("create", "accept", "manifest")]
    closed = await tenant.until(stalls["close"], "closed")
    return [closed, *[await tenant.close(deployment) for deployment in active]]


async def insist(
    process: Deployer, path: str, key: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Asks with the same key until there is an answer, as a caller does whose service died."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await process.http.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 202:
                return answer.json()
            assert answer is None or answer.json()["code"] == "idempotent-request-running", answer.text
            await asyncio.sleep(0.05)


async def kill(process: Deployer, *after_s: float) -> None:
    """Kills and starts again, each time so long after it was ready; where that hits differs every time."""
    for pause in after_s:
        await asyncio.sleep(pause)
        process.kill()
        await process.start()


async def test_killed_at_any_moment_no_lease_is_orphaned_no_deposit_lost_and_every_deployment_ends(
    zygote: Zygote,
    tmp_path: Path,
    gateway: Gateway,
    redis_url: str,
    headers: dict[str, str],
    tenant_at: type[Tenant],
):
    url = f"sqlite+aiosqlite:///{tmp_path}/killed.db"
    async with deployer(zygote, tmp_path, gateway, redis_url, url, headers) as process:
        tenant = tenant_at(process.http)
        body = {"sdl": tenant.hello_web, "provider": "simulated"}
        asking = [insist(process, "/v1/deployments", f"key-{n}", body) for n in range(12)]
        made, _ = await asyncio.gather(asyncio.gather(*asking), kill(process, 0.3))
        active = [await tenant.until(deployment, "active") for deployment in made]
        closing = [insist(process, f"/v1/deployments/{d['deploymentId']}/close", str(uuid4())) for d in made]
        await asyncio.gather(asyncio.gather(*closing), kill(process, 0.1))
        closed = [await tenant.until(deployment, "closed") for deployment in active]

    book = await read_book(url)
    assert len({deployment["deploymentId"] for deployment in made}) == len(book.orders) == 12
    assert {deployment["leaseId"] for deployment in active} == {d["leaseId"] for d in closed}
    assert len({deployment["leaseId"] for deployment in closed}) == 12
    assert book.facts == {
        "deployer.deployment-created.v1": 12,
        "deployer.lease-created.v1": 12,
        "deployer.deployment-closed.v1": 12,
    }
    assert book.held == set()
    assert all(is_whole(deployment, book) for deployment in closed)
    assert "Traceback" not in (tmp_path / "process.log").read_text()


async def test_containers_of_a_deployer_that_was_killed_are_found_again(
    zygote: Zygote,
    tmp_path: Path,
    gateway: Gateway,
    redis_url: str,
    headers: dict[str, str],
    tenant_at: type[Tenant],
    docker_url: str,
):
    url = f"sqlite+aiosqlite:///{tmp_path}/docker.db"
    engine = {"MESH_DOCKER_URL": docker_url}
    async with deployer(zygote, tmp_path, gateway, redis_url, url, headers, **engine) as process:
        tenant = tenant_at(process.http)
        made = [await tenant.deploy(provider="docker") for _ in range(2)]
        await tenant.until(made[0], "leased", "active")

        process.kill()
        await process.start()
        active = [await tenant.until(deployment, "active") for deployment in made]
        pages = [(await tenant.http.get(deployment["uris"][0])).text for deployment in active]
        uris = [uri for deployment in active for uri in deployment["uris"]]
        closed = [await tenant.close(deployment) for deployment in active]

        with pytest.raises(httpx.TransportError):
            await tenant.http.get(uris[0])

    assert (len(uris), pages) == (2, ["Hello from the mesh\n"] * 2)
    assert {deployment["status"] for deployment in closed} == {"closed"}
