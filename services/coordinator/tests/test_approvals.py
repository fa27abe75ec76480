"""A person is asked before anything of a step is reserved or called, and is answered the same again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import pytest_asyncio
from fastapi import Request, Response

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def called(place: tuple[Caller, Town]) -> list[str]:
    """The runs for which the town's agents were called: one works for nothing, one for 500."""
    called: list[str] = []

    async def work(request: Request, agent: Agent) -> Response:
        called.append((await request.json())["context"]["run_id"])
        return place[1].delivered(request, agent, "done")

    await place[1].move_in("free", work, price=0, capability="free")
    await place[1].move_in("dear", work, price=500, capability="dear")
    return called


@pytest.fixture
def caller(place: tuple[Caller, Town], called: list[str]) -> Caller:
    return place[0]


def task(approval: Any = "always", capability: str = "free", **more: Any) -> Body:
    step = {"id": "a", "capability": capability, "approval": approval}
    after = {"id": "b", "capability": "free", "needs": ["a"]}
    return {"task": "t", "requirements": [step, after]} | more


async def asked(caller: Caller, body: Body) -> Body:
    """The run once it waits for a person."""
    run = await caller.start(body, str(uuid4()))
    return await caller.run_when(run["id"], lambda seen: seen["steps"][0]["status"] == "awaiting_approval")


async def decide(caller: Caller, run: Body, decision: str) -> Any:
    approval_id = run["steps"][0]["approval"]["id"]
    return await caller.post(f"/v1/runs/{run['id']}/approvals/{approval_id}", {"decision": decision})


async def test_an_approved_step_goes_on_and_was_not_touched_before(caller: Caller, called: list[str]):
    run = await asked(caller, task(capability="dear"))

    before = (run["budget"], run["steps"][0]["attempts"], run["id"] in called)
    answer = await decide(caller, run, "approve")
    ended = await caller.ended(run["id"])

    assert before == ({"limit": "100000000", "reserved": "0", "spent": "0"}, [], False)
    assert (answer.status_code, answer.json()["state"], answer.json()["price"]) == (200, "approved", "500")
    assert (ended["status"], ended["budget"]["spent"]) == ("succeeded", "500")


async def test_a_denied_step_fails_and_what_needs_it_is_skipped(caller: Caller, called: list[str]):
    run = await asked(caller, task())

    await decide(caller, run, "deny")
    ended = await caller.ended(run["id"])

    assert ended["status"] == "failed"
    assert [(step["status"], step["reason"]) for step in ended["steps"]] == [
        ("failed", "approval-denied"),
        ("skipped", "need-not-met"),
    ]
    assert run["id"] not in called


async def test_the_same_decision_again_changes_nothing_and_another_is_refused(caller: Caller):
    run = await asked(caller, task())
    first = await decide(caller, run, "approve")
    await caller.ended(run["id"])

    again = await decide(caller, run, "approve")
    other = await decide(caller, run, "deny")

    assert (again.status_code, again.json()) == (200, first.json())
    assert (other.status_code, other.json()["code"]) == (409, "approval-decided")
    assert other.json()["decision"] == "approved"


async def test_of_many_who_decide_at_once_one_decision_stands(caller: Caller):
    run = await asked(caller, task())

    answers = await asyncio.gather(*(decide(caller, run, d) for d in ["approve", "deny"] * 5))

    taken = {answer.json()["state"] for answer in answers if answer.status_code == 200}
    assert len(taken) == 1
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    step = (await caller.ended(run["id"]))["steps"][0]
    assert step["approval"]["state"] in taken


async def test_who_decided_and_what_was_asked_is_in_the_history(caller: Caller):
    run = await asked(caller, task())
    await decide(caller, run, "approve")
    ended = await caller.ended(run["id"])

    events = (await caller.http.get(f"/v1/runs/{run['id']}/events")).text
    approval = ended["steps"][0]["approval"]
    assert f'"data":{{"step":"a","approval_id":"{approval["id"]}","price":"0"}}' in events
    assert events.index("step.approval_requested") < events.index("step.approved")
    assert (approval["state"], approval["by"]) == ("approved", "tester")


async def test_a_person_is_asked_above_a_price(caller: Caller):
    run = await asked(caller, task({"above": "499"}, "dear"))

    await decide(caller, run, "deny")
    assert (await caller.ended(run["id"]))["status"] == "failed"


async def test_nobody_is_asked_up_to_that_price(caller: Caller):
    run = await caller.run(task({"above": "500"}, "dear"), "above")

    assert (run["status"], run["steps"][0]["approval"]) == ("succeeded", None)


async def test_a_question_expires_with_the_run(caller: Caller):
    run = await asked(caller, task(deadline_s=3))
    ended = await caller.ended(run["id"])

    answer = await decide(caller, run, "approve")

    assert (ended["status"], ended["steps"][0]["reason"]) == ("cancelled", "run-deadline")
    assert (answer.status_code, answer.json()["code"]) == (409, "approval-expired")


async def test_a_run_that_waits_for_a_person_does_not_wait_for_ever(caller: Caller):
    run = await asked(caller, task())

    assert run["deadline"] is not None
    await caller.post(f"/v1/runs/{run['id']}/cancel")


async def test_whoever_has_not_the_scope_decides_nothing(caller: Caller):
    url = f"/v1/runs/{uuid4()}/approvals/{uuid4()}"

    refused = await caller.http.post(url, json={"decision": "approve"}, headers=caller.others)
    unknown = await caller.post(url, {"decision": "approve"})
    wrong = await caller.post(url, {"decision": "perhaps"})

    assert (refused.status_code, refused.json()["missing"]) == (403, ["coordinator:approve"])
    assert (unknown.status_code, unknown.json()["code"]) == (404, "run-not-found")
    assert wrong.status_code == 422


async def test_an_approval_of_another_run_is_not_found(caller: Caller):
    run = await asked(caller, task())

    answer = await caller.post(f"/v1/runs/{run['id']}/approvals/{uuid4()}", {"decision": "approve"})

    assert (answer.status_code, answer.json()["code"]) == (404, "approval-not-found")
    await decide(caller, run, "deny")


async def test_people_hear_of_a_question_as_a_fact(caller: Caller):
    run = await asked(caller, task())

    facts = await caller.facts("approval-requested")

    (told,) = [fact["data"] for fact in facts if fact["subject"] == run["id"]]
    assert told["approval_id"] == run["steps"][0]["approval"]["id"]
    await decide(caller, run, "deny")
