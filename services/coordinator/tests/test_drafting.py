"""A language model drafts plans for words that no rule knows, and is believed no more than a caller."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mesh_coordinator.adapters.drafting import NAME, ChatDrafter
from mesh_coordinator.domain.requirements import Requirement
from mesh_shared.errors import Unavailable
from mesh_shared.testing import served
from mesh_shared.web.idempotency import IdempotencyRow
from pydantic import SecretStr
from sqlalchemy import delete

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callers import Caller
    from towns import Agent, Town

    from conftest import Calling

WORDS = "Sing me something about the sea."
STEP = {"id": "song", "capability": "song.write", "parameters": {"about": {"$ref": "#/input/theme"}}}


class Model:
    """A model's endpoint: says what the test wants, and notes what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.says: Any = {"requirements": [STEP]}
        self.status = 200
        self.asked: list[Any] = []
        self.keys: list[str | None] = []

    async def complete(self, request: Request) -> Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        said = self.says if isinstance(self.says, str) else json.dumps(self.says)
        return JSONResponse({"choices": [{"message": {"content": said}}]}, self.status)


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    model, endpoint = Model(), FastAPI()
    endpoint.add_api_route("/v1/chat/completions", model.complete, methods=["POST"])
    async with served(endpoint) as url:
        model.url = f"{url}/v1"
        yield model


@pytest.fixture
async def drafter(model: Model) -> AsyncIterator[ChatDrafter]:
    async with httpx.AsyncClient() as http:
        yield ChatDrafter(http=http, url=model.url, model="bard", key=SecretStr("key-of-the-model"))


async def test_a_draft_is_steps_that_say_where_they_come_from(model: Model, drafter: ChatDrafter):
    last = {"id": "sung", "capability": "song.sing", "needs": ["song"], "optional": True}
    model.says = {"requirements": [STEP, last]}

    drafted = await drafter.draft(WORDS, ["theme"])

    assert drafted == [
        Requirement(
            id="song", capability="song.write", parameters={"about": {"$ref": "#/input/theme"}}, rule=NAME
        ),
        Requirement(id="sung", capability="song.sing", needs=("song",), optional=True, rule=NAME),
    ]


async def test_the_model_sees_the_task_and_the_names_of_the_inputs(model: Model, drafter: ChatDrafter):
    await drafter.draft(WORDS, ["theme", "{odd}"])

    (asked,) = model.asked
    assert (asked["model"], asked["messages"][1]["content"]) == ("bard", WORDS)
    assert "The inputs are: theme, {odd}." in asked["messages"][0]["content"]
    assert model.keys == ["Bearer key-of-the-model"]


@pytest.mark.parametrize(
    "says",
    [
        "I would rather not.",
        {"requirements": []},
        {"requirements": [STEP] * 21},
        {"requirements": [STEP | {"max_price": "5"}]},
        {"requirements": [STEP | {"approval": "always"}]},
        {"requirements": [STEP | {"capability": "../x"}]},
        {"requirements": [STEP], "budget": "5"},
        [],
    ],
)
async def test_what_does_not_fit_is_no_draft(model: Model, drafter: ChatDrafter, says: Any):
    model.says = says

    assert not await drafter.draft(WORDS, [])


@pytest.mark.parametrize(("status", "says"), [(500, ""), (401, ""), (302, ""), (200, "x" * 300_000)])
async def test_a_model_that_fails_is_unavailable(model: Model, drafter: ChatDrafter, status: int, says: str):
    model.status, model.says = status, says

    with pytest.raises(Unavailable):
        await drafter.draft(WORDS, [])


async def test_a_model_that_is_not_there_is_unavailable():
    async with httpx.AsyncClient() as http:
        drafter = ChatDrafter(http=http, url="http://127.0.0.1:1/v1", model="bard", key=None)

        with pytest.raises(Unavailable):
            await drafter.draft(WORDS, [])


@pytest.fixture
async def caller(calling: Calling, model: Model, town: Town) -> AsyncIterator[Caller]:
    """A caller of a coordinator with a model behind it, in a town with a singer."""

    async def sing(request: Request, agent: Agent) -> Response:
        asked = (await request.json())["parameters"]
        return JSONResponse({"content": {"success": True, "data": f"o {asked['about']}"}})

    await town.move_in("singer", sing, price=0, capability="song.write")
    async with calling(model_url=model.url, model_name="bard") as caller:
        yield caller


async def repeated(caller: Caller, body: Any, key: str) -> Any:
    """The same request a day later: the answer that was kept is gone."""
    assert caller.app is not None
    async with caller.app.state.platform.database.write() as session:
        await session.execute(delete(IdempotencyRow))
    return await caller.run(body, key)


async def test_what_the_model_drafts_is_planned_run_and_never_drafted_again(caller: Caller, model: Model):
    body = {
        "task": WORDS,
        "input": {"theme": "a secret"},
        "on_failure": {"quorum": 1},
        "output": {"song": {"$ref": "#/steps/song/result"}},
    }

    plan = await caller.plan(body)
    first = await caller.run(body, "song")
    again = await repeated(caller, body, "song")

    assert [(step["id"], step["rule"]) for step in plan["steps"]] == [("song", NAME)]
    assert (first["status"], first["result"]) == ("succeeded", {"song": "o a secret"})
    assert (again["id"], len(model.asked)) == (first["id"], 2)
    assert "a secret" not in json.dumps(model.asked)


async def test_a_draft_is_checked_like_anybody_s_plan(caller: Caller, model: Model):
    model.says = {"requirements": [STEP, {"id": "more", "capability": "song.write", "needs": ["nothing"]}]}

    refused = await caller.post("/v1/plans", {"task": WORDS, "input": {}})
    known = await caller.plan({"task": "Summarize this text: A. B."})

    assert (refused.status_code, refused.json()["code"]) == (409, "invalid-plan")
    assert {error["pointer"] for error in refused.json()["errors"]} == {
        "/requirements/0/parameters/about",
        "/requirements/1/needs/0",
    }
    assert ([step["rule"] for step in known["steps"]], len(model.asked)) == (["summary"], 1)
