"""Row G: an agent uses a credential and never sees it; what it gets is the answer and a secure context."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin


@pytest.fixture
async def agent(operator: Operator, origin: Origin) -> dict[str, str]:
    """An agent that may read the connection `github` and invoke actions."""
    await operator.connect(origin.url)
    await operator.grant("agent-7", methods=["GET", "POST"], paths=["/user", "/items/**"])
    return await operator.agent("agent-7", "gateway:proxy", "actions:invoke")


Perform = Callable[..., Any]


@pytest.fixture
def perform(operator: Operator, agent: dict[str, str]) -> Perform:
    async def performing(key: str | None = None, **body: Any) -> httpx.Response:
        asked = {"connection": "github", "method": "GET", "path": "/user"} | body
        headers = agent | ({"Idempotency-Key": key} if key else {})
        return await operator.http.post("/v1/secure-operations", json=asked, headers=headers)

    return performing


async def test_injected_credentials_give_the_answer_and_a_secure_context(
    operator: Operator, origin: Origin, perform: Perform, canary: str
):
    origin.answers(b'{"login": "mesh"}', content_type="application/json")

    response = await perform(headers={"Accept": "application/json", "Authorization": "mine"})
    trail = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]

    assert response.status_code == 200
    assert response.json() == {
        "context": {
            "authenticated": True,
            "permissions": ["GET /items/**", "GET /user", "POST /items/**", "POST /user"],
            "auditTrail": [entry["id"] for entry in reversed(trail)],
        },
        "result": {
            "status": 200,
            "headers": {"content-type": "application/json"},
            "body": {"login": "mesh"},
        },
    }
    assert [entry["phase"] for entry in trail] == ["outcome", "intent"]
    assert {entry["action"] for entry in trail} == {"secure-operation"}
    (seen,) = origin.seen
    assert seen.values("authorization") == [f"Bearer {canary}"]
    assert seen.values("accept") == ["application/json"]


async def test_the_action_secure_operation_says_what_it_did(
    operator: Operator, origin: Origin, agent: dict[str, str], canary: str
):
    origin.answers(b"pong", content_type="text/plain")
    body = {"parameters": {"connection": "github", "method": "GET", "path": "/user"}}

    response = await operator.http.post("/actions/SECURE_OPERATION", json=body, headers=agent)

    reply = response.json()
    assert (response.status_code, reply["handled"]) == (200, True)
    assert reply["text"] == "Secure operation complete. The upstream answered 200."
    assert reply["content"]["success"]
    context = reply["content"]["data"]["context"]
    assert context.keys() == {"authenticated", "permissions", "auditTrail"}
    assert (context["authenticated"], len(context["auditTrail"])) == (True, 2)
    assert reply["content"]["data"]["result"]["body"] == "pong"
    assert reply["content"]["timestamp"]
    assert origin.seen[0].values("authorization") == [f"Bearer {canary}"]


async def test_what_the_action_is_refused_is_its_answer(operator: Operator, agent: dict[str, str]):
    body = {"parameters": {"connection": "github", "method": "GET", "path": "/elsewhere"}}

    reply = (await operator.http.post("/actions/SECURE_OPERATION", json=body, headers=agent)).json()

    assert (reply["handled"], reply["content"]["success"]) == (True, False)
    assert reply["content"]["error"]["code"] == "grant-missing"


async def test_the_action_is_offered_with_its_schema_examples_and_scope(operator: Operator):
    (action,) = (await operator.http.get("/actions")).json()["actions"]

    assert (action["name"], action["scope"]) == ("SECURE_OPERATION", "gateway:proxy")
    assert set(action["parameters"]["required"]) == {"connection", "method", "path"}
    ((user, answer),) = action["examples"]
    assert (user["role"], answer["role"], answer["action"]) == ("user", "agent", "SECURE_OPERATION")


async def test_a_json_body_goes_out_with_its_type_and_length(origin: Origin, perform: Perform):
    response = await perform(method="POST", path="/items/1?dry=1", json={"b": [1, None], "a": "é"})

    assert response.status_code == 200
    (seen,) = origin.seen
    assert (seen.method, seen.target) == ("POST", "/items/1?dry=1")
    assert json.loads(seen.body) == {"b": [1, None], "a": "é"}
    assert seen.values("content-type") == ["application/json"]
    assert seen.values("content-length") == [str(len(seen.body))]


SAID = [(b"", None), (b"plain", "plain"), (b"\xff\xfe", "\ufffd\ufffd"), (b"[1,2]", [1, 2]), (b"null", None)]


async def test_json_comes_back_as_what_it_says_and_everything_else_as_text(origin: Origin, perform: Perform):
    for said, body in SAID:
        origin.answers(said)
        response = await perform()

        assert response.json()["result"]["body"] == body, said


async def test_fields_of_one_name_come_back_joined(origin: Origin, perform: Perform):
    origin.says = lambda _: [
        b"HTTP/1.1 200 OK\r\nvia: a\r\nvia: b\r\nset-cookie: s=1\r\ncontent-length: 0\r\n\r\n"
    ]

    response = await perform()

    assert response.json()["result"]["headers"] == {"via": "a, b"}


def half_escaped(secret: str) -> str:
    """JSON in which every other character is a number: nobody's encoder, and every parser's same text."""
    return "".join(json.dumps(c)[1:-1] if n % 2 else f"\\u{ord(c):04x}" for n, c in enumerate(secret))


async def test_reading_an_answer_undoes_escapes_and_shows_no_secret(
    origin: Origin, perform: Perform, canary: str
):
    echo = {
        "plain": canary,
        "base64": base64.b64encode(canary.encode()).decode(),
        "hex": canary.encode().hex(),
        canary: "as a name",
    }
    said = json.dumps(echo)[:-1] + f', "odd": "{half_escaped(canary)}"}}'
    assert json.loads(said)["odd"] == canary
    origin.answers(said.encode(), content_type="application/json", x_echo=canary)

    response = await perform()

    answer = response.json()["result"]
    assert answer["body"] == {
        "plain": " [***] ",
        "base64": answer["body"]["base64"],
        "hex": " [***] ",
        " [***] ": "as a name",
        "odd": " [***] ",
    }
    assert answer["body"]["base64"].strip("=").strip() == "[***]"
    assert answer["headers"]["x-echo"] == "[***]"
    assert canary not in json.dumps(answer)


async def test_the_same_key_has_one_effect_and_the_upstream_gets_it_too(origin: Origin, perform: Perform):
    first = await perform("key-1", method="POST", path="/items/1", json={"n": 1})
    again = await perform("key-1", method="POST", path="/items/1", json={"n": 1})
    other = await perform("key-1", method="POST", path="/items/1", json={"n": 2})

    assert first.status_code == again.status_code == 200
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    assert [seen.values("idempotency-key") for seen in origin.seen] == [["key-1"]]


async def test_many_at_once_with_one_key_have_one_effect(origin: Origin, perform: Perform):
    answers = await asyncio.gather(*(perform("key-1", method="POST", path="/items/1") for _ in range(20)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(origin.seen) == 1


async def test_a_path_that_is_not_forwarded_contradicts_itself(origin: Origin, perform: Perform):
    for path in ("/a/../b", "/a%2fb", "//user", "/user\\x", "/%252e%252e"):
        response = await perform(path=path)

        assert response.status_code == 409, path
        assert response.headers["x-mesh-gateway-error"] == "operation_unfit"
    assert origin.seen == []


UNFIT: list[dict[str, Any]] = [
    {"connection": "Not a name"},
    {"method": "TRACE"},
    {"method": "get"},
    {"path": "user"},
    {"path": "/a b"},
    {"path": "/a#b"},
    {"path": "/" + "a" * 4000},
    {"headers": {"X: y": "z"}},
    {"headers": {"X": "line\r\nbreak"}},
    {"headers": {f"X-{n}": "y" for n in range(21)}},
    {"origin": "https://evil.example"},
    {"url": "https://evil.example"},
]


async def test_an_operation_outside_the_schema_is_refused(origin: Origin, perform: Perform):
    for fault in UNFIT:
        assert (await perform(**fault)).status_code == 422, fault
    assert origin.seen == []


async def test_an_upstream_that_fails_is_the_operations_answer(origin: Origin, perform: Perform):
    origin.answers(b"x", content_encoding="gzip")

    response = await perform()

    assert (response.status_code, response.json()["code"]) == (502, "upstream-encoding")
    assert response.headers["x-mesh-gateway-error"] == "upstream_encoding"


async def test_an_upstreams_own_error_is_a_result(origin: Origin, perform: Perform):
    origin.answers(b'{"message": "Not Found"}', "404 Not Found")

    response = await perform()

    assert response.status_code == 200
    assert (response.json()["result"]["status"], response.json()["result"]["body"]) == (
        404,
        {"message": "Not Found"},
    )


async def test_an_answer_that_memory_should_not_hold_is_cut_off(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin
):
    async with operate(make_app(max_operation_bytes=1024)) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7")
        agent = await operator.agent("agent-7")
        asked = {"connection": "github", "method": "GET", "path": "/user"}
        bodies = (b"x" * 1024, b"x" * 1025)
        answers = list[httpx.Response]()
        for body in bodies:
            origin.answers(body)
            answers.append(await operator.http.post("/v1/secure-operations", json=asked, headers=agent))
        (outcome, *_) = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]

    assert [answer.status_code for answer in answers] == [200, 502]
    assert answers[1].json()["code"] == outcome["code"] == "upstream-too-large"
