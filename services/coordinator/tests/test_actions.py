"""The coordinator as an agent: what it offers, and what it answers to those who invoke it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Town

STEP = {"id": "a", "capability": "work"}
TASK: dict[str, Any] = {"task": "t", "requirements": [STEP]}


async def invoke(caller: Caller, name: str, parameters: Any, key: str | None = "k") -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await caller.post(f"/actions/{name}", {"parameters": parameters}, **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def worker(town: Town) -> Agent:
    async def work(request: Request, agent: Agent) -> Response:
        asked = (await request.json())["parameters"]
        return JSONResponse({"content": {"success": not asked.get("fail"), "data": "done"}})

    return await town.move_in("worker", work, price=0)


async def test_the_actions_are_listed_with_schema_and_examples(caller: Caller):
    plugin = (await caller.http.get("/actions")).json()

    assert [action["name"] for action in plugin["actions"]] == [
        "COORDINATE_AGENTS",
        "EXECUTE_WITH_INCENTIVES",
    ]
    for action in plugin["actions"]:
        assert action["parameters"]["type"] == "object"
        ((asked, answered),) = action["examples"]
        assert (asked["role"], answered["role"], answered["action"]) == ("user", "agent", action["name"])


async def test_the_coordinator_lists_itself_in_the_registry(caller: Caller, town: Town):
    assert {announced["id"] for announced in town.announced} <= {"mesh/coordinator"}
    card = (await caller.http.get("/.well-known/agent-card.json")).json()
    assert [skill["id"] for skill in card["skills"]] == ["COORDINATE_AGENTS", "EXECUTE_WITH_INCENTIVES"]


async def test_coordinating_gives_the_whole_run(caller: Caller, worker: Agent):
    reply = await invoke(caller, "COORDINATE_AGENTS", TASK)

    assert (reply["handled"], reply["content"]["success"]) == (True, True)
    assert reply["content"]["data"]["result"] == {"a": "done"}
    assert reply["text"] == "The run succeeded: 1 of 1 steps, 0 base units spent."
    assert reply["content"]["timestamp"]


async def test_a_run_that_fails_is_said_to_have_failed(caller: Caller, worker: Agent):
    reply = await invoke(
        caller, "COORDINATE_AGENTS", TASK | {"requirements": [STEP | {"parameters": {"fail": True}}]}
    )

    assert reply["content"]["success"] is False
    assert reply["content"]["error"]["code"] == "run-failed"
    assert reply["content"]["error"]["run"]["gaps"][0]["reason"] == "action-failed"


async def test_a_run_that_takes_longer_is_to_be_followed(caller: Caller, worker: Agent):
    reply = await invoke(caller, "COORDINATE_AGENTS", TASK | {"wait_s": 0})

    run = reply["content"]["data"]
    assert reply["text"] == f"The run goes on; follow it at /v1/runs/{run['id']}."
    assert (await caller.ended(run["id"]))["status"] == "succeeded"


async def test_executing_gives_result_quality_and_economic_outcome(caller: Caller, worker: Agent):
    reply = await invoke(caller, "EXECUTE_WITH_INCENTIVES", {"capability": "work"})

    outcome = reply["content"]["data"]
    assert (outcome["result"], outcome["economicOutcome"]) == ("done", "success")
    assert outcome["quality"]["score"] == 1.0
    assert reply["text"] == "The result held up."


async def test_a_refund_says_why(caller: Caller, worker: Agent):
    reply = await invoke(
        caller, "EXECUTE_WITH_INCENTIVES", {"capability": "work", "parameters": {"fail": True}}
    )

    assert reply["text"] == "Nothing was paid: action-failed."
    assert reply["content"]["data"]["economicOutcome"] == "refunded"


@pytest.mark.parametrize(
    ("name", "parameters"), [("COORDINATE_AGENTS", TASK), ("EXECUTE_WITH_INCENTIVES", {"capability": "work"})]
)
async def test_no_money_moves_without_a_key(caller: Caller, worker: Agent, name: str, parameters: Any):
    reply = await invoke(caller, name, parameters, key=None)

    assert reply["content"]["success"] is False
    assert reply["content"]["error"]["code"] == "idempotency-key-required"
    assert (await caller.http.get("/v1/runs")).json()["items"] == []


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("COORDINATE_AGENTS", {"task": "Bake a cake."}, "no-requirement-recognised"),
        ("COORDINATE_AGENTS", {"task": "t", "requirements": [STEP | {"needs": ["a"]}]}, "invalid-plan"),
        ("EXECUTE_WITH_INCENTIVES", {"capability": "nobody"}, "no-acceptable-agent"),
    ],
)
async def test_what_is_refused_is_the_action_s_answer(caller: Caller, name: str, parameters: Any, code: str):
    reply = await invoke(caller, name, parameters)

    assert reply["content"]["error"]["code"] == code


async def test_a_key_means_one_run_whether_it_comes_as_an_action_or_not(caller: Caller, worker: Agent):
    run = await caller.run(TASK, "one")
    await caller.run(TASK, "two")

    same = await invoke(caller, "COORDINATE_AGENTS", TASK, key="one")
    other = await invoke(caller, "COORDINATE_AGENTS", TASK | {"task": "another"}, key="two")

    assert same["content"]["data"]["id"] == run["id"]
    assert other["content"]["error"]["code"] == "idempotency-key-reused"
