"""How hard a step is tried, and for how long: retries, fallback agents, deadlines, limits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Moody:
    """An agent that answers with these status codes in turn, then well; it notes the keys of its calls."""

    def __init__(self, *moods: int) -> None:
        self.moods = list(moods)
        self.keys: list[str] = []

    async def __call__(self, request: Request, agent: Agent) -> Response:
        self.keys.append(request.headers["idempotency-key"])
        if self.moods:
            return Response(status_code=self.moods.pop(0))
        return JSONResponse({"content": {"success": True, "data": "done"}})


def task(capability: str, policy: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"task": "t", "requirements": [{"id": "a", "capability": capability, "policy": policy}]} | more


def attempts(run: dict[str, Any]) -> list[tuple[str, int, str | None]]:
    return [(one["agent"], one["retries"], one["failure"]) for one in run["steps"][0]["attempts"]]


async def test_an_agent_that_fails_for_a_moment_is_called_again_under_the_same_key(
    place: tuple[Caller, Town],
):
    caller, town = place
    moody = Moody(500, 502)
    await town.move_in("moody", moody, price=0, capability="again")

    run = await caller.run(task("again", {"retries": 2}), "again")

    assert (run["status"], attempts(run)) == ("succeeded", [("moody", 2, None)])
    assert len(moody.keys) == 3
    assert len(set(moody.keys)) == 1


async def test_what_will_not_pass_is_not_tried_again(place: tuple[Caller, Town]):
    caller, town = place
    strict = Moody(400, 400)
    await town.move_in("strict", strict, price=0, capability="strict")

    run = await caller.run(task("strict", {"retries": 2}), "strict")

    assert (attempts(run), len(strict.keys)) == ([("strict", 0, "bad-status")], 1)


async def test_what_was_delivered_is_judged_once_however_poor(place: tuple[Caller, Town]):
    caller, town = place
    poor = Moody()
    await town.move_in("poor", poor, price=0, capability="poor")
    body = task("poor", {"retries": 2})
    body["requirements"][0]["quality"] = {"schema": {"type": "number"}}

    run = await caller.run(body, "poor")

    assert (attempts(run), len(poor.keys)) == ([("poor", 0, "poor-quality")], 1)


async def test_a_retry_is_told_in_the_run_s_history(place: tuple[Caller, Town]):
    caller, town = place
    await town.move_in("told", Moody(503), price=0, capability="told")

    run = await caller.run(task("told", {"retries": 1}), "told")

    events = (await caller.http.get(f"/v1/runs/{run['id']}/events")).text
    assert '"type":"attempt.retrying"' in events
    assert '"data":{"step":"a","attempt":1,"retry":1,"failure":"bad-status"}' in events


@pytest.mark.parametrize(("wanted", "tried"), [(0, 1), (1, 2), (9, 3), (None, 3)])
async def test_a_step_says_how_many_other_agents_are_tried_within_the_operator_s_limit(
    place: tuple[Caller, Town], wanted: int | None, tried: int
):
    caller, town = place
    capability = f"fall{wanted}".lower()
    for n in range(4):
        await town.move_in(f"{capability}{n}", Moody(400), price=0, capability=capability)

    run = await caller.run(task(capability, {"fallback_agents": wanted}), capability)

    assert len(attempts(run)) == tried


async def test_a_run_past_its_deadline_stops_like_a_cancelled_one(place: tuple[Caller, Town]):
    caller, town = place
    gate = asyncio.Event()

    async def slow(request: Request, agent: Agent) -> Response:
        await gate.wait()
        return JSONResponse({"content": {"success": True, "data": "late"}})

    await town.move_in("slow", slow, price=0, capability="slow")
    steps = [{"id": "a", "capability": "slow"}, {"id": "b", "capability": "slow", "needs": ["a"]}]

    run = await caller.start({"task": "t", "requirements": steps, "deadline_s": 1}, "slow")
    late = await caller.run_when(run["id"], lambda seen: seen["stopping"] is not None)
    gate.set()
    ended = await caller.ended(run["id"])

    assert (late["stopping"], run["deadline"] > run["created_at"]) == ("deadline", True)
    assert ended["status"] == "cancelled"
    assert [(step["status"], step["reason"]) for step in ended["steps"]] == [
        ("succeeded", None),
        ("skipped", "run-deadline"),
    ]


async def test_a_run_may_ask_for_less_at_once_than_the_operator_allows(place: tuple[Caller, Town]):
    caller, town = place
    working, most = 0, 0

    async def work(request: Request, agent: Agent) -> Response:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0)
        working -= 1
        return JSONResponse({"content": {"success": True, "data": 1}})

    await town.move_in("crew", work, price=0, capability="crew")
    steps = [{"id": f"s{n}", "capability": "crew"} for n in range(4)]

    run = await caller.run({"task": "t", "requirements": steps, "parallel": 1}, "crew")

    assert (run["status"], run["parallel"], most) == ("succeeded", 1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        task("x", {"retries": 6}),
        task("x", {"fallback_agents": 10}),
        task("x", {}, deadline_s=0),
        task("x", {}, deadline_s=8e20),
        task("x", {}, parallel=101),
    ],
)
async def test_a_limit_out_of_bounds_is_refused(place: tuple[Caller, Town], wrong: dict[str, Any]):
    answer = await place[0].post("/v1/plans", wrong)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
