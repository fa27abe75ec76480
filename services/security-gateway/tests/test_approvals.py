"""A person's word on one exact request: asked once, given once, used once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain.approvals import Subject

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin

BODY = {"transfer": "10"}


async def call(
    operator: Operator,
    agent: dict[str, str],
    approval: str | None = None,
    *,
    method: str = "POST",
    path: str = "/transfers?dry=0",
    body: Any = BODY,
    **headers: str,
) -> httpx.Response:
    named = {"X-Mesh-Approval": approval} if approval else {}
    return await operator.http.request(
        method, f"/v1/proxy/github{path}", json=body, headers=agent | named | headers
    )


async def asked(operator: Operator, agent: dict[str, str], **request: Any) -> str:
    answer = await call(operator, agent, **request)
    assert answer.status_code == 202, answer.text
    return answer.json()["approval"]


async def decide(operator: Operator, approval: str, word: str = "approve") -> httpx.Response:
    return await operator.post(f"/v1/approvals/{approval}/{word}", {})


@pytest.fixture
async def watched(operator: Operator, origin: Origin) -> dict[str, str]:
    """An agent whose every call needs an approval."""
    await operator.connect(origin.url)
    await operator.grant("agent-7", needs_approval=True)
    return await operator.agent("agent-7")


async def test_a_request_waits_for_its_approval_and_goes_out_once(
    operator_everywhere: Operator, origin: Origin
):
    operator = operator_everywhere
    await operator.connect(origin.url)
    grant = await operator.grant("agent-7", needs_approval=True)
    agent = await operator.agent("agent-7")

    waiting = await call(operator, agent)
    early = await call(operator, agent, waiting.json()["approval"])
    approved = await decide(operator, waiting.json()["approval"])
    sent = await call(operator, agent, waiting.json()["approval"])
    replayed = await call(operator, agent, waiting.json()["approval"])

    assert grant["needs_approval"]
    assert (waiting.status_code, waiting.json()["code"]) == (202, "approval-required")
    assert waiting.headers["location"] == f"/v1/approvals/{waiting.json()['approval']}"
    assert waiting.headers["x-mesh-gateway-error"] == "approval_required"
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    assert [early.status_code, sent.status_code, replayed.status_code] == [409, 200, 409]
    assert {early.json()["code"], replayed.json()["code"]} == {"approval-unfit"}
    assert [seen.body for seen in origin.seen] == [b'{"transfer":"10"}']


async def test_what_is_approved_can_be_seen_and_holds_no_value(operator: Operator, watched: dict[str, str]):
    approval = await asked(operator, watched)

    shown = await operator.http.get(f"/v1/approvals/{approval}", headers=watched)
    (listed,) = (await operator.get("/v1/approvals")).json()["items"]

    assert shown.json() == listed
    assert (listed["agent"], listed["connection"], listed["state"]) == ("agent-7", "github", "pending")
    assert (listed["method"], listed["path"], listed["query_keys"]) == ("POST", "/transfers", ["dry"])
    assert listed["body_digest"] == sha256(b'{"transfer":"10"}').hexdigest()
    assert listed["body_bytes"] == 17


SWAPS: dict[str, dict[str, Any]] = {
    "another body": {"body": {"transfer": "10000"}},
    "no body": {"body": None},
    "another path": {"path": "/transfers/all?dry=0"},
    "another query": {"path": "/transfers?dry=1"},
    "another method": {"method": "PUT"},
    "another header field": {"If-Match": '"7"'},
}


@pytest.mark.parametrize("swap", SWAPS)
async def test_an_approval_is_good_for_no_other_request(
    operator: Operator, watched: dict[str, str], origin: Origin, swap: str
):
    approval = await asked(operator, watched)
    await decide(operator, approval)

    swapped = await call(operator, watched, approval, **SWAPS[swap])
    meant = await call(operator, watched, approval)

    assert (swapped.status_code, swapped.json()["code"]) == (409, "approval-unfit")
    assert meant.status_code == 200, "the swap used nothing up"
    assert len(origin.seen) == 1


async def test_an_approval_is_good_for_nobody_else(
    operator: Operator, watched: dict[str, str], origin: Origin
):
    await operator.grant("agent-8", needs_approval=True)
    other = await operator.agent("agent-8")
    approval = await asked(operator, watched)
    await decide(operator, approval)

    stolen = await call(operator, other, approval)
    unseen = await operator.http.get(f"/v1/approvals/{approval}", headers=other)

    assert (stolen.status_code, unseen.status_code) == (409, 404)
    assert origin.seen == []


async def test_of_many_at_once_one_uses_the_approval(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7", needs_approval=True)
    agent = await operator.agent("agent-7")
    approval = await asked(operator, agent)
    await decide(operator, approval)

    answers = await asyncio.gather(*(call(operator, agent, approval) for _ in range(10)))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    assert len(origin.seen) == 1


async def test_an_approval_that_is_not_used_in_time_is_worth_nothing(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin
):
    async with operate(make_app(approval_s=3)) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7", needs_approval=True)
        agent = await operator.agent("agent-7")
        approval, unanswered = await asked(operator, agent), await asked(operator, agent, path="/other")
        await decide(operator, approval)
        async with asyncio.timeout(60):
            while (await operator.get(f"/v1/approvals/{unanswered}")).json()["state"] != "expired":
                await asyncio.sleep(0.05)

        late = await call(operator, agent, approval)
        answered = await decide(operator, unanswered)
        anew = await asked(operator, agent)

    assert (late.status_code, late.json()["code"]) == (409, "approval-unfit")
    assert (answered.status_code, answered.json()["code"]) == (409, "approval-closed")
    assert anew not in (approval, unanswered)
    assert origin.seen == []


async def test_a_denial_closes_the_question(operator: Operator, watched: dict[str, str], origin: Origin):
    approval = await asked(operator, watched)

    denied, repeated = await decide(operator, approval, "deny"), await decide(operator, approval, "deny")
    reversed_ = await decide(operator, approval)
    used = await call(operator, watched, approval)

    assert denied.json() == repeated.json()
    assert denied.json()["state"] == "denied"
    assert (reversed_.status_code, used.status_code) == (409, 409)
    assert origin.seen == []
    assert await asked(operator, watched) != approval


async def test_the_same_question_is_asked_once(operator: Operator, watched: dict[str, str]):
    first = await asked(operator, watched)

    assert await asked(operator, watched) == first
    assert len((await operator.get("/v1/approvals", pending=True)).json()["items"]) == 1


async def test_questions_have_a_bound(operator: Operator, watched: dict[str, str]):
    for n in range(100):
        await asked(operator, watched, path=f"/{n}")

    refused = await call(operator, watched, path="/one-more")

    assert (refused.status_code, refused.json()["code"]) == (429, "approvals-full")
    assert refused.headers["retry-after"] == "60"


async def test_nobody_approves_a_request_of_their_own(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    await operator.grant("admin", needs_approval=True)
    admin = await operator.admin()
    approval = await asked(operator, admin)

    refused = await decide(operator, approval)

    assert (refused.status_code, refused.json()["code"]) == (403, "approval-foreign")


async def test_who_may_not_see_the_connection_answers_nothing(operator: Operator, watched: dict[str, str]):
    approval = await asked(operator, watched)
    approver = await operator.agent("approver", "gateway:approve")

    foreign = await operator.http.post(f"/v1/approvals/{approval}/approve", headers=approver)
    unscoped = await operator.http.post(f"/v1/approvals/{approval}/approve", headers=watched)
    unknown = await operator.http.post(f"/v1/approvals/{uuid4()}/approve", headers=approver)

    assert (foreign.status_code, unscoped.status_code, unknown.status_code) == (404, 403, 404)
    assert foreign.json()["detail"] == unknown.json()["detail"]


async def test_an_answer_is_on_record_and_told(operator: Operator, watched: dict[str, str]):
    approval = await asked(operator, watched)
    await decide(operator, approval)

    entry = (await operator.get("/v1/audit", agent="admin")).json()["items"][0]
    async with asyncio.timeout(60):
        told = list[str]()
        while "security-gateway.approval-decided.v1" not in told:
            told = [event["type"] for event in (await operator.get("/v1/events")).json()["items"]]

    assert (entry["action"], entry["target"], entry["holder"]) == ("approval-approved", approval, "agent-7")
    assert "security-gateway.approval-asked.v1" in told


async def test_the_audit_ties_a_call_to_the_word_that_let_it_out(
    operator: Operator, watched: dict[str, str], origin: Origin
):
    approval = await asked(operator, watched)
    await decide(operator, approval)
    await call(operator, watched, approval)
    await call(operator, watched, approval)

    entries = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]

    said = [(entry["phase"], entry["decision"], entry["code"], entry["approval"]) for entry in entries]
    assert said == [
        ("intent", "deny", "approval-unfit", approval),
        ("outcome", "allow", None, approval),
        ("intent", "allow", None, approval),
        ("intent", "deny", "approval-required", None),
    ]


async def test_an_approved_call_still_needs_room_in_its_budget(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    await operator.grant("agent-7", needs_approval=True, budget={"units": "1"})
    agent = await operator.agent("agent-7")
    first, second = await asked(operator, agent), await asked(operator, agent, path="/second")
    for approval in (first, second):
        await decide(operator, approval)

    unfit = await call(operator, agent, first, path="/second")
    sent = await call(operator, agent, first)
    poor = await call(operator, agent, second, path="/second")

    assert [unfit.status_code, sent.status_code, poor.status_code] == [409, 200, 429]
    assert len(origin.seen) == 1


async def test_a_body_that_is_too_large_to_be_shown_is_refused(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin
):
    async with operate(make_app(max_operation_bytes=1024)) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7", needs_approval=True)
        agent = await operator.agent("agent-7")

        refused = await call(operator, agent, body="x" * 2000)

    assert (refused.status_code, origin.seen) == (413, [])


async def test_a_secure_operation_is_approved_like_a_call(
    operator: Operator, watched: dict[str, str], origin: Origin
):
    body = {"connection": "github", "method": "POST", "path": "/transfers", "json": BODY}
    waiting = await operator.http.post("/v1/secure-operations", json=body, headers=watched)
    approval = waiting.json()["approval"]
    await decide(operator, approval)

    sent = await operator.http.post(
        "/v1/secure-operations", json=body | {"approval": approval}, headers=watched
    )

    assert (waiting.status_code, sent.status_code) == (202, 200)
    assert sent.json()["result"]["status"] == 200
    assert len(origin.seen) == 1


def subject(**other: Any) -> Subject:
    request: dict[str, Any] = {
        "agent": "a",
        "connection_id": UUID(int=1),
        "grant_id": UUID(int=2),
        "method": "POST",
        "path": "/p",
        "query": "q=1",
        "fields": (("accept", "x"), ("content-type", "y")),
        "body": b"body",
    }
    return Subject(**(request | other))


@given(st.permutations([("a", "1"), ("b", "1"), ("b", "2"), ("c", "1")]))
def test_the_order_of_fields_says_nothing_but_within_a_name(fields: list[tuple[str, str]]):
    in_order = [value for name, value in fields if name == "b"] == ["1", "2"]
    plain = subject(fields=(("a", "1"), ("b", "1"), ("b", "2"), ("c", "1")))

    assert (subject(fields=tuple(fields)).digest == plain.digest) == in_order


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_no_two_requests_have_one_digest(path: str, query: str, other_path: str, other_query: str):
    one, other = subject(path=path, query=query), subject(path=other_path, query=other_query)

    assert (one.digest == other.digest) == ((path, query) == (other_path, other_query))
