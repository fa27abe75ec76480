"""A dependency is really stopped: it is named, nothing accepted is lost, and all heals by itself."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from mesh_cli import parts
from mesh_shared.testing import running
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from callers import Caller
    from chains import Chain
    from httpx import AsyncClient
    from httpx import Response as Answer
    from towns import Agent, Town

    from conftest import MakeApp

BODY: dict[str, Any] = {"task": "t", "requirements": [{"id": "a", "capability": "work"}]}


@asynccontextmanager
async def serving(app: FastAPI, port: int) -> AsyncGenerator[None, None]:
    """The app on a port that it can come back to."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task


async def until(look: Any, timeout_s: float = 60) -> Any:
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.05)
        return found


async def down(http: AsyncClient) -> list[str]:
    """What readiness names."""
    answer = await http.get("/readyz")
    assert (answer.status_code == 503) == ("down" in answer.json())
    return answer.json().get("down", [])


async def named(http: AsyncClient, *names: str) -> None:
    """Waits until exactly these are down."""

    async def are_named() -> bool:
        return sorted(await down(http)) == sorted(names)

    await until(are_named)


async def start(http: AsyncClient, key: str = "k") -> Answer:
    return await http.post("/v1/runs", json=BODY, headers={"Idempotency-Key": key})


async def refuses_to_write(http: AsyncClient, name: str) -> None:
    answer = await start(http, "refused")
    assert (answer.status_code, answer.json()["down"]) == (503, [name])
    assert answer.headers["retry-after"]
    assert answer.headers["content-type"] == "application/problem+json"


async def ended(http: AsyncClient, run_id: str) -> dict[str, Any]:
    async def look() -> Any:
        run = (await http.get(f"/v1/runs/{run_id}")).json()
        return run if run["status"] != "running" else None

    return await until(look)


@pytest.fixture
async def gate(town: Town) -> asyncio.Event:
    """The town's agent answers when this is set."""
    gate = asyncio.Event()

    async def work(request: Request, agent: Agent) -> Response:
        await gate.wait()
        return town.delivered(request, agent, "done")

    await town.move_in("worker", work)
    return gate


async def test_readiness_and_metrics_name_what_the_service_stands_on(caller: Caller):
    ready = await caller.http.get("/readyz")
    metrics = (await caller.http.get("/metrics")).text

    assert ready.json() == {"status": "ready", "checks": ["database", "redis", "chain", "registry"]}
    for name in ready.json()["checks"]:
        assert f'mesh_dependency_up{{dependency="{name}"}} 1.0' in metrics


async def test_without_redis_runs_go_on_and_none_is_accepted(
    make_app: MakeApp, payer: str, client: dict[str, str], tmp_path: Path, gate: asyncio.Event
):
    port = parts.free_port()
    redis = parts.redis(port, tmp_path)
    async with running(make_app(redis_url=SecretStr(f"redis://127.0.0.1:{port}")), client) as http:
        run = (await start(http)).json()
        redis.stop()

        await named(http, "redis")
        await refuses_to_write(http, "redis")
        gate.set()
        went_on = await ended(http, run["id"])
        redis = parts.redis(port, tmp_path)
        await named(http)
        accepted = await start(http, "again")
    redis.stop()

    assert went_on["status"] == "succeeded"
    assert accepted.status_code == 202


async def test_without_the_registry_runs_go_on_and_none_is_accepted(
    make_app: MakeApp, payer: str, client: dict[str, str], town: Town, gate: asyncio.Event
):
    port = parts.free_port()
    app = make_app(registry_url=f"http://127.0.0.1:{port}")
    async with running(app, client) as http:
        async with serving(town.registry, port):
            run = (await start(http)).json()

        await named(http, "registry")
        await refuses_to_write(http, "registry")
        gate.set()
        went_on = await ended(http, run["id"])
        async with serving(town.registry, port):
            await named(http)
            accepted = await start(http, "again")

    assert went_on["status"] == "succeeded"
    assert accepted.status_code == 202


async def test_without_the_gateway_agents_are_not_called_and_not_blamed(
    caller: Caller, town: Town, chain: Chain, gate: asyncio.Event
):
    town.gateway_is_down = True
    gate.set()
    run = (await start(caller.http)).json()
    await caller.attempt_when(run["id"], lambda attempt: attempt["state"] == "invoking")
    waiting = await caller.get(run["id"])

    town.gateway_is_down = False
    done = await ended(caller.http, run["id"])

    assert waiting["status"] == "running"
    assert done["status"] == "succeeded"
    assert await chain.ratings(town.agents["worker"].token_id) == (1, 100)
