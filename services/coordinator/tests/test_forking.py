"""A fork does a step and what hangs on it again, and pays for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import Request, Response

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRICE = 100


class Worker:
    """Works for a hundred units and numbers its results; fails the steps that it is told to."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.called: list[str] = []
        self.fails: set[str] = set()

    async def __call__(self, request: Request, agent: Agent) -> Response:
        asked = await request.json()
        self.called.append(step := asked["context"]["step_id"])
        if step in self.fails:
            return Response(status_code=400)
        answer = {"n": len(self.called), "seen": asked["parameters"]}
        return self.town.delivered(request, agent, answer)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(place: tuple[Caller, Town]) -> Worker:
    worker = Worker(place[1])
    await place[1].move_in("forker", worker, price=PRICE, capability="forked")
    return worker


@pytest.fixture
def caller(place: tuple[Caller, Town], worker: Worker) -> Caller:
    worker.called.clear()
    worker.fails.clear()
    return place[0]


def step(id: str, *needs: str) -> Body:
    parameters = {need: {"$ref": f"#/steps/{need}/result/n"} for need in needs}
    return {"id": id, "capability": "forked", "needs": list(needs), "parameters": parameters}


STEPS = [step("a"), step("b", "a"), step("side"), step("c", "b", "side")]
BODY = {"task": "t", "requirements": STEPS, "output": {"c": {"$ref": "#/steps/c/result/seen"}}}


async def fork(caller: Caller, run: Body, from_step: str, key: str) -> Any:
    return await caller.post(
        f"/v1/runs/{run['id']}/fork", {"from_step": from_step}, **{"Idempotency-Key": key}
    )


async def test_a_fork_does_a_step_and_what_needs_it_again_and_keeps_the_rest(caller: Caller, worker: Worker):
    run = await caller.run(BODY, "whole")
    worker.called.clear()

    answer = await fork(caller, run, "b", "again")
    forked = await caller.ended(answer.json()["id"])

    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/runs/{forked['id']}")
    assert worker.called == ["b", "c"]
    assert (forked["status"], forked["forked_from"]) == ("succeeded", run["id"])
    assert {one["id"]: one["kept_from"] for one in forked["steps"]} == {
        "a": run["id"],
        "side": run["id"],
        "b": None,
        "c": None,
    }
    assert forked["result"]["a"] == run["result"]["a"]
    assert forked["result"]["b"]["seen"] == {"a": run["result"]["a"]["n"]}
    assert forked["output"] == {"c": {"b": forked["result"]["b"]["n"], "side": run["result"]["side"]["n"]}}
    assert forked["budget"]["spent"] == str(2 * PRICE)


async def test_what_had_not_succeeded_is_tried_again_wherever_the_fork_begins(caller: Caller, worker: Worker):
    worker.fails = {"side"}
    run = await caller.run(BODY, "gap")
    worker.fails.clear()
    worker.called.clear()

    forked = await caller.ended((await fork(caller, run, "c", "gap-again")).json()["id"])

    assert (run["status"], forked["status"]) == ("partial", "succeeded")
    assert worker.called == ["side", "c"]


async def test_a_fork_of_a_fork_keeps_what_the_first_run_paid_for(caller: Caller, worker: Worker):
    run = await caller.run(BODY, "first")
    second = await caller.ended((await fork(caller, run, "b", "second")).json()["id"])
    worker.called.clear()

    third = await caller.ended((await fork(caller, second, "c", "third")).json()["id"])

    assert worker.called == ["c"]
    kept = {one["id"]: one["kept_from"] for one in third["steps"]}
    assert kept == {"a": run["id"], "side": run["id"], "b": second["id"], "c": None}


async def test_a_fork_that_is_asked_for_again_is_the_same_run(caller: Caller, worker: Worker):
    run = await caller.run(BODY, "base")
    first = await fork(caller, run, "c", "same")
    await caller.ended(first.json()["id"])

    again = await fork(caller, run, "c", "same")
    other = await fork(caller, run, "b", "same")

    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    assert worker.called.count("c") == 2


async def test_only_steps_of_runs_that_have_ended_are_forked_from(caller: Caller, worker: Worker):
    run = await caller.run(BODY, "ended")
    waiting = {"id": "w", "capability": "forked", "approval": "always"}
    open_run = await caller.start({"task": "t", "requirements": [waiting]}, "open")

    unknown = await fork(caller, run, "zz", "unknown")
    too_early = await fork(caller, open_run, "w", "early")
    nothing = await fork(caller, {"id": "00000000-0000-4000-8000-000000000000"}, "a", "nothing")
    keyless = await caller.post(f"/v1/runs/{run['id']}/fork", {"from_step": "a"})

    assert (unknown.status_code, unknown.json()["code"]) == (404, "step-not-found")
    assert (too_early.status_code, too_early.json()["code"]) == (409, "run-open")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "run-not-found")
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency-key-required")
    await caller.post(f"/v1/runs/{open_run['id']}/cancel")


async def test_nobody_forks_a_run_that_spends_of_somebody_else_s_budget(
    caller: Caller, place: tuple[Caller, Town]
):
    await caller.post("/v1/budgets", {"name": "forks", "limit": "1000"})
    run = await caller.run(BODY | {"shared_budget": "forks"}, "spends")
    stranger = place[1].issuer.headers("coordinator:run", audience="coordinator", subject="stranger")

    answer = await caller.post(
        f"/v1/runs/{run['id']}/fork", {"from_step": "a"}, **stranger, **{"Idempotency-Key": "k"}
    )

    assert (answer.status_code, answer.json()["code"]) == (404, "budget-not-found")
