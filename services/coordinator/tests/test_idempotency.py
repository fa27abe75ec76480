"""A request that is repeated runs, and pays, once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from mesh_shared.database.engine import Database
from mesh_shared.web.idempotency import IdempotencyRow
from sqlalchemy import delete, update

if TYPE_CHECKING:
    from callers import Caller
    from chains import Chain
    from towns import Agent, Town

    from conftest import Calling

STEP = {"id": "a", "capability": "work"}
BODY: dict[str, Any] = {"task": "t", "requirements": [STEP]}


@pytest.fixture
async def counted(town: Town) -> list[str]:
    """The keys under which the town's agent was called."""
    keys: list[str] = []

    async def work(request: Request, agent: Agent) -> Response:
        keys.append(request.headers["idempotency-key"])
        return town.delivered(request, agent, "done")

    await town.move_in("worker", work)
    return keys


async def forget_requests(caller: Caller) -> None:
    """A day goes by: the answers that were kept are gone."""
    async with database_of(caller).write() as session:
        await session.execute(delete(IdempotencyRow))


def database_of(caller: Caller) -> Database:
    assert caller.app is not None
    return caller.app.state.platform.database


async def posted(caller: Caller, path: str, body: Any, key: str = "k") -> Any:
    return await caller.post(path, body, **{"Idempotency-Key": key, "Prefer": "wait=20"})


async def test_a_repeated_request_gets_the_first_answer(caller: Caller, counted: list[str]):
    first = await posted(caller, "/v1/runs", BODY)
    again = await posted(caller, "/v1/runs", BODY)

    assert again.json() == first.json()
    assert (again.status_code, again.headers["idempotency-replayed"]) == (first.status_code, "true")
    assert len(counted) == 1


async def test_a_hundred_identical_requests_at_once_are_one_run(
    caller_on_both: Caller, counted: list[str], chain: Chain, payer: str
):
    caller = caller_on_both

    answers = await asyncio.gather(*(posted(caller, "/v1/runs", BODY) for _ in range(100)))

    told = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert set(told) <= {(200, None), (409, "idempotent-request-running")}
    assert told[200, None] >= 1
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 409)
    assert len((await caller.http.get("/v1/runs")).json()["items"]) == 1
    assert len(counted) == 1
    assert await chain.units(payer) == 999_000


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/execute"])
async def test_a_key_that_comes_back_with_another_body_is_refused(
    caller: Caller, counted: list[str], path: str
):
    bodies = {
        "/v1/runs": [BODY, BODY | {"task": "u"}],
        "/v1/execute": [{"capability": "work"}, {"capability": "x"}],
    }
    first, other = bodies[path]
    await posted(caller, path, first)

    answer = await posted(caller, path, other)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-reused")


async def test_a_key_belongs_to_its_run_also_when_the_kept_answer_is_gone(caller: Caller, counted: list[str]):
    first = await posted(caller, "/v1/runs", BODY)
    await forget_requests(caller)

    again = await posted(caller, "/v1/runs", BODY)
    await forget_requests(caller)
    other = await posted(caller, "/v1/runs", BODY | {"budget": "5000"})

    assert again.json()["id"] == first.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    assert len(counted) == 1


async def test_a_known_key_with_a_task_that_makes_no_sense_is_refused_as_such(
    caller: Caller, counted: list[str]
):
    await posted(caller, "/v1/runs", BODY)
    await forget_requests(caller)
    deep: Any = 1
    for _ in range(100):
        deep = [deep]

    answer = await posted(caller, "/v1/runs", BODY | {"input": {"x": deep}})

    assert (answer.status_code, answer.json()["code"]) == (409, "invalid-plan")


async def test_the_same_key_of_two_callers_is_two_runs(caller: Caller, counted: list[str], issuer: Any):
    other = issuer.headers("coordinator:run", audience="coordinator", subject="somebody else")

    mine = await posted(caller, "/v1/runs", BODY)
    theirs = await caller.post("/v1/runs", BODY, **other, **{"Idempotency-Key": "k", "Prefer": "wait=20"})

    assert mine.json()["id"] != theirs.json()["id"]
    assert len(counted) == 2


async def test_the_same_key_for_a_run_and_for_a_call_is_two_runs(caller: Caller, counted: list[str]):
    run = await posted(caller, "/v1/runs", BODY)
    call = await posted(caller, "/v1/execute", {"capability": "work"})

    assert run.json()["id"] != call.json()["run_id"]


@pytest.mark.parametrize(("path", "body"), [("/v1/runs", BODY), ("/v1/execute", {"capability": "work"})])
async def test_where_money_moves_a_key_is_required(caller: Caller, counted: list[str], path: str, body: Any):
    answer = await caller.post(path, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-required")
    assert counted == []


async def test_a_run_whose_request_died_with_the_process_is_found_by_its_key(
    calling: Calling, counted: list[str]
):
    async with calling() as caller:
        first = await caller.run(BODY, "k")
        async with database_of(caller).write() as session:
            # As the crash leaves it: claimed, and never answered.
            await session.execute(update(IdempotencyRow).values(status=None, body=None))

    async with calling() as caller:
        again = await caller.run(BODY, "k")

    assert again["id"] == first["id"]
    assert len(counted) == 1
