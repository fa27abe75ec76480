"""Asking a service over A2A a second time: under a key, under a message's id, and after a restart."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from mesh_shared.a2a.actions import PluginExecutor
from mesh_shared.a2a.errors import InvalidParams
from mesh_shared.a2a.executor import Call
from mesh_shared.a2a.model import ListTasksRequest, SendMessageRequest, SendMessageResponse
from mesh_shared.a2a.server import ANY, Server
from mesh_shared.a2a.tasks import Tasks
from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, succeeded
from mesh_shared.auth.tokens import Principal
from mesh_shared.database import engine, migrate
from mesh_shared.errors import Forbidden, Unavailable
from mesh_shared.testing import Issuer, running
from mesh_shared.wire import WireModel
from pydantic import Field

Body = dict[str, Any]
SPOKEN = {"A2A-Version": "1.0"}
KEY = {"Idempotency-Key": "one"}


def message(action: str, message_id: str | None = None, **parameters: object) -> Body:
    data = {"action": action, "parameters": parameters}
    said = {"messageId": message_id or str(uuid4()), "role": "ROLE_USER", "parts": [{"data": data}]}
    return {"message": said}


def request(params: Body, method: str = "SendMessage") -> Body:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def ask(http: AsyncClient, params: Body, headers: dict[str, str] = KEY) -> Response:
    return await http.post("/a2a/", json=request(params), headers=headers)


async def total(http: AsyncClient) -> int:
    return (await http.post("/a2a/", json=request({}, "ListTasks"))).json()["result"]["totalSize"]


@pytest.fixture
async def http(app: FastAPI, writer: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with running(app, writer | SPOKEN) as http:
        yield http


async def test_a_key_belongs_to_one_request(http: AsyncClient):
    await ask(http, message("SHOUT", word="hello"))

    other = await ask(http, message("SHOUT", word="goodbye"))

    assert other.json()["code"] == "idempotency-key-reused"
    assert await total(http) == 1


async def test_a_key_is_its_caller_s(http: AsyncClient, issuer: Issuer):
    other = issuer.headers("notes:write", "actions:invoke", audience="notes", subject="other")
    params = message("SHOUT", word="hello")
    first = (await ask(http, params)).json()["result"]["task"]

    second = (await ask(http, params, headers=KEY | other)).json()["result"]["task"]

    assert second["id"] != first["id"]


async def test_a_refusal_under_a_key_is_told_again(http: AsyncClient):
    params = message("WHISPER")
    first = await ask(http, params)

    second = await ask(http, params)

    assert second.json() == first.json()
    assert second.headers["idempotency-replayed"] == "true"


async def test_the_same_request_at_once_under_one_key_runs_once(http: AsyncClient):
    params = message("SHOUT", word="hello")

    answers = await asyncio.gather(*(ask(http, params) for _ in range(4)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert await total(http) == 1


async def test_a_key_and_its_task_outlive_a_restart(app: FastAPI, writer: dict[str, str]):
    params = message("SHOUT", word="hello")
    async with running(app, writer | SPOKEN) as http:
        first = await ask(http, params)

    async with running(app, writer | SPOKEN) as http:
        second = await ask(http, params)
        kept = await http.post("/a2a/", json=request({"id": first.json()["result"]["task"]["id"]}, "GetTask"))

    assert second.json() == first.json()
    assert kept.json()["result"] == first.json()["result"]["task"]


@pytest.mark.parametrize("key", ["", "a b", "k" * 256])
async def test_a_key_that_is_none_is_http_s_to_refuse(http: AsyncClient, key: str):
    answer = await ask(http, message("SHOUT", word="hello"), headers={"Idempotency-Key": key})

    assert answer.status_code == 422
    assert await total(http) == 0


async def test_a_body_that_is_too_large_is_http_s_to_refuse(http: AsyncClient):
    answer = await ask(http, message("SHOUT", word="a" * 20_000))

    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


async def test_a_token_that_may_not_invoke_calls_nothing(app: FastAPI, issuer: Issuer):
    async with running(app, issuer.headers("notes:write", audience="notes") | SPOKEN) as http:
        answer = await http.post("/a2a/", json=request({}, "ListTasks"))

    assert (answer.status_code, answer.json()["missing"]) == (403, ["actions:invoke"])


class Payment(WireModel):
    amount: str = Field(pattern=r"^[0-9]{1,9}$")


async def pay(runtime: Runtime[Any], said: Message, state: State, asked: Payment, answer: Callback) -> bool:
    if asked.amount == "404":
        return False
    if asked.amount == "503":
        raise Unavailable("bank")
    await answer(succeeded(said.text or "Paid.", {"key": runtime.idempotency_key}))
    return True


PLUGIN = Plugin(
    name="bank",
    description="Pays.",
    actions=[
        Action(
            name="PAY",
            description="Pays an amount.",
            parameters=Payment,
            handler=pay,
            examples=[],
            scope="bank:pay",
        )
    ],
)


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Server]:
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/tasks.db")
    await migrate.upgrade(database, [])
    server = Server(
        executor=PluginExecutor(PLUGIN, None), tasks=Tasks(database, "0"), input_modes=frozenset({ANY})
    )
    yield server
    await server.close()
    await database.engine.dispose()


def call(*scopes: str, key: str | None = None) -> Call:
    return Call(Principal("alice", frozenset(scopes or ("actions:invoke", "bank:pay"))), key)


async def send(bank: Server, params: Body, asked_by: Call) -> SendMessageResponse:
    return await bank.send_message(SendMessageRequest.model_validate(params), asked_by)


async def key_of(bank: Server, params: Body, asked_by: Call) -> str:
    """The key under which the action worked."""
    task = (await send(bank, params, asked_by)).task
    assert task is not None
    ((artifact),) = task.artifacts or []
    assert artifact.parts[0].data is not None
    return artifact.parts[0].data["content"]["data"]["key"]


async def test_an_action_works_under_the_request_s_key(bank: Server):
    assert await key_of(bank, message("PAY", "m-1", amount="5"), call(key="mine")) == "mine"


async def test_a_message_that_is_sent_twice_works_under_one_key(bank: Server):
    params = message("PAY", "m-1", amount="5")

    keys = [await key_of(bank, params, call()) for _ in range(2)]

    assert keys == ["a2a:m-1"] * 2


async def test_what_an_action_finds_is_not_for_it_is_a_rejected_task(bank: Server):
    task = (await send(bank, message("PAY", amount="404"), call())).task

    assert task is not None
    assert task.status.state == "TASK_STATE_REJECTED"


async def test_what_an_action_needs_and_has_not_is_told_and_the_task_has_failed(bank: Server):
    with pytest.raises(Unavailable):
        await send(bank, message("PAY", amount="503"), call())

    (kept,) = (await bank.tasks.page("alice", ListTasksRequest())).tasks
    assert kept.status.state == "TASK_STATE_FAILED"


@pytest.mark.parametrize("scopes", [("actions:invoke",), ("bank:pay",), ("other",)])
async def test_an_action_asks_for_both_scopes_before_it_begins(bank: Server, scopes: tuple[str, ...]):
    with pytest.raises(Forbidden):
        await send(bank, message("PAY", amount="5"), call(*scopes))

    assert (await bank.tasks.page("alice", ListTasksRequest())).total_size == 0


async def test_what_does_not_fit_an_action_is_named_and_not_repeated(bank: Server):
    with pytest.raises(InvalidParams) as refused:
        await send(bank, message("PAY", amount="sk-secret"), call())

    assert refused.value.message == "These do not fit PAY: parameters.amount."


async def test_an_action_hears_the_texts_beside_the_data(bank: Server):
    params = message("PAY", amount="5")
    params["message"]["parts"] += [{"text": "For"}, {"text": "coffee"}]

    task = (await send(bank, params, call())).task

    assert task is not None
    assert task.status.message is not None
    assert task.status.message.parts[0].text == "For\ncoffee"
