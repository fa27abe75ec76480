"""Several coordinators on one PostgreSQL: each conducts what it accepts; who dies is followed by another."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from fastapi import FastAPI, Request, Response
from mesh_coordinator.repository.runs import Runs
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callers import Caller
    from chains import Chain
    from towns import Agent, Town

    from conftest import Calling

BODY: dict[str, Any] = {"task": "t", "requirements": [{"id": "a", "capability": "work"}]}


class Worker:
    """Counts the keys that it is called with, and answers when it may."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.keys: list[str] = []
        self.called = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, request: Request, agent: Agent) -> Response:
        self.keys.append(request.headers["idempotency-key"])
        self.called.set()
        while not self.may_answer.is_set() and not await request.is_disconnected():
            await asyncio.sleep(0.02)
        return self.town.delivered(request, agent, "done")


@pytest.fixture
async def worker(town: Town) -> Worker:
    worker = Worker(town)
    await town.move_in("worker", worker)
    return worker


@pytest.fixture
async def replicas(calling: Calling, postgres_url: str) -> AsyncIterator[list[tuple[AsyncExitStack, Caller]]]:
    """Two coordinators that share a database and keys; each can be ended by closing its stack."""
    started: list[tuple[AsyncExitStack, Caller]] = []
    for name in ("0", "1"):
        stack = AsyncExitStack()
        open_one = calling(database_url=SecretStr(postgres_url), instance=name)
        started.append((stack, await stack.enter_async_context(open_one)))
    yield started
    for stack, _ in started:
        await stack.aclose()


async def test_a_run_that_one_accepts_is_told_by_the_other_and_carried_out_once(
    replicas: Any, worker: Worker, town: Town, chain: Chain
):
    (_, one), (_, other) = replicas
    worker.may_answer.set()

    runs = [await caller.start(BODY, key) for caller, key in ((one, "a"), (other, "b"))]
    seen = [await caller.ended(run["id"]) for caller, run in zip((other, one), runs, strict=True)]

    assert {run["status"] for run in seen} == {"succeeded"}
    assert len(worker.keys) == len(set(worker.keys)) == 2
    assert await chain.units(town.agents["worker"].wallet.address) == 2_000


async def test_each_conducts_what_it_accepts(replicas: Any, worker: Worker):
    callers = [caller for _, caller in replicas]

    runs = [await caller.start(BODY, str(n)) for n, caller in enumerate(callers)]

    database = cast("FastAPI", callers[0].app).state.platform.database
    async with database.read() as session:
        rows = [await Runs(session).get(UUID(run["id"])) for run in runs]
    worker.may_answer.set()
    assert len({row.conductor for row in rows}) == 2
    assert [(await caller.ended(run["id"]))["status"] for caller, run in zip(callers, runs, strict=True)] == [
        "succeeded"
    ] * 2


async def test_the_same_request_at_both_is_one_run(replicas: Any, worker: Worker):
    (_, one), (_, other) = replicas
    worker.may_answer.set()

    key = {"Idempotency-Key": "same"}
    answers = await asyncio.gather(*(caller.post("/v1/runs", BODY, **key) for caller in (one, other)))

    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    await one.ended(accepted[0])
    assert len(set(accepted)) == 1
    assert len(worker.keys) == 1


async def test_whoever_dies_in_the_middle_of_a_call_is_followed_by_another_who_calls_with_the_same_key(
    replicas: Any, worker: Worker, town: Town, chain: Chain, payer: str
):
    (dying, one), (_, other) = replicas
    run = await one.start(BODY)
    await worker.called.wait()
    worker.called.clear()

    await dying.aclose()
    await asyncio.wait_for(worker.called.wait(), 60)
    worker.may_answer.set()
    seen = await other.ended(run["id"])

    assert seen["status"] == "succeeded"
    assert len(worker.keys) == 2
    assert len(set(worker.keys)) == 1
    assert await chain.units(town.agents["worker"].wallet.address) == 1_000
    assert await chain.units(payer) == 999_000


async def test_a_stream_tells_what_another_replica_does(replicas: Any, worker: Worker):
    (_, one), (_, other) = replicas
    worker.may_answer.set()
    run = await one.start(BODY)
    await one.ended(run["id"])

    stream = await other.http.get(f"/v1/runs/{run['id']}/events")

    told = [line.removeprefix("event: ") for line in stream.text.splitlines() if line.startswith("event: ")]
    assert (told[0], told[-1]) == ("run.started", "run.succeeded")
    assert told.count("attempt.funded") == 1
