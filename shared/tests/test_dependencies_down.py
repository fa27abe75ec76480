import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from mesh_cli import parts
from mesh_shared.errors import Unavailable
from mesh_shared.testing import running
from mesh_shared.web.health import FRESH_S
from redis.asyncio import Redis

NOTE = {"name": "shopping", "pages": 2}


@pytest.fixture
def app(make_app: Callable[[str], FastAPI], tmp_path: Path) -> FastAPI:
    return make_app(f"sqlite+aiosqlite:///{tmp_path}/notes.db")


async def down() -> None:
    raise Unavailable("moon")


async def slow() -> None:
    await asyncio.sleep(60)


async def test_readiness_names_what_is_down(app: FastAPI, writer: dict[str, str]):
    async with running(app, writer) as http:
        app.state.platform.checks.add("moon", down)
        response = await http.get("/readyz")

    assert (response.status_code, response.json()["down"]) == (503, ["moon"])
    assert response.headers["retry-after"]


async def test_a_dependency_that_is_silent_twice_is_down(app: FastAPI):
    async with running(app) as http:
        app.state.platform.checks.add("moon", slow)
        response = await http.get("/readyz")

    assert response.json()["down"] == ["moon"]


async def test_a_dependency_that_is_silent_once_is_asked_again(app: FastAPI):
    waits_s = iter((60, 0))

    async def moody() -> None:
        await asyncio.sleep(next(waits_s))

    async with running(app) as http:
        app.state.platform.checks.add("moon", moody)
        response = await http.get("/readyz")

    assert response.status_code == 200


async def test_while_something_is_down_reads_are_served_and_writes_are_refused(
    app: FastAPI, writer: dict[str, str]
):
    async with running(app, writer) as http:
        await http.post("/v1/notes", json=NOTE)
        app.state.platform.checks.add("moon", down)
        await asyncio.sleep(FRESH_S)

        read = await http.get("/v1/notes/shopping")
        written = await http.post("/v1/notes", json=NOTE | {"name": "other"})

    assert read.status_code == 200
    assert (written.status_code, written.json()["down"]) == (503, ["moon"])
    assert written.headers["retry-after"]
    assert app.state.service.effects == 1


async def test_when_redis_really_stops_and_returns_the_service_heals_by_itself(
    app: FastAPI, writer: dict[str, str], tmp_path: Path
):
    port = parts.free_port()
    process = parts.redis(port, tmp_path)
    async with running(app, writer) as http, Redis.from_url(f"redis://127.0.0.1:{port}") as redis:
        app.state.platform.checks.add("redis", redis.ping)
        process.stop()
        await asyncio.sleep(FRESH_S)
        refused = await http.post("/v1/notes", json=NOTE)
        process = parts.redis(port, tmp_path)
        await asyncio.sleep(FRESH_S)
        accepted = await http.post("/v1/notes", json=NOTE)
    process.stop()

    assert (refused.status_code, refused.json()["down"]) == (503, ["redis"])
    assert accepted.status_code == 201
