import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_shared.testing import Issuer, running

NOTE = {"name": "shopping", "pages": 2}
KEY = {"Idempotency-Key": "3b5d"}


@pytest.fixture
def app(make_app: Callable[[str], FastAPI], database_url: str) -> FastAPI:
    return make_app(database_url)


@pytest.fixture
async def http(app: FastAPI, writer: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with running(app, writer) as http:
        yield http


def effects(app: FastAPI) -> Any:
    return app.state.service.effects


async def test_the_same_key_and_body_get_the_first_answer_again(http: AsyncClient, app: FastAPI):
    first = await http.post("/v1/notes", json=NOTE, headers=KEY)

    second = await http.post("/v1/notes", json=NOTE, headers=KEY)

    assert (second.status_code, second.content) == (first.status_code, first.content) == (201, first.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert effects(app) == 1


async def test_the_same_key_with_another_body_is_refused(http: AsyncClient, app: FastAPI):
    await http.post("/v1/notes", json=NOTE, headers=KEY)

    response = await http.post("/v1/notes", json=NOTE | {"name": "other"}, headers=KEY)

    assert (response.status_code, response.json()["code"]) == (409, "idempotency-key-reused")
    assert effects(app) == 1


async def test_a_hundred_parallel_requests_with_one_key_have_one_effect(http: AsyncClient, app: FastAPI):
    async with asyncio.TaskGroup() as tasks:
        posted = [tasks.create_task(http.post("/v1/notes", json=NOTE, headers=KEY)) for _ in range(100)]

    answers = {(task.result().status_code, task.result().json().get("code")) for task in posted}
    assert effects(app) == 1
    assert answers <= {(201, None), (409, "idempotent-request-running")}


async def test_an_invalid_request_does_not_use_up_the_key(http: AsyncClient):
    await http.post("/v1/notes", json={"name": "shopping"}, headers=KEY)

    response = await http.post("/v1/notes", json=NOTE, headers=KEY)

    assert response.status_code == 201


async def test_a_refusal_of_the_use_case_is_replayed_too(http: AsyncClient):
    await http.post("/v1/notes", json=NOTE)
    first = await http.post("/v1/notes", json=NOTE, headers=KEY)

    second = await http.post("/v1/notes", json=NOTE, headers=KEY)

    assert (first.status_code, first.json()["code"]) == (409, "note-taken")
    assert second.content == first.content
    assert second.headers["idempotency-replayed"] == "true"


async def test_two_callers_may_use_the_same_key(http: AsyncClient, issuer: Issuer):
    await http.post("/v1/notes", json=NOTE, headers=KEY)
    other = issuer.headers("notes:write", audience="notes", subject="somebody else")

    response = await http.post("/v1/notes", json={"name": "mine", "pages": 1}, headers=KEY | other)

    assert response.status_code == 201


async def test_what_ran_when_the_service_died_can_be_tried_again(app: FastAPI, writer: dict[str, str]):
    async with running(app, writer) as http:
        scope_row_kept_running = app.state.platform.idempotency._claim
        await scope_row_kept_running("a" * 64, "b" * 64)

    async with running(app, writer) as http:
        claimed_again = await app.state.platform.idempotency._claim("a" * 64, "b" * 64)
        assert claimed_again
        assert (await http.post("/v1/notes", json=NOTE, headers=KEY)).status_code == 201
