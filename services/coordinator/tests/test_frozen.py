"""A replica that is stopped in the middle of a call, followed by another, and woken again."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mesh_cli import parts
from mortals import Coordinator, mortal, settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from chains import Chain
    from fastapi import Request, Response
    from towns import Agent, Body, Town

RUN: dict[str, Any] = {"task": "t", "requirements": [{"id": "a", "capability": "work"}]}
SILENCE_S = 2.0
PRICE_UNITS = 1_000


class Worker:
    """Does its work once for a key, and answers that key's second call."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.keys: list[str] = []
        self.is_called = asyncio.Event()
        self.is_called_again = asyncio.Event()

    async def __call__(self, request: Request, agent: Agent) -> Response:
        self.keys.append(request.headers["idempotency-key"])
        (self.is_called_again if self.is_called.is_set() else self.is_called).set()
        await self.is_called_again.wait()
        return self.town.delivered(request, agent, "done")


@pytest.fixture
async def worker(town: Town) -> Worker:
    worker = Worker(town)
    await town.move_in("freezing-worker", worker, price=PRICE_UNITS)
    return worker


@pytest.fixture
async def replicas(
    postgres_url: str, state_dir: Path, redis_url: str, town: Town, tmp_path: Path
) -> AsyncIterator[list[Coordinator]]:
    """Two that share keys and a database."""
    shared = settings(postgres_url, state_dir, redis_url, town)
    async with AsyncExitStack() as stack:
        replicas: list[Coordinator] = []
        for name in ("0", "1"):
            own = {"MESH_PORT": str(parts.free_port()), "MESH_INSTANCE": name}
            replica = await stack.enter_async_context(mortal(shared | own, tmp_path))
            replica.silence_s = SILENCE_S
            replicas.append(replica)
        yield replicas


@asynccontextmanager
async def started(
    replica: Coordinator, client: dict[str, str]
) -> AsyncGenerator[tuple[int, httpx.AsyncClient]]:
    """The pid of the replica and a way to talk to it, once it can be talked to."""
    life = await replica.begin(dies_after=None)
    url = f"http://127.0.0.1:{replica.environment['MESH_PORT']}"
    async with httpx.AsyncClient(base_url=url, headers=client, timeout=10) as http:
        async with asyncio.timeout(60):
            while not await is_ready(http):
                await asyncio.sleep(0.1)
        yield life.pid, http


async def is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def ended(http: httpx.AsyncClient, run_id: str) -> Body:
    async with asyncio.timeout(60):
        while (run := (await http.get(f"/v1/runs/{run_id}")).json())["status"] == "running":
            await asyncio.sleep(0.1)
        return run


async def test_a_frozen_replica_is_followed_by_another_and_wakes_to_find_everything_done_once(
    replicas: list[Coordinator], client: dict[str, str], worker: Worker, town: Town, chain: Chain, payer: str
):
    async with started(replicas[0], client) as (one, one_http):
        run = (await one_http.post("/v1/runs", json=RUN, headers={"Idempotency-Key": "frozen"})).json()
        await asyncio.wait_for(worker.is_called.wait(), 60)
        async with started(replicas[1], client) as (_, other_http):
            os.kill(one, signal.SIGSTOP)
            try:
                await asyncio.wait_for(worker.is_called_again.wait(), 60)
                seen = await ended(other_http, run["id"])
            finally:
                os.kill(one, signal.SIGCONT)
            woken = await ended(one_http, run["id"])

    assert (seen["status"], woken["status"]) == ("succeeded", "succeeded")
    assert woken["version"] == seen["version"]
    assert len(worker.keys) >= 2
    assert len(set(worker.keys)) == 1
    assert await chain.units(town.agents["freezing-worker"].wallet.address) == PRICE_UNITS
    assert await chain.units(payer) == 1_000_000 - PRICE_UNITS
    assert await chain.ratings(town.agents["freezing-worker"].token_id) == (1, 100)
