"""A paused run starts nothing, finishes what is under way, and outlives the process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

    from conftest import Calling

STEPS = [{"id": "a", "capability": "gated"}, {"id": "b", "capability": "gated", "needs": ["a"]}]
BODY = {"task": "t", "requirements": STEPS}


class Gated:
    """An agent that works for nothing once it may; it notes the steps for which it was called."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.gate = asyncio.Event()

    async def __call__(self, request: Request, agent: Agent) -> Response:
        self.called.append((await request.json())["context"]["step_id"])
        await self.gate.wait()
        return JSONResponse({"content": {"success": True, "data": 1}})


@pytest.fixture
async def gated(town: Town) -> Gated:
    gated = Gated()
    await town.move_in("gated", gated, price=0, capability="gated")
    return gated


async def paused_after_the_first(caller: Caller, gated: Gated) -> Body:
    """A run that was paused while its first step was under way, which is done now."""
    run = await caller.start(BODY)
    await caller.run_when(run["id"], lambda _: gated.called == ["a"])
    answer = await caller.post(f"/v1/runs/{run['id']}/pause")
    assert (answer.status_code, answer.json()["paused"]) == (202, True)
    gated.gate.set()
    return await caller.run_when(run["id"], lambda seen: seen["steps"][0]["status"] == "succeeded")


async def told(caller: Caller, run: Body) -> list[Any]:
    events = (await caller.http.get(f"/v1/runs/{run['id']}/events")).text
    return [line.partition(": ")[2] for line in events.splitlines() if line.startswith("event: run.")]


async def test_a_paused_run_finishes_what_is_under_way_and_waits_through_a_restart(
    calling: Calling, gated: Gated
):
    async with calling() as caller:
        run = await paused_after_the_first(caller, gated)

    async with calling() as caller:
        other = await caller.run({"task": "u", "requirements": [STEPS[0]]}, "other")
        waiting = await caller.get(run["id"])
        await caller.post(f"/v1/runs/{run['id']}/resume")
        ended = await caller.ended(run["id"])

        assert other["status"] == "succeeded"  # the conductor is at work
        assert (waiting["paused"], waiting["steps"][1]["status"]) == (True, "pending")
        assert (ended["status"], gated.called) == ("succeeded", ["a", "a", "b"])
        assert await told(caller, run) == ["run.started", "run.paused", "run.resumed", "run.succeeded"]


async def test_pausing_or_resuming_again_changes_nothing(caller: Caller, gated: Gated):
    run = await paused_after_the_first(caller, gated)

    again = await caller.post(f"/v1/runs/{run['id']}/pause")
    assert again.json()["version"] == run["version"]

    await caller.post(f"/v1/runs/{run['id']}/resume")
    await caller.post(f"/v1/runs/{run['id']}/resume")
    await caller.ended(run["id"])
    assert (await told(caller, run)).count("run.resumed") == 1


async def test_a_paused_run_can_be_cancelled_and_what_has_ended_is_not_paused(caller: Caller, gated: Gated):
    run = await paused_after_the_first(caller, gated)

    await caller.post(f"/v1/runs/{run['id']}/cancel")
    ended = await caller.ended(run["id"])
    answers = [await caller.post(f"/v1/runs/{run['id']}/{verb}") for verb in ("pause", "resume")]

    assert (ended["status"], gated.called) == ("cancelled", ["a"])
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "run-ended")] * 2
