"""What a request over JSON-RPC or HTTP+JSON must look like, and that one which does not has no effect."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from compat_agent import Scenarios, create_app
from httpx import AsyncClient, Response
from mesh_shared.testing import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

Body = dict[str, Any]
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AsyncClient]:
    folder = tmp_path_factory.mktemp("agent")
    app = create_app("http://127.0.0.1:8395", f"sqlite+aiosqlite:///{folder}/tasks.db", Scenarios())
    async with running(app, {"A2A-Version": "1.0"}) as http:
        yield http


def said(context: str = "c", **configuration: Any) -> Body:
    message = {"messageId": str(uuid4()), "role": "ROLE_USER", "parts": [{"text": "Hello"}]}
    return {"message": message | {"contextId": context}, "configuration": configuration}


def request(method: str = "SendMessage", params: object = None, **more: Any) -> Body:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params} | more


async def sent_in(http: AsyncClient, context: str) -> int:
    """How many tasks have come of what was sent in the context."""
    answer = await http.get("/rest/tasks", params={"contextId": context})
    return answer.json()["totalSize"]


async def raw(http: AsyncClient, body: bytes, **headers: str) -> Body:
    answer = await http.post("/a2a/", content=body, headers=JSON | headers)
    assert answer.status_code == 200
    return answer.json()


def reason(answer: Response) -> str:
    (info,) = answer.json()["error"]["details"]
    return info["reason"]


@pytest.mark.parametrize("id", [0, -7, 2**53, "", "a", "é\u2028"])
async def test_an_answer_has_the_id_of_its_request(http: AsyncClient, id: object):
    worked = await raw(http, orjson.dumps(request("ListTasks", {}, id=id)))
    refused = await raw(http, orjson.dumps(request("GetTask", {}, id=id)))

    assert [(answer["id"], type(answer["id"])) for answer in (worked, refused)] == [(id, type(id))] * 2


@pytest.mark.parametrize("id", ["null", "1.5", "true", "[1]", '{"a":1}', "1e400", "9" * 400])
async def test_an_id_of_another_type_is_refused_and_nothing_is_done(http: AsyncClient, id: str):
    body = orjson.dumps(request(params=said("other-id"), id="ID")).replace(b'"ID"', id.encode())

    answer = await raw(http, body)

    assert answer["error"]["code"] in (-32600, -32700)
    assert answer["id"] is None
    assert await sent_in(http, "other-id") == 0


async def test_a_notification_is_refused_and_nothing_is_done(http: AsyncClient):
    notification = request(params=said("notified"))
    del notification["id"]

    answer = await raw(http, orjson.dumps(notification))

    assert answer["error"]["code"] == -32600
    assert await sent_in(http, "notified") == 0


async def test_a_batch_is_refused_as_one_and_nothing_is_done(http: AsyncClient):
    batch = [request(params=said("batch"), id=n) for n in range(2)]

    answer = await raw(http, orjson.dumps(batch))

    assert (answer["id"], answer["error"]["code"]) == (None, -32600)
    assert await sent_in(http, "batch") == 0


async def test_a_name_twice_in_a_message_is_no_json_and_nothing_is_done(http: AsyncClient):
    body = orjson.dumps(request(params=said("twice"))).replace(b'"role":', b'"role":"ROLE_AGENT","role":')

    answer = await raw(http, body)

    assert answer["error"]["code"] == -32700
    assert await sent_in(http, "twice") == 0


@pytest.mark.parametrize("literal", ["NaN", "Infinity", r'"\ud800"', "01", "1.", "'a'"])
async def test_what_json_has_no_word_for_is_no_json(http: AsyncClient, literal: str):
    body = orjson.dumps(request("GetTask", "LITERAL")).replace(b'"LITERAL"', literal.encode())

    answer = await raw(http, body)

    assert answer["error"] == {"code": -32700, "message": "The body is not valid JSON."}


@pytest.mark.parametrize("method", ["", "sendmessage", "SendMessage ", "__class__", "send_message"])
async def test_a_method_is_called_by_its_very_name(http: AsyncClient, method: str):
    answer = await raw(http, orjson.dumps(request(method, {})))

    assert answer["error"]["code"] == -32601


async def test_parameters_may_be_left_out_where_none_is_needed(http: AsyncClient):
    body = request("ListTasks")
    del body["params"]

    answer = await raw(http, orjson.dumps(body))

    assert answer["result"]["pageSize"] == 50


@pytest.mark.parametrize(
    "kind", ["application/a2a+json", "application/json;charset=utf-8", "APPLICATION/json"]
)
async def test_json_by_any_of_its_names_is_read(http: AsyncClient, kind: str):
    answer = await raw(http, orjson.dumps(request("ListTasks", {})), **{"Content-Type": kind})

    assert "result" in answer


async def test_the_version_is_asked_for_before_the_method_and_the_refusal_has_the_id(http: AsyncClient):
    answer = await raw(http, orjson.dumps(request("Unknown", id="mine")), **{"A2A-Version": "0.3"})

    assert (answer["id"], answer["error"]["code"]) == ("mine", -32009)


async def test_the_header_s_version_counts_before_the_address_s(http: AsyncClient):
    answer = await http.get("/rest/tasks?A2A-Version=0.3")
    other = await http.get("/rest/tasks?A2A-Version=1.0", headers={"A2A-Version": "0.3"})

    assert answer.status_code == 200
    assert reason(other) == "VERSION_NOT_SUPPORTED"


async def test_another_version_over_http_has_no_effect(http: AsyncClient):
    answer = await http.post("/rest/message:send", json=said("old"), headers={"A2A-Version": "0.3"})

    assert answer.status_code == 400
    assert await sent_in(http, "old") == 0


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"7", b"", b'{"message":{},"message":{}}'])
async def test_a_body_over_http_is_one_object(http: AsyncClient, body: bytes):
    answer = await http.post("/rest/message:send", content=body, headers=JSON)

    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "query",
    [
        {"pageSize": "0"},
        {"pageSize": "101"},
        {"status": "DONE"},
        {"pageToken": "x" * 501},
        {"contextId": "\0"},
    ]
    + [{"statusTimestampAfter": at} for at in ("noon", "0001-01-01T00:00:00+14:00")]
    + [{"historyLength": "-1"}, {"includeArtifacts": "some"}],
)
async def test_a_query_that_does_not_fit_is_told_so_over_http(http: AsyncClient, query: Body):
    answer = await http.get("/rest/tasks", params=query)

    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("id", ["a" * 201, "%00"])
async def test_an_id_in_the_address_has_the_bounds_of_any_other(http: AsyncClient, id: str):
    answers = [await http.get(f"/rest/tasks/{id}"), await http.post(f"/rest/tasks/{id}:cancel")]

    assert [answer.status_code for answer in answers] == [400, 400]


async def test_an_id_in_the_query_does_not_stand_in_for_the_address_s(http: AsyncClient):
    task = (await http.post("/rest/message:send", json=said())).json()["task"]

    answer = await http.get("/rest/tasks/another", params={"id": task["id"]})

    assert reason(answer) == "TASK_NOT_FOUND"


@pytest.mark.parametrize("name", ["historyLength", "history_length"])
async def test_a_name_in_a_query_is_read_in_both_spellings(http: AsyncClient, name: str):
    task = (await http.post("/rest/message:send", json=said())).json()["task"]

    shown = (await http.get(f"/rest/tasks/{task['id']}", params={name: "0"})).json()

    assert "history" not in shown


async def test_a_refused_stream_over_http_is_an_error_and_no_stream(http: AsyncClient):
    task = (await http.post("/rest/message:send", json=said())).json()["task"]

    answers = [
        await http.get(f"/rest/tasks/{task['id']}:subscribe"),
        await http.post("/rest/message:stream", json={}),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}


@pytest.mark.parametrize("spelled", ['"{etag}"', 'W/"{etag}"', '"other", "{etag}"', "*"])
async def test_a_card_that_the_caller_has_is_not_sent_again(http: AsyncClient, spelled: str):
    card = await http.get("/.well-known/agent-card.json")
    known = spelled.replace('"{etag}"', card.headers["etag"])

    again = await http.get("/.well-known/agent-card.json", headers={"If-None-Match": known})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", card.headers["etag"])


@pytest.mark.parametrize("known", ['"other"', "", '"*"', "x{etag}", "{etag}x"])
async def test_a_card_that_the_caller_has_not_is_sent(http: AsyncClient, known: str):
    card = await http.get("/.well-known/agent-card.json")
    known = known.replace("{etag}", card.headers["etag"])

    again = await http.get("/.well-known/agent-card.json", headers={"If-None-Match": known})

    assert (again.status_code, again.content) == (200, card.content)


async def test_every_binding_that_the_card_names_answers(http: AsyncClient):
    card = (await http.get("/.well-known/agent-card.json")).json()

    bindings = {interface["protocolBinding"]: interface["url"] for interface in card["supportedInterfaces"]}
    rpc = await http.post(bindings["JSONRPC"], json=request("ListTasks", {}))
    rest = await http.get(f"{bindings['HTTP+JSON']}/tasks")

    assert rpc.json()["result"]["totalSize"] == rest.json()["totalSize"]
