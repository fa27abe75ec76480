"""A service answers A2A 1.0 for its actions, as the specification and its compatibility kit have it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_shared.a2a.card import AgentCard
from mesh_shared.a2a.model import State
from mesh_shared.testing import Issuer, running

Body = dict[str, Any]
SPOKEN = {"A2A-Version": "1.0"}


@pytest.fixture
async def http(app: FastAPI, writer: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with running(app, writer | SPOKEN) as http:
        yield http


def message(*parts: Body, **more: Any) -> Body:
    return {"message": {"messageId": str(uuid4()), "role": "ROLE_USER", "parts": list(parts)} | more}


def shout(word: object, **more: Any) -> Body:
    return message({"data": {"action": "SHOUT", "parameters": {"word": word}}}, **more)


async def call(http: AsyncClient, method: str, params: object, **request: Any) -> Body:
    asked = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    response = await http.post("/a2a/", json=asked, **request)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def code(http: AsyncClient, method: str, params: object, **request: Any) -> int:
    return (await call(http, method, params, **request))["error"]["code"]


async def test_an_action_is_a_task_whose_artifact_has_the_answer(http: AsyncClient):
    answer = await call(http, "SendMessage", shout("hello"))

    task = answer["result"]["task"]
    assert (answer["id"], task["status"]["state"]) == (7, "TASK_STATE_COMPLETED")
    ((part,),) = [artifact["parts"] for artifact in task["artifacts"]]
    assert part["data"]["text"] == "HELLO"
    assert part["data"]["content"]["data"] == {"word": "HELLO", "caller": "tester"}


async def test_a_task_is_kept_with_what_was_said(http: AsyncClient):
    sent = (await call(http, "SendMessage", shout("hello")))["result"]["task"]

    kept = (await call(http, "GetTask", {"id": sent["id"]}))["result"]

    assert kept == sent
    assert kept["history"][0]["parts"] == [{"data": {"action": "SHOUT", "parameters": {"word": "hello"}}}]
    assert kept["history"][0]["contextId"] == kept["contextId"]


async def test_what_an_action_refuses_is_a_failed_task(http: AsyncClient):
    task = (await call(http, "SendMessage", shout("taken")))["result"]["task"]

    assert task["status"]["state"] == "TASK_STATE_FAILED"
    assert task["artifacts"][0]["parts"][0]["data"]["content"]["error"]["code"] == "note-taken"
    assert task["status"]["message"]["parts"] == [{"text": "That word is taken."}]


async def test_what_fits_no_action_is_refused_and_leaves_no_task(http: AsyncClient):
    unfit = [
        message({"text": "Shout hello"}),
        message({"data": {"action": "WHISPER"}}),
        message({"data": ["SHOUT"]}),
        shout(7),
        message({"data": {"action": "SHOUT", "parameters": {"word": "hello"}, "admin": True}}),
    ]

    assert [await code(http, "SendMessage", params) for params in unfit] == [-32602] * len(unfit)
    assert (await call(http, "ListTasks", {}))["result"]["totalSize"] == 0


async def test_a_refusal_says_what_the_agent_can_do(http: AsyncClient):
    answer = await call(http, "SendMessage", message({"text": "Hello?"}))

    assert "SHOUT" in answer["error"]["message"]


async def test_the_action_s_scope_is_asked_for(app: FastAPI, issuer: Issuer):
    async with running(app, issuer.headers("actions:invoke", audience="notes") | SPOKEN) as http:
        asked = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": shout("hello")}
        response = await http.post("/a2a/", json=asked)

    assert (response.status_code, response.json()["missing"]) == (403, ["notes:write"])


async def test_nobody_calls_without_a_token(app: FastAPI):
    async with running(app, SPOKEN) as http:
        response = await http.post("/a2a/", json={})

    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_a_task_is_nobody_else_s(app: FastAPI, http: AsyncClient, issuer: Issuer):
    task = (await call(http, "SendMessage", shout("hello")))["result"]["task"]
    other = issuer.headers("notes:write", "actions:invoke", audience="notes", subject="other")

    assert await code(http, "GetTask", {"id": task["id"]}, headers=other) == -32001
    assert await code(http, "CancelTask", {"id": task["id"]}, headers=other) == -32001
    assert await code(http, "SendMessage", shout("x", taskId=task["id"]), headers=other) == -32001
    assert (await call(http, "ListTasks", {}, headers=other))["result"]["tasks"] == []


async def test_the_same_request_under_one_key_runs_once(http: AsyncClient):
    params, key = shout("hello"), {"Idempotency-Key": "one"}
    first = await call(http, "SendMessage", params, headers=key)

    second = await call(http, "SendMessage", params, headers=key)

    assert second == first
    assert (await call(http, "ListTasks", {}))["result"]["totalSize"] == 1


async def test_another_version_is_not_spoken(http: AsyncClient):
    versions = ["", "0.3", "2.0", "1", "1.1", "99.0"]

    codes = [await code(http, "SendMessage", shout("hello"), headers={"A2A-Version": v}) for v in versions]

    assert codes == [-32009] * len(versions)


async def test_who_says_no_version_speaks_an_old_one(app: FastAPI, writer: dict[str, str]):
    async with running(app, writer) as http:
        unsaid = await code(http, "GetTask", {"id": "x"})
        in_address = await http.post(
            "/a2a/?A2A-Version=1.0",
            json={"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}},
        )

    assert (unsaid, in_address.json()["error"]["code"]) == (-32009, -32001)


async def test_a_patch_version_changes_nothing(http: AsyncClient):
    assert await code(http, "GetTask", {"id": "x"}, headers={"A2A-Version": "1.0.7"}) == -32001


async def test_an_error_names_itself_for_machines(http: AsyncClient):
    error = (await call(http, "GetTask", {"id": "nothing"}))["error"]

    assert error["data"] == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "TASK_NOT_FOUND",
            "domain": "a2a-protocol.org",
        }
    ]


OUTCOMES: list[tuple[str, object, int]] = [
    ("GetTask", {"id": "nothing"}, -32001),
    ("CancelTask", {"id": "nothing"}, -32001),
    ("SubscribeToTask", {"id": "nothing"}, -32004),
    ("SendStreamingMessage", shout("hello"), -32004),
    ("CreateTaskPushNotificationConfig", {"taskId": "t", "url": "http://169.254.169.254/"}, -32003),
    ("GetTaskPushNotificationConfig", {"taskId": "t", "id": "1"}, -32003),
    ("ListTaskPushNotificationConfigs", {"taskId": "t"}, -32003),
    ("DeleteTaskPushNotificationConfig", {"taskId": "t", "id": "1"}, -32003),
    ("GetExtendedAgentCard", {}, -32007),
    ("NonExistentMethod", {}, -32601),
    ("message/send", shout("hello"), -32601),
    ("SendMessage", {}, -32602),
    ("SendMessage", None, -32602),
    ("SendMessage", [shout("hello")], -32602),
    ("SendMessage", message({"text": "a", "url": "https://agent.example"}), -32602),
    ("SendMessage", message({}), -32602),
    ("SendMessage", message(), -32602),
    ("SendMessage", shout("a\0b"), -32602),
    ("SendMessage", shout("hello", role="ROLE_GOD"), -32602),
    ("SendMessage", message({"raw": "dGNr", "mediaType": "application/x-unknown"}), -32005),
    ("SendMessage", message({"url": "https://agent.example/a"}), -32005),
    ("ListTasks", {"pageSize": 0}, -32602),
    ("ListTasks", {"pageSize": 101}, -32602),
    ("ListTasks", {"pageToken": "bm90IG9uZQ=="}, -32602),
    ("ListTasks", {"pageToken": "é"}, -32602),
]


async def test_each_outcome_has_its_code(http: AsyncClient):
    found = [(method, params, await code(http, method, params)) for method, params, _ in OUTCOMES]

    assert found == OUTCOMES


NO_REQUESTS: list[tuple[bytes, int]] = [
    (b"{", -32700),
    (b"\xff", -32700),
    (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"GetTask"}', -32700),
    (b"[" * 5000, -32700),
    (b"[]", -32600),
    (b"null", -32600),
    (b"{}", -32600),
    (b'{"jsonrpc":"1.0","id":1,"method":"GetTask"}', -32600),
    (b'{"jsonrpc":"2.0","method":"GetTask"}', -32600),
    (b'{"jsonrpc":"2.0","id":true,"method":"GetTask"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
]


async def test_what_is_no_request_is_told_so(http: AsyncClient):
    json = {"Content-Type": "application/json"}

    answers = [await http.post("/a2a/", content=body, headers=json) for body, _ in NO_REQUESTS]

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert [answer.json()["error"]["code"] for answer in answers] == [code for _, code in NO_REQUESTS]


async def test_a_body_of_another_type_is_told_so_in_json_rpc(http: AsyncClient):
    response = await http.post("/a2a/", content=b"{}", headers={"Content-Type": "text/plain"})

    assert response.json()["error"]["code"] == -32005


async def test_no_error_repeats_what_was_sent(http: AsyncClient):
    response = await http.post(
        "/a2a/", json={"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": shout(["sk-secret"])}
    )

    assert response.json()["error"]["code"] == -32602
    assert "sk-secret" not in response.text


async def test_a_finished_task_takes_no_message_and_is_not_canceled(http: AsyncClient):
    task = (await call(http, "SendMessage", shout("hello")))["result"]["task"]

    assert await code(http, "SendMessage", shout("again", taskId=task["id"])) == -32004
    assert await code(http, "CancelTask", {"id": task["id"]}) == -32002


async def test_names_in_snake_case_and_unknown_ones_are_read(http: AsyncClient):
    params = {
        "message": {"message_id": "m", "role": "ROLE_USER", "parts": shout("hello")["message"]["parts"]}
    }
    params |= {"configuration": {"history_length": 0, "futureField": 1}, "tenant": "x"}

    task = (await call(http, "SendMessage", params))["result"]["task"]

    assert "history" not in task


async def test_tasks_are_listed_newest_first_in_pages(http: AsyncClient):
    sent = [(await call(http, "SendMessage", shout(word)))["result"]["task"]["id"] for word in "abc"]
    first = (await call(http, "ListTasks", {"pageSize": 2}))["result"]

    last = (await call(http, "ListTasks", {"pageSize": 2, "pageToken": first["nextPageToken"]}))["result"]

    assert [task["id"] for task in first["tasks"] + last["tasks"]] == sent[::-1]
    assert (first["totalSize"], first["pageSize"], last["nextPageToken"]) == (3, 2, "")
    assert all("artifacts" not in task for task in first["tasks"])


async def test_tasks_are_listed_by_context_state_and_time(http: AsyncClient):
    done = (await call(http, "SendMessage", shout("hello", contextId="mine")))["result"]["task"]
    await call(http, "SendMessage", shout("taken"))
    wanted: list[Body] = [
        {"contextId": "mine", "includeArtifacts": True},
        {"status": "TASK_STATE_COMPLETED", "includeArtifacts": True},
        {"contextId": "theirs"},
        {"statusTimestampAfter": "2100-01-01T00:00:00Z"},
    ]

    found = [(await call(http, "ListTasks", params))["result"]["tasks"] for params in wanted]

    assert found == [[done], [done], [], []]


async def test_a_task_that_was_at_work_when_the_service_died_has_failed(app: FastAPI, writer: dict[str, str]):
    async with running(app, writer | SPOKEN) as http:
        task = (await call(http, "SendMessage", shout("hello")))["result"]["task"]
        tasks = app.state.a2a.tasks
        kept, version = await tasks.get("tester", task["id"])
        at_work = kept.status.model_copy(update={"state": State.WORKING})
        await tasks.save("tester", kept.model_copy(update={"status": at_work}), version)

    async with running(app, writer | SPOKEN) as http:
        found = (await call(http, "GetTask", {"id": task["id"]}))["result"]

    assert found["status"]["state"] == "TASK_STATE_FAILED"


async def test_the_card_is_for_everybody_and_may_be_kept(app: FastAPI):
    async with running(app) as http:
        fresh = await http.get("/.well-known/agent-card.json")
        known = await http.get(
            "/.well-known/agent-card.json", headers={"If-None-Match": fresh.headers["etag"]}
        )

    assert (fresh.status_code, known.status_code, known.content) == (200, 304, b"")
    assert "max-age=" in fresh.headers["cache-control"]
    assert fresh.headers["last-modified"].endswith("GMT")


async def test_the_card_tells_where_and_how_to_call(http: AsyncClient):
    card = (await http.get("/.well-known/agent-card.json")).json()

    (interface,) = card["supportedInterfaces"]
    assert interface == {
        "url": "http://127.0.0.1:9999/a2a/",
        "protocolBinding": "JSONRPC",
        "protocolVersion": "1.0",
    }
    assert card["capabilities"] == {
        "streaming": False,
        "pushNotifications": False,
        "extendedAgentCard": False,
    }
    assert card["securityRequirements"] == [
        {"schemes": {"mesh": {"list": ["actions:invoke", "notes:write"]}}}
    ]
    assert card["securitySchemes"]["mesh"]["httpAuthSecurityScheme"]["scheme"] == "Bearer"


async def test_the_card_s_required_members_are_there_and_not_empty(http: AsyncClient):
    card = (await http.get("/.well-known/agent-card.json")).json()

    required = [name for name, field in AgentCard.model_fields.items() if field.is_required()]
    assert [name for name in required if not card[name]] == []
    assert all(skill["tags"] and skill["description"] for skill in card["skills"])
