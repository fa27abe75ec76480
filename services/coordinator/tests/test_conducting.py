"""The conductor looks where there is news: by rings alone, at the runs in question, and at all in the end."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mesh_coordinator.repository.tables import RunRow
from mesh_coordinator.service import conductor
from sqlalchemy import event, update

if TYPE_CHECKING:
    from collections.abc import Generator

    from callers import Caller
    from mesh_shared.database.engine import Database
    from towns import Agent, Body, Town

    from conftest import Calling

pytestmark = pytest.mark.usefixtures("free")


@pytest.fixture
async def free(town: Town) -> None:
    """An agent that works for nothing."""

    async def work(request: Request, agent: Agent) -> Response:
        return JSONResponse({"content": {"success": True, "data": "done"}})

    await town.move_in("free", work, price=0)


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the clock waits for longer than a test lasts."""
    monkeypatch.setattr(conductor, "IDLE_S", 600.0)


def task(count: int, **more: Any) -> Body:
    """So many steps, each of which needs the one before."""
    chain = [{"id": f"s{n}", "needs": [f"s{n - 1}"] if n else []} for n in range(count)]
    return {"task": "t", "requirements": [step | {"capability": "work"} | more for step in chain]}


async def asking(caller: Caller, key: str) -> Body:
    """A run that waits for a person."""
    run = await caller.start(task(1, approval="always"), key)
    return await caller.run_when(run["id"], lambda seen: seen["steps"][0]["status"] == "awaiting_approval")


def database_of(caller: Caller) -> Database:
    return cast("FastAPI", caller.app).state.platform.database


@contextmanager
def reads_of_steps(caller: Caller) -> Generator[list[str], None, None]:
    """The parameters of every query on steps while the block lasts."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if "FROM steps" in statement:
            seen.append(str(parameters))

    engine = database_of(caller).engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def is_named(run: Body, parameters: str) -> bool:
    return run["id"].replace("-", "") in parameters.replace("-", "")


@pytest.mark.usefixtures("no_clock")
async def test_what_happens_in_one_run_makes_nobody_read_another(caller_on_both: Caller):
    quiet = await asking(caller_on_both, "quiet")
    await caller_on_both.run(task(1), "any")  # whoever looks has seen by now that nothing is due

    with reads_of_steps(caller_on_both) as seen:
        busy = await caller_on_both.run(task(5), "busy")

    assert busy["status"] == "succeeded"
    assert any(is_named(busy, one) for one in seen)
    assert not any(is_named(quiet, one) for one in seen)


@pytest.mark.usefixtures("no_clock")
async def test_a_run_that_waited_for_room_goes_on_when_there_is_some(calling: Calling):
    async with calling(parallel_attempts=1) as caller:
        runs = await asyncio.gather(*(caller.run(task(2), str(n)) for n in range(4)))

    assert {run["status"] for run in runs} == {"succeeded"}


@pytest.mark.usefixtures("no_clock")
async def test_what_a_person_says_is_news(calling: Calling):
    async with calling() as caller:
        run = await asking(caller, "asking")
        url = f"/v1/runs/{run['id']}/approvals/{run['steps'][0]['approval']['id']}"
        await caller.post(url, {"decision": "approve"})
        ended = await caller.ended(run["id"])

    assert ended["status"] == "succeeded"


async def test_what_nobody_rang_for_is_found_by_looking(calling: Calling):
    async with calling() as caller:
        run = await asking(caller, "elsewhere")
        async with database_of(caller).engine.begin() as connection:  # as another replica would, unheard
            await connection.execute(update(RunRow).values(stopping="cancelled"))
        ended = await caller.ended(run["id"])

    assert ended["status"] == "cancelled"
