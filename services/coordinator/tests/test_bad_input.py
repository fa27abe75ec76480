"""What no request may do: every fault is refused with a problem document that says where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callers import Caller

pytestmark = pytest.mark.asyncio(loop_scope="module")


def request(method: str, path: str, **more: Any) -> Callable[[Caller], Awaitable[Any]]:
    return lambda caller: caller.http.request(method, path, **more)


STEP = {"id": "a", "capability": "work"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/task"),
        ({"task": ""}, "/task"),
        ({"task": "x" * 4_001}, "/task"),
        ({"task": 7}, "/task"),
        ({"task": "t", "more": 1}, "/more"),
        ({"task": "t", "requirements": []}, "/requirements"),
        ({"task": "t", "requirements": [STEP] * 501}, "/requirements"),
        ({"task": "t", "requirements": [STEP | {"id": "A b"}]}, "/requirements/0/id"),
        ({"task": "t", "requirements": [STEP | {"capability": "../x"}]}, "/requirements/0/capability"),
        ({"task": "t", "requirements": [STEP | {"action": "a/b"}]}, "/requirements/0/action"),
        ({"task": "t", "requirements": [STEP | {"timeout_s": 0}]}, "/requirements/0/timeout_s"),
        ({"task": "t", "requirements": [STEP | {"timeout_s": 301}]}, "/requirements/0/timeout_s"),
        ({"task": "t", "requirements": [STEP | {"timeout_s": "30"}]}, "/requirements/0/timeout_s"),
        ({"task": "t", "requirements": [STEP | {"optional": 1}]}, "/requirements/0/optional"),
        ({"task": "t", "requirements": [STEP | {"select": {"mode": "best"}}]}, "/requirements/0/select/mode"),
        (
            {"task": "t", "requirements": [STEP | {"select": {"min_reputation": 1.1}}]},
            "/requirements/0/select/min_reputation",
        ),
        (
            {"task": "t", "requirements": [STEP | {"select": {"weights": {"price": -1}}}]},
            "/requirements/0/select/weights/price",
        ),
        ({"task": "t", "requirements": [STEP | {"max_price": 5}]}, "/requirements/0/max_price"),
        ({"task": "t", "requirements": [STEP | {"max_price": "-5"}]}, "/requirements/0/max_price"),
        ({"task": "t", "requirements": [STEP | {"max_price": "1e3"}]}, "/requirements/0/max_price"),
        (
            {"task": "t", "requirements": [STEP | {"quality": {"assert": []}}]},
            "/requirements/0/quality/assert",
        ),
        (
            {"task": "t", "requirements": [STEP | {"quality": {"assertions": [{"at": "x", "op": "min"}]}}]},
            "/requirements/0/quality/assertions/0/at",
        ),
        (
            {"task": "t", "requirements": [STEP | {"quality": {"assertions": [{"at": "", "op": "≈"}]}}]},
            "/requirements/0/quality/assertions/0/op",
        ),
        ({"task": "t", "budget": "01"}, "/budget"),
        ({"task": "t", "budget": 100}, "/budget"),
        ({"task": "t", "on_failure": "shrug"}, "/on_failure"),
        ({"task": "t", "input": []}, "/input"),
    ],
)
async def test_what_does_not_fit_the_schema_is_pointed_at(steady: Caller, body: Any, pointer: str):
    answer = await steady.http.post("/v1/plans", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("send", "status", "code"),
    [
        (
            request("POST", "/v1/plans", content=b"{", headers={"Content-Type": "application/json"}),
            400,
            "malformed-request",
        ),
        (
            request(
                "POST", "/v1/plans", content=b'{"task": NaN}', headers={"Content-Type": "application/json"}
            ),
            400,
            "malformed-request",
        ),
        (
            request("POST", "/v1/plans", content=b"task=t", headers={"Content-Type": "text/plain"}),
            415,
            "unsupported-media-type",
        ),
        (
            request("POST", "/v1/plans", json={"task": "t", "input": {"x": "y" * (1 << 20)}}),
            413,
            "body-too-large",
        ),
        (request("POST", "/v1/plans", json={"task": "a\0b"}), 409, "nul-in-text"),
        (request("PUT", "/v1/plans", json={}), 405, "method-not-allowed"),
        (request("DELETE", "/v1/runs"), 405, "method-not-allowed"),
        (request("GET", "/v1/runs/not-a-uuid"), 422, "invalid-request"),
        (request("GET", "/v1/runs", params={"limit": 0}), 422, "invalid-request"),
        (request("GET", "/v1/runs", params={"status": "lost"}), 422, "invalid-request"),
        (request("GET", "/v1/nothing"), 404, "route-not-found"),
        (request("POST", "/actions/NOTHING", json={}), 404, "action-not-found"),
        (request("GET", "/v1/runs", headers={"Authorization": "Bearer x"}), 401, "unauthenticated"),
        (request("GET", "/v1/runs", headers={"Authorization": "Basic eDp5"}), 401, "unauthenticated"),
    ],
)
async def test_every_refusal_is_a_problem_document(
    steady: Caller, send: Callable[[Caller], Awaitable[Any]], status: int, code: str
):
    answer = await send(steady)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["trace_id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/plans"),
        ("POST", "/v1/runs"),
        ("GET", "/v1/runs"),
        ("POST", "/v1/execute"),
        ("GET", f"/v1/escrows/0x{'ab' * 32}"),
        ("POST", "/actions/COORDINATE_AGENTS"),
    ],
)
async def test_a_token_without_the_scope_opens_nothing(steady: Caller, method: str, path: str):
    answer = await steady.http.request(
        method, path, json={"task": "t"}, headers=steady.others | {"Idempotency-Key": "k"}
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "coordinator:run" in answer.json()["missing"] or "actions:invoke" in answer.json()["missing"]


CALL: dict[str, Any] = {"capability": "text.summarize", "parameters": {"text": "A. B."}}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"agent_id": "0x" + "ab" * 32, "action": "A"}, 404, "agent-not-found"),
        ({"capability": "nobody.does.this"}, 409, "no-acceptable-agent"),
        (CALL | {"max_price": "1"}, 409, "no-acceptable-agent"),
        (CALL | {"action": "DANCE"}, 409, "no-acceptable-agent"),
        ({}, 422, "invalid-request"),
        ({"agent_id": "0x" + "ab" * 32}, 422, "invalid-request"),
        ({"action": "A"}, 422, "invalid-request"),
        ({"capability": "a", "agent_id": "0xAB"}, 422, "invalid-request"),
    ],
)
async def test_a_call_that_nobody_can_answer_is_not_made(
    steady: Caller, body: dict[str, Any], status: int, code: str
):
    answer = await steady.execute(body, str(uuid4()))

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_faults_of_a_call_are_pointed_at_where_they_are_in_the_call(steady: Caller):
    broken = CALL | {"parameters": {"x": {"$ref": "#/steps/a/result"}}, "quality": {"schema": {"type": "t"}}}

    answer = await steady.execute(broken, str(uuid4()))

    assert (answer.status_code, answer.json()["code"]) == (409, "invalid-plan")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/quality/schema/type"]


async def test_a_reference_to_a_step_makes_no_sense_in_a_call(steady: Caller):
    answer = await steady.execute(CALL | {"parameters": {"x": {"$ref": "#/steps/call/result"}}}, str(uuid4()))

    assert [error["pointer"] for error in answer.json()["errors"]] == ["/parameters/x"]


async def test_an_escrow_that_nobody_knows_is_not_found(steady: Caller):
    answer = await steady.http.get(f"/v1/escrows/0x{'0e' * 32}")

    assert (answer.status_code, answer.json()["code"]) == (404, "escrow-not-found")


@pytest.mark.parametrize("id", ["0x", "0x" + "AB" * 32, "ab" * 32, "0x" + "ab" * 33])
async def test_what_is_no_escrow_id_is_refused(steady: Caller, id: str):
    answer = await steady.http.get(f"/v1/escrows/{id}")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/escrow_id")


@pytest.mark.parametrize(
    ("review", "pointer"),
    [
        ({"validators": {}}, "/validators/capability"),
        ({"validators": {"capability": "review", "count": 0}}, "/validators/count"),
        ({"validators": {"capability": "review", "count": 10}}, "/validators/count"),
        ({"validators": {"capability": "review", "quorum": 0}}, "/validators/quorum"),
        ({"validators": {"capability": "review", "timeout_s": 301}}, "/validators/timeout_s"),
        ({"validators": {"capability": "review", "agents": ["me"]}}, "/validators/agents/0"),
        ({"validators": {"capability": "review", "price": "5"}}, "/validators/price"),
        ({"person": "maybe"}, "/person"),
        ({"deadline_s": 604_801}, "/deadline_s"),
        ({"otherwise": "keep"}, "/otherwise"),
    ],
)
async def test_a_review_that_makes_no_sense_is_pointed_at(steady: Caller, review: Any, pointer: str):
    step = {"id": "a", "capability": "c", "quality": {"review": review}}

    answer = await steady.post("/v1/plans", {"task": "t", "requirements": [step]})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [
        f"/requirements/0/quality/review{pointer}"
    ]


@pytest.mark.parametrize("payment", ["cash", None, 1])
async def test_there_are_two_ways_to_pay(steady: Caller, payment: Any):
    step = {"id": "a", "capability": "c", "payment": payment}

    answer = await steady.post("/v1/plans", {"task": "t", "requirements": [step]})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/requirements/0/payment"]


@pytest.mark.parametrize("account", ["nobody", "payee:me", "held;", "payee:0x" + "A" * 40])
async def test_an_account_that_cannot_be_is_refused(steady: Caller, account: str):
    answer = await steady.http.get("/v1/ledger/transfers", params={"account": account})

    assert answer.status_code == 422


@pytest.mark.parametrize("what", ["accounts", "transfers", "payouts"])
async def test_a_cursor_of_nobody_s_is_refused(steady: Caller, what: str):
    answer = await steady.http.get(f"/v1/ledger/{what}", params={"cursor": "abc"})

    assert (answer.status_code, answer.json()["code"]) == (404, "cursor-not-found")
