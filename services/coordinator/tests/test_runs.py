"""Runs over HTTP: accepted, followed, waited for, cancelled, listed; results passed on, gaps named."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from mesh_coordinator.api.runs import preferred_wait_s

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Town

    from conftest import Calling


def free(id: str, **more: Any) -> dict[str, Any]:
    """A step for the agent that works for nothing."""
    return {"id": id, "capability": "free"} | more


def task(*requirements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"task": "Do it.", "requirements": list(requirements)} | more


@pytest.fixture
async def helper(town: Town) -> Agent:
    """Works for nothing, and delivers what it was asked with."""

    async def echo(request: Request, agent: Agent) -> Response:
        asked = await request.json()
        if asked["parameters"].get("fail"):
            return Response(status_code=500)
        return JSONResponse({"content": {"success": True, "data": {"asked": asked["parameters"]}}})

    return await town.move_in("helper", echo, price=0, capability="free")


class Patient:
    """An agent that works for nothing and answers when the test says so."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.calls = 0

    async def __call__(self, request: Request, agent: Agent) -> Response:
        self.calls += 1
        self.called.set()
        await self.may_answer.wait()
        return JSONResponse({"content": {"success": True, "data": "late"}})


@pytest.fixture
async def patient(town: Town) -> Patient:
    patient = Patient()
    await town.move_in("patient", patient, price=0, capability="patience")
    return patient


PATIENCE = {"id": "wait", "capability": "patience"}


async def test_a_run_is_accepted_at_once_and_followed_at_its_location(caller_on_both: Caller, helper: Agent):
    answer = await caller_on_both.post("/v1/runs", task(free("a")), **{"Idempotency-Key": "k"})

    assert answer.status_code == 202
    assert answer.json()["status"] == "running"
    followed = await caller_on_both.ended(answer.headers["location"].rpartition("/")[2])
    assert (followed["id"], followed["status"]) == (answer.json()["id"], "succeeded")


async def test_whoever_prefers_to_wait_gets_the_end(caller: Caller, helper: Agent):
    headers = {"Idempotency-Key": "k", "Prefer": "respond-async, wait=30"}

    answer = await caller.post("/v1/runs", task(free("a")), **headers)

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=30"


async def test_waiting_ends_when_it_was_asked_to_and_the_run_goes_on(caller: Caller, patient: Patient):
    run = await caller.start(task(PATIENCE), Prefer="wait=0")

    assert run["status"] == "running"
    patient.may_answer.set()
    assert (await caller.ended(run["id"]))["status"] == "succeeded"


async def test_results_are_passed_on_to_the_steps_that_refer_to_them(caller: Caller, helper: Agent):
    first = free("a", parameters={"n": [1, {"deep": None}], "in": {"$ref": "#/input/word"}})
    second = free("b", needs=["a"], parameters={"x": {"$ref": "#/steps/a/result/asked/n/1"}})
    third = free("c", needs=["b"], parameters={"all": {"$ref": "#/steps/a/result"}})

    run = await caller.run(task(first, second, third, input={"word": "w"}))

    assert run["result"]["b"] == {"asked": {"x": {"deep": None}}}
    assert run["result"]["c"] == {"asked": {"all": {"asked": {"n": [1, {"deep": None}], "in": "w"}}}}
    assert run["waves"] == [["a"], ["b"], ["c"]]


async def test_independent_steps_run_at_the_same_time(caller: Caller, town: Town):
    together = asyncio.Barrier(4)

    async def meet(request: Request, agent: Agent) -> Response:
        async with together:
            return JSONResponse({"content": {"success": True, "data": 1}})

    await town.move_in("social", meet, price=0, capability="meet")

    run = await caller.run(task(*[{"id": f"s{n}", "capability": "meet", "timeout_s": 10} for n in range(4)]))

    assert run["status"] == "succeeded"
    assert run["steps_ms"] > run["wall_ms"] > 0


async def test_a_result_without_the_place_that_is_referred_to_fails_the_step_that_refers(
    caller: Caller, helper: Agent
):
    second = free("b", needs=["a"], parameters={"x": {"$ref": "#/steps/a/result/nothing"}})

    run = await caller.run(task(free("a"), second))

    assert run["status"] == "partial"
    assert run["gaps"] == [{"step": "b", "status": "failed", "reason": "reference-missing", "detail": None}]


async def test_results_that_grow_too_large_together_fail_the_step_that_takes_them(
    caller: Caller, helper: Agent
):
    large = free("a", parameters={"text": "x" * 200_000})
    references = [{"$ref": "#/steps/a/result"}] * 10

    run = await caller.run(task(large, free("b", needs=["a"], parameters={"all": references})))

    assert [step["reason"] for step in run["steps"]] == [None, "parameters-too-large"]


async def test_a_gap_is_named_and_what_hangs_on_it_is_skipped(caller: Caller, helper: Agent):
    run = await caller.run(
        task(free("ok"), free("bad", parameters={"fail": True}), free("behind", needs=["bad"]))
    )

    assert run["status"] == "partial"
    assert [(gap["step"], gap["status"], gap["reason"]) for gap in run["gaps"]] == [
        ("bad", "failed", "bad-status"),
        ("behind", "skipped", "need-not-met"),
    ]
    assert list(run["result"]) == ["ok"]
    assert run["graph"] == (
        "wave 1   *    ok      free -> helper  free\n"
        "         x    bad     free -> helper  free\n"
        "wave 2   '-/  behind  free -> helper  free\n"
    )


async def test_fail_fast_ends_the_run_at_the_first_gap(caller: Caller, helper: Agent, patient: Patient):
    bad = free("bad", parameters={"fail": True})
    later = free("later", needs=["wait"])

    run = await caller.start(task(PATIENCE, bad, later, on_failure="fail_fast"))
    stopping = await caller.run_when(run["id"], lambda seen: seen["stopping"] == "failed")
    patient.may_answer.set()
    ended = await caller.ended(run["id"])

    assert stopping["status"] == "running"
    assert ended["status"] == "failed"
    assert {step["id"]: step["status"] for step in ended["steps"]} == {
        "wait": "succeeded",
        "bad": "failed",
        "later": "skipped",
    }


async def test_a_run_can_succeed_without_an_optional_step(caller: Caller, helper: Agent):
    run = await caller.run(task(free("ok"), free("extra", optional=True, parameters={"fail": True})))

    assert (run["status"], [gap["step"] for gap in run["gaps"]]) == ("succeeded", ["extra"])


async def test_only_as_many_agents_are_tried_as_the_operator_allows(caller: Caller, town: Town):
    async def broken(request: Request, agent: Agent) -> Response:
        return Response(status_code=500)

    for n in range(5):
        await town.move_in(f"broken{n}", broken, price=0, capability="broken")

    run = await caller.run(task({"id": "a", "capability": "broken"}))

    assert [attempt["number"] for attempt in run["steps"][0]["attempts"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (task(free("a", capability="nobody.does.this")), "no-acceptable-agent"),
        (task(free("a"), free("b", capability="nobody"), on_failure="fail_fast"), "no-acceptable-agent"),
        (task(free("a", needs=["a"])), "invalid-plan"),
        ({"task": "Bake a cake."}, "no-requirement-recognised"),
        (task(free("a"), budget="100000001"), "budget-above-limit"),
    ],
)
async def test_what_cannot_end_well_is_not_begun(
    caller: Caller, helper: Agent, body: dict[str, Any], code: str
):
    answer = await caller.post("/v1/runs", body, **{"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert (await caller.http.get("/v1/runs")).json()["items"] == []


async def test_a_plan_that_costs_more_than_the_budget_is_not_begun(caller: Caller, town: Town):
    await town.hire_sample("quick")
    step = {"id": "s", "capability": "text.summarize", "parameters": {"text": "A."}}
    twice = task(step, step | {"id": "t"}, budget="49999")

    answer = await caller.post("/v1/runs", twice, **{"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (409, "budget-too-small")
    assert (answer.json()["price"], answer.json()["budget"]) == ("50000", "49999")


async def test_a_run_may_have_gaps_where_nobody_can_be_hired(caller: Caller, helper: Agent):
    run = await caller.run(task(free("a"), free("b", capability="nobody")))

    assert run["status"] == "partial"
    assert run["gaps"][0]["reason"] == "no-acceptable-agent"


async def test_an_etag_changes_when_something_happens_and_only_then(caller: Caller, patient: Patient):
    run = await caller.start(task(PATIENCE))
    await patient.called.wait()
    url = f"/v1/runs/{run['id']}"
    first = await caller.http.get(url)
    tag = first.headers["etag"]

    unchanged = await caller.http.get(url, headers={"If-None-Match": tag})
    patient.may_answer.set()
    await caller.ended(run["id"])
    changed = await caller.http.get(url, headers={"If-None-Match": tag})

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert changed.status_code == 200
    assert changed.headers["etag"] == f'"{run["id"]}-{changed.json()["version"]}"' != tag


async def test_a_cancelled_run_starts_nothing_more_and_judges_what_runs(
    caller_on_both: Caller, patient: Patient
):
    caller = caller_on_both
    run = await caller.start(task(PATIENCE, {"id": "next", "capability": "patience", "needs": ["wait"]}))
    await patient.called.wait()

    answer = await caller.post(f"/v1/runs/{run['id']}/cancel")
    again = await caller.post(f"/v1/runs/{run['id']}/cancel")
    patient.may_answer.set()
    ended = await caller.ended(run["id"])

    assert (answer.status_code, answer.json()["stopping"]) == (202, "cancelled")
    assert (again.status_code, again.json()["version"] >= answer.json()["version"]) == (202, True)
    assert ended["status"] == "cancelled"
    assert [(step["status"], step["reason"]) for step in ended["steps"]] == [
        ("succeeded", None),
        ("skipped", "run-cancelled"),
    ]
    assert ended["result"] == {"wait": "late"}


async def test_what_has_ended_cannot_be_cancelled(caller: Caller, helper: Agent):
    run = await caller.run(task(free("a")))

    answer = await caller.post(f"/v1/runs/{run['id']}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "run-ended")
    assert answer.json()["run_status"] == "succeeded"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/graph"),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("POST", "/pause"),
        ("POST", "/resume"),
    ],
)
async def test_a_run_that_nobody_started_is_not_found(caller: Caller, method: str, path: str):
    answer = await caller.http.request(method, f"/v1/runs/{uuid4()}{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, "run-not-found")


async def test_the_graph_is_plain_text(caller: Caller, helper: Agent):
    run = await caller.run(task(free("a"), free("b", needs=["a"])))

    answer = await caller.http.get(f"/v1/runs/{run['id']}/graph")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == run["graph"]
    assert answer.text == "wave 1   *    a  free -> helper  free\nwave 2   '-*  b  free -> helper  free\n"


async def pages(caller: Caller, url: str) -> list[list[dict[str, Any]]]:
    """Every page from `url` on, by the links."""
    found: list[list[dict[str, Any]]] = []
    while url:
        answer = await caller.http.get(url)
        found.append(answer.json()["items"])
        link = answer.headers.get("link", "")
        url = link[1 : link.index(">")] if link else ""
    return found


async def test_runs_are_listed_newest_first_and_pages_stay_right_while_others_begin(
    caller_on_both: Caller, helper: Agent
):
    caller = caller_on_both
    ids = [(await caller.start(task(free("a")), str(n)))["id"] for n in range(5)]

    first = (await caller.http.get("/v1/runs", params={"limit": 2})).json()
    await caller.start(task(free("a")), "late")
    rest = await pages(caller, f"/v1/runs?limit=2&cursor={first['next_cursor']}")

    assert [run["id"] for run in first["items"]] == ids[:2:-1]
    assert [[run["id"] for run in page] for page in rest] == [ids[2:0:-1], ids[:1]]


async def test_runs_are_listed_by_how_they_stand(caller_on_both: Caller, helper: Agent, patient: Patient):
    caller = caller_on_both
    done = await caller.run(task(free("a")), "done")
    open_ = await caller.start(task(PATIENCE), "open")

    listed = {
        status: [
            run["id"]
            for run in (await caller.http.get("/v1/runs", params={"status": status})).json()["items"]
        ]
        for status in ("succeeded", "running", "failed")
    }

    assert listed == {"succeeded": [done["id"]], "running": [open_["id"]], "failed": []}
    patient.may_answer.set()


@pytest.mark.parametrize("cursor", ["made-up", "e30.x", "WzFd.AAAA"])
async def test_a_cursor_that_was_not_issued_is_not_found(caller: Caller, cursor: str):
    answer = await caller.http.get("/v1/runs", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (404, "cursor-not-found")


async def test_what_is_done_later_belongs_to_the_trace_of_who_asked(caller: Caller, town: Town):
    heard: list[str] = []

    async def listen(request: Request, agent: Agent) -> Response:
        heard.append(request.headers["traceparent"])
        return JSONResponse({"content": {"success": True, "data": 1}})

    await town.move_in("listener", listen, price=0, capability="free")
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    asked = f"00-{trace_id}-b7ad6b7169203331-01"

    run = await caller.start(task(free("a")), traceparent=asked)
    await caller.ended(run["id"])

    assert [one.split("-")[1] for one in heard] == [trace_id]
    assert {fact["traceparent"].split("-")[1] for fact in await caller.facts()} == {trace_id}


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        ("wait=5", 5),
        ("WAIT=7; foo", 7),
        ("respond-async,wait=3", 3),
        ("wait=99999", 30),
        ("wait=-1", None),
        ("wait=x", None),
        ("await=5", None),
        ("return=minimal", None),
        (None, None),
    ],
)
def test_a_preference_to_wait_is_read_as_rfc_7240_says(prefer: str | None, wait_s: int | None):
    assert preferred_wait_s(prefer) == wait_s


async def test_a_run_that_names_no_budget_has_the_operator_s(calling: Calling, town: Town):
    await town.hire_sample("quick")
    step = {"id": "s", "capability": "text.summarize", "parameters": {"text": "A."}}

    async with calling(max_run_budget=24_999) as caller:
        answer = await caller.post("/v1/runs", task(step), **{"Idempotency-Key": "k"})
        plan = await caller.plan(task(step))

    assert (answer.status_code, answer.json()["code"]) == (409, "no-acceptable-agent")
    assert plan["steps"][0]["candidates"][0]["reason"] == "asks for more than the budget"
