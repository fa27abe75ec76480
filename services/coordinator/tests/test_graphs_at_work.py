"""Many steps and many runs on the real app: order, limits, and ends, whatever the shape."""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Generator

    from callers import Caller
    from chains import Chain
    from towns import Agent, Town

    from conftest import Calling


class Crew:
    """An agent that works for nothing and notes who works at the same time, and what was done before."""

    def __init__(self) -> None:
        self.working = 0
        self.most = 0
        self.done: list[str] = []
        self.seen_before: dict[str, set[str]] = {}

    async def __call__(self, request: Request, agent: Agent) -> Response:
        step = (await request.json())["context"]["step_id"]
        self.seen_before[step] = set(self.done)
        with self._at_work():
            await asyncio.sleep(0)
        self.done.append(step)
        return JSONResponse({"content": {"success": True, "data": step}})

    @contextmanager
    def _at_work(self) -> Generator[None, None, None]:
        self.working += 1
        self.most = max(self.most, self.working)
        yield
        self.working -= 1


@pytest.fixture
async def crew(town: Town) -> Crew:
    crew = Crew()
    await town.move_in("crew", crew, price=0)
    return crew


def dag(count: int, seed: int) -> list[dict[str, Any]]:
    """Steps that each need up to three earlier ones and refer to their results, in any order."""
    dice = random.Random(seed)  # noqa: S311 - the same graph each time
    steps: list[dict[str, Any]] = []
    for n in range(count):
        needs = dice.sample([step["id"] for step in steps], min(len(steps), dice.randint(0, 3)))
        parameters = {need: {"$ref": f"#/steps/{need}/result"} for need in needs}
        steps.append({"id": f"s{n}", "capability": "work", "needs": needs, "parameters": parameters})
    dice.shuffle(steps)
    return steps


async def test_a_random_graph_is_worked_through_in_its_order(caller_on_both: Caller, crew: Crew):
    steps = dag(18, seed=371)

    run = await caller_on_both.run({"task": "t", "requirements": steps})

    assert run["status"] == "succeeded"
    assert sorted(crew.done) == sorted(step["id"] for step in steps)
    assert all(crew.seen_before[step["id"]] >= set(step["needs"]) for step in steps)
    assert run["result"] == {step["id"]: step["id"] for step in steps}


async def test_no_more_steps_of_a_run_are_at_work_than_the_operator_allows(calling: Calling, crew: Crew):
    steps = [{"id": f"s{n}", "capability": "work"} for n in range(8)]

    async with calling(parallel_steps=2) as caller:
        run = await caller.run({"task": "t", "requirements": steps})

    assert run["status"] == "succeeded"
    assert 1 <= crew.most <= 2


async def test_no_more_attempts_of_all_runs_are_open_than_the_operator_allows(calling: Calling, crew: Crew):
    body = {"task": "t", "requirements": [{"id": f"s{n}", "capability": "work"} for n in range(3)]}

    async with calling(parallel_attempts=2) as caller:
        runs = await asyncio.gather(*(caller.run(body, str(n)) for n in range(3)))

    assert {run["status"] for run in runs} == {"succeeded"}
    assert 1 <= crew.most <= 2


async def test_cancelling_at_any_moment_leaves_runs_that_end_and_money_that_adds_up(
    caller_on_both: Caller, town: Town, chain: Chain, payer: str
):
    caller = caller_on_both
    called: set[str] = set()

    async def work(request: Request, agent: Agent) -> Response:
        called.add((await request.json())["context"]["run_id"])
        return town.delivered(request, agent, "done")

    agent = await town.move_in("worker", work)
    dice = random.Random(371)  # noqa: S311 - the same moments each time
    body = {"task": "t", "requirements": [{"id": "a", "capability": "work"}]}

    async def start_and_cancel(n: int) -> tuple[dict[str, Any], int]:
        run = await caller.start(body, str(n))
        await asyncio.sleep(dice.random())
        answer = await caller.post(f"/v1/runs/{run['id']}/cancel")
        return await caller.ended(run["id"]), answer.status_code

    ended = await asyncio.gather(*(start_and_cancel(n) for n in range(10)))

    assert {status for _, status in ended} <= {200, 202, 409}
    assert {run["status"] for run, _ in ended} <= {"cancelled", "succeeded"}
    paid = [run for run, _ in ended if run["status"] == "succeeded"]
    assert {run["id"] for run in paid} == called
    assert {run["budget"]["reserved"] for run, _ in ended} == {"0"}
    assert await chain.units(agent.wallet.address) == 1_000 * len(paid)
    assert await chain.units(payer) == 1_000_000 - 1_000 * len(paid)
