"""What a run did before it failed is taken back by those who did it, in the reverse order, for nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from fastapi import Request, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from callers import Caller
    from towns import Agent, Body, Town

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRICE = 100


@dataclass
class Author:
    """Makes drafts for a hundred units, and deletes them for nothing."""

    town: Town
    made: list[str] = field(default_factory=list[str])
    deleted: list[Any] = field(default_factory=list[Any])
    keys: set[str] = field(default_factory=set[str])
    escrows: list[str | None] = field(default_factory=list[str | None])
    deletes: bool = True

    async def make(self, request: Request, agent: Agent) -> Response:
        asked = await request.json()
        if asked["parameters"].get("fail"):
            return Response(status_code=400)
        self.made.append(step := asked["context"]["step_id"])
        return self.town.delivered(request, agent, {"draft": f"of-{step}"})

    async def delete(self, request: Request) -> Response:
        if not self.deletes:
            return Response(status_code=400)
        self.deleted.append((await request.json())["parameters"])
        self.keys.add(request.headers["idempotency-key"])
        self.escrows.append(request.headers.get("x-escrow-id"))
        return JSONResponse({"content": {"success": True, "data": "deleted"}})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def moved_in(place: tuple[Caller, Town]) -> Author:
    author = Author(place[1])
    await place[1].move_in("author", author.make, price=PRICE, capability="draft")
    place[1].app.add_route("/agents/author/actions/DELETE", author.delete, methods=["POST"])
    return author


@pytest.fixture
def author(moved_in: Author) -> Author:
    """The author, with nothing made yet."""
    moved_in.made.clear()
    moved_in.deleted.clear()
    moved_in.keys.clear()
    moved_in.escrows.clear()
    moved_in.deletes = True
    return moved_in


@pytest.fixture
def caller(place: tuple[Caller, Town], author: Author) -> Caller:
    return place[0]


def draft(id: str, *needs: str, **more: Any) -> Body:
    undo = {"action": "DELETE", "parameters": {"draft": {"$ref": f"#/steps/{id}/result/draft"}}}
    return {"id": id, "capability": "draft", "needs": list(needs), "compensate": undo} | more


def broken(*needs: str) -> Body:
    return {"id": "broken", "capability": "draft", "needs": list(needs), "parameters": {"fail": True}}


def task(*steps: Body, **more: Any) -> Body:
    return {"task": "t", "requirements": list(steps), "on_failure": "fail_fast"} | more


async def told(caller: Caller, run: Body) -> list[str]:
    events = (await caller.http.get(f"/v1/runs/{run['id']}/events")).text
    return [line.partition(": ")[2] for line in events.splitlines() if line.startswith("event: ")]


async def test_a_failed_run_takes_back_what_was_done_in_the_reverse_order(caller: Caller, author: Author):
    run = await caller.run(task(draft("a"), draft("b", "a"), broken("b")), "failed")

    assert (run["status"], author.made) == ("failed", ["a", "b"])
    assert author.deleted == [{"draft": "of-b"}, {"draft": "of-a"}]
    assert (len(author.keys), author.escrows) == (2, [None, None])
    assert run["budget"]["spent"] == str(2 * PRICE)
    assert [one["id"] for one in run["steps"] if one["is_compensation"]] == ["a.undo", "b.undo"]
    events = await told(caller, run)
    assert [event for event in events if "compens" in event] == ["step.compensating", "step.compensated"] * 2
    assert events[-1] == "run.failed"


async def test_a_cancelled_run_takes_back_what_was_done(caller: Caller, author: Author):
    waits = draft("b", "a", approval="always")
    run = await caller.start(task(draft("a"), waits), "cancelled")
    await caller.run_when(run["id"], lambda seen: seen["steps"][1]["status"] == "awaiting_approval")

    await caller.post(f"/v1/runs/{run['id']}/cancel")
    ended = await caller.ended(run["id"])

    assert (ended["status"], author.deleted) == ("cancelled", [{"draft": "of-a"}])
    assert list(ended["result"]) == ["a"]


async def test_a_run_that_ends_well_enough_takes_nothing_back(caller: Caller, author: Author):
    run = await caller.run(task(draft("a"), broken("a"), on_failure="partial"), "partial")

    assert (run["status"], author.deleted) == ("partial", [])


async def test_what_cannot_be_taken_back_is_told_and_the_rest_is_taken_back(caller: Caller, author: Author):
    author.deletes = False

    run = await caller.run(task(draft("a"), broken("a")), "refused")

    (undo,) = [one for one in run["steps"] if one["is_compensation"]]
    assert (run["status"], undo["status"], undo["reason"]) == ("failed", "failed", "bad-status")
    assert "step.not_compensated" in await told(caller, run)
    assert [gap["step"] for gap in run["gaps"]] == ["broken"]


async def test_each_item_of_a_step_is_taken_back_with_its_own_result(caller: Caller, author: Author):
    mapped = draft("each", for_each={"$ref": "#/input/list"})

    run = await caller.run(task(mapped, broken("each"), input={"list": [1, 2]}), "items")

    assert run["status"] == "failed"
    assert sorted(one["draft"] for one in author.deleted) == ["of-each.1", "of-each.2"]


async def test_a_fork_takes_back_nothing_that_it_only_kept(caller: Caller, author: Author):
    run = await caller.run(task(draft("a"), broken("a"), on_failure="partial"), "kept")

    answer = await caller.post(
        f"/v1/runs/{run['id']}/fork", {"from_step": "broken"}, **{"Idempotency-Key": "fork"}
    )
    forked = await caller.ended(answer.json()["id"])

    assert (forked["status"], author.deleted) == ("partial", [])
    assert forked["result"] == run["result"]


@pytest.mark.parametrize("wrong", [{}, {"action": "a/b"}, {"action": "A", "parameters": []}, "DELETE"])
async def test_a_compensation_that_makes_no_call_is_refused(caller: Caller, wrong: Any):
    answer = await caller.post("/v1/plans", task(draft("a") | {"compensate": wrong}))

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
