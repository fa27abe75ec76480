"""A step is done once for each element of an array, and its result is the array of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def called(place: tuple[Caller, Town]) -> list[Any]:
    """What the town's agent was called with: it delivers `n` doubled, or what it is told to."""
    called: list[Any] = []

    async def double(request: Request, agent: Agent) -> Response:
        asked = (await request.json())["parameters"]
        called.append(asked)
        if asked.get("n") == "fail":
            return Response(status_code=400)
        data = asked["give"] if "give" in asked else asked["n"] * 2
        return JSONResponse({"content": {"success": True, "data": data}})

    await place[1].move_in("doubler", double, price=0, capability="double")
    return called


@pytest.fixture
def caller(place: tuple[Caller, Town], called: list[Any]) -> Caller:
    called.clear()
    return place[0]


def step(id: str, **more: Any) -> Body:
    return {"id": id, "capability": "double"} | more


def each(target: str, *needs: str, **more: Any) -> Body:
    parameters = {"n": {"$ref": "#/item"}}
    return step("each", for_each={"$ref": target}, parameters=parameters, needs=list(needs)) | more


def task(*steps: Body, **more: Any) -> Body:
    return {"task": "t", "requirements": list(steps)} | more


def reasons(run: Body) -> dict[str, Any]:
    return {one["id"]: (one["status"], one["reason"]) for one in run["steps"]}


async def test_results_come_in_the_order_of_the_array_and_are_passed_on(caller: Caller, called: list[Any]):
    after = step("after", needs=["each"], parameters={"give": {"$ref": "#/steps/each/result/2"}})

    run = await caller.run(task(each("#/input/list"), after, input={"list": [3, 1, 2]}), "order")

    assert run["status"] == "succeeded"
    assert run["result"] == {"each": [6, 2, 4], "after": 4}
    assert [one["id"] for one in run["steps"]] == ["each", "each.1", "each.2", "each.3", "after"]
    assert {one["parent"] for one in run["steps"]} == {None, "each"}
    assert run["waves"] == [["each.1", "each.2", "each.3"], ["each"], ["after"]]


async def test_the_array_may_be_an_earlier_result(caller: Caller):
    first = step("list", parameters={"give": {"found": ["a", "b"]}})

    run = await caller.run(task(first, each("#/steps/list/result/found", "list")), "result")

    assert run["result"]["each"] == ["aa", "bb"]


async def test_what_an_element_looks_like_is_never_followed(caller: Caller):
    trap = {"$ref": "#/input/secret"}
    first = step("list", parameters={"give": {"$ref": "#/input/list"}})
    mapped = each("#/steps/list/result", "list") | {"parameters": {"give": [{"$ref": "#/item"}]}}

    run = await caller.run(task(first, mapped, input={"list": [{"x": trap}], "secret": "s"}), "trap")

    assert run["result"]["each"] == [[{"x": trap}]]


async def test_an_empty_array_is_an_empty_result(caller: Caller, called: list[Any]):
    run = await caller.run(task(each("#/input/list"), input={"list": []}), "empty")

    assert (run["status"], run["result"], called) == ("succeeded", {"each": []}, [])


async def test_one_item_that_fails_fails_the_step(caller: Caller):
    run = await caller.run(task(each("#/input/list"), input={"list": [1, "fail"]}), "fail")

    assert run["status"] == "failed"
    assert reasons(run)["each"] == ("failed", "item-failed")
    assert reasons(run)["each.2"] == ("failed", "bad-status")
    assert [gap["step"] for gap in run["gaps"]] == ["each"]


@pytest.mark.parametrize(
    ("delivered", "reason"),
    [
        ({"found": 7}, "not-an-array"),
        ({"found": [0] * 101}, "too-many-items"),
        ({}, "reference-missing"),
    ],
)
async def test_a_result_that_cannot_be_gone_through_fails_the_step(
    caller: Caller, delivered: Any, reason: str
):
    first = step("list", parameters={"give": delivered})

    run = await caller.run(task(first, each("#/steps/list/result/found", "list")), reason)

    assert reasons(run)["each"] == ("failed", reason)


async def test_a_run_has_five_hundred_steps_at_most_with_those_that_it_makes(caller: Caller):
    many = [step(f"s{n}", parameters={"give": 1}, needs=["each"]) for n in range(450)]
    body = task(each("#/input/list"), *many, input={"list": list(range(50))})

    run = await caller.run(body, "many")

    assert reasons(run)["each"] == ("failed", "too-many-steps")
    assert len(run["steps"]) == 451


async def test_results_that_grow_too_large_together_fail_the_step(caller: Caller):
    mapped = each("#/input/list") | {"parameters": {"n": {"$ref": "#/input/large"}}}

    run = await caller.run(task(mapped, input={"list": [0] * 6, "large": "x" * 100_000}), "large")

    assert reasons(run)["each"] == ("failed", "results-too-large")


async def test_a_fork_keeps_a_gathered_result(caller: Caller, called: list[Any]):
    after = step("after", needs=["each"], parameters={"give": {"$ref": "#/steps/each/result"}})
    run = await caller.run(task(each("#/input/list"), after, input={"list": [1, 2]}), "whole")
    called.clear()

    answer = await caller.post(
        f"/v1/runs/{run['id']}/fork", {"from_step": "after"}, **{"Idempotency-Key": "fork"}
    )
    forked = await caller.ended(answer.json()["id"])

    assert (forked["result"], called) == ({"each": [2, 4], "after": [2, 4]}, [{"give": [2, 4]}])


@pytest.mark.parametrize("wrong", [{}, {"$ref": 1}, {"x": "#/input"}, "#/input", []])
async def test_what_is_no_reference_is_refused(caller: Caller, wrong: Any):
    answer = await caller.post("/v1/plans", task(step("a", for_each=wrong)))

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
