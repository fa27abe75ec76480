"""What a run amounts to: quorums, and the output that its owner asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(place: tuple[Caller, Town]) -> Caller:
    """Somebody with an agent that works for nothing: it fails, or delivers what it was asked with."""

    async def echo(request: Request, agent: Agent) -> Response:
        asked = (await request.json())["parameters"]
        if asked.get("fail"):
            return Response(status_code=400)
        return JSONResponse({"content": {"success": True, "data": asked}})

    caller, town = place
    await town.move_in("echo", echo, price=0, capability="echo")
    return caller


def step(id: str, **parameters: Any) -> dict[str, Any]:
    return {"id": id, "capability": "echo", "parameters": parameters}


def task(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"task": "t", "requirements": list(steps)} | more


async def test_a_run_answers_what_its_owner_asked_for(caller: Caller):
    output = {
        "word": {"$ref": "#/steps/a/result/word"},
        "all": [{"$ref": "#/steps/a/result"}, {"$ref": "#/input/i"}],
        "gap": {"$ref": "#/steps/b/result"},
    }
    body = task(step("a", word="w"), step("b", fail=True), output=output, input={"i": 7})

    started = await caller.start(body, "output")
    run = await caller.ended(started["id"])

    assert started["output"] is None
    assert run["output"] == {"word": "w", "all": [{"word": "w"}, 7]}
    assert [gap["step"] for gap in run["gaps"]] == ["b"]


async def test_a_run_that_asked_for_nothing_answers_nothing(caller: Caller):
    run = await caller.run(task(step("a")), "nothing")

    assert run["output"] == {}


@pytest.mark.parametrize(("quorum", "status"), [(1, "succeeded"), (2, "failed")])
async def test_a_quorum_decides_what_is_a_success(caller: Caller, quorum: int, status: str):
    body = task(step("a"), step("b", fail=True), on_failure={"quorum": quorum})

    run = await caller.run(body, f"quorum{quorum}")

    assert (run["status"], run["on_failure"]) == (status, {"quorum": quorum})
    assert [gap["step"] for gap in run["gaps"]] == ["b"]


async def test_a_quorum_for_which_nobody_can_be_hired_is_not_begun(caller: Caller):
    body = task(step("a"), step("b") | {"capability": "nobody"}, on_failure={"quorum": 2})

    answer = await caller.post("/v1/runs", body, **{"Idempotency-Key": "nobody"})

    assert (answer.status_code, answer.json()["code"]) == (409, "no-acceptable-agent")


@pytest.mark.parametrize("on_failure", [{"quorum": 0}, {"quorum": 501}, {"quorum": 8e20}, {}, "quorum"])
async def test_a_quorum_out_of_bounds_is_refused(caller: Caller, on_failure: Any):
    answer = await caller.post("/v1/plans", task(step("a"), on_failure=on_failure))

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
