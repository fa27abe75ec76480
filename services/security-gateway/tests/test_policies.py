"""Policies that an operator publishes: checked, versioned, narrowing, and asked without a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin

READ_ONLY = '@id("read-only") forbid (principal, action, resource) unless { context.method == "GET" };'
NO_USER = '@id("no-user") forbid (principal, action, resource) when { context.path == "/user" };'
OVERFLOWS = (
    '@id("overflows") forbid (principal, action, resource) when { context.now + 9223372036854775807 > 0 };'
)


async def publish(operator: Operator, text: str) -> dict[str, Any]:
    response = await operator.post("/v1/policies", {"text": text})
    assert response.status_code == 201, response.text
    return response.json()


async def call(
    operator: Operator, agent: dict[str, str], method: str = "GET", path: str = "/user"
) -> httpx.Response:
    return await operator.http.request(method, f"/v1/proxy/github{path}", headers=agent)


async def test_a_policy_holds_from_the_next_call_on_and_says_its_name(
    operator_everywhere: Operator, origin: Origin
):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")

    before = await call(operator, agent, "POST")
    await publish(operator, READ_ONLY)
    after, reading = await call(operator, agent, "POST"), await call(operator, agent)
    await publish(operator, "")
    again = await call(operator, agent, "POST")

    assert [before.status_code, after.status_code, reading.status_code, again.status_code] == [
        200,
        403,
        200,
        200,
    ]
    assert after.json()["code"] == "policy-forbids"
    assert after.json()["policies"] == ["read-only"]
    assert after.headers["x-mesh-gateway-error"] == "policy_forbids"
    assert len(origin.seen) == 3


async def test_a_policy_that_cannot_be_evaluated_lets_nothing_out(
    operator: Operator, agent: dict[str, str], origin: Origin
):
    await publish(operator, OVERFLOWS)

    refused = await call(operator, agent)

    assert (refused.status_code, refused.json()["code"]) == (403, "policy-undecided")
    assert origin.seen == []


async def test_the_audit_names_what_decided(operator: Operator, agent: dict[str, str]):
    published = await publish(operator, NO_USER)
    await call(operator, agent)
    await call(operator, agent, path="/orgs")

    entries = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]
    refused = next(entry for entry in entries if entry["decision"] == "deny")
    allowed = next(entry for entry in entries if entry["phase"] == "intent" and entry["decision"] == "allow")
    (grant,) = (await operator.get("/v1/grants")).json()["items"]

    assert (refused["code"], refused["policies"]) == ("policy-forbids", ["no-user"])
    assert (refused["policy_hash"], refused["grant"]) == (published["hash"], None)
    assert (allowed["policies"], allowed["grant"]) == (["mesh.grant"], grant["id"])
    assert allowed["policy_hash"] == published["hash"]


async def test_every_publication_is_kept_under_its_hash_with_its_author(operator_everywhere: Operator):
    operator = operator_everywhere
    first = await publish(operator, READ_ONLY)
    second = await publish(operator, NO_USER)
    repeated = await publish(operator, NO_USER)
    back = await publish(operator, READ_ONLY)

    listed = (await operator.get("/v1/policies")).json()["items"]
    page = (await operator.get("/v1/policies", limit=2)).json()
    rest = (await operator.get("/v1/policies", limit=2, cursor=page["next_cursor"])).json()
    known = await operator.get(f"/v1/policies/{second['hash']}")
    unknown = await operator.get(f"/v1/policies/{'0' * 64}")

    assert first["hash"] == back["hash"] == sha256(READ_ONLY.encode()).hexdigest()
    assert repeated == second
    assert [item["text"] for item in listed] == [READ_ONLY, NO_USER, READ_ONLY]
    assert page["items"] + rest["items"] == listed
    assert {item["author"] for item in listed} == {"admin"}
    assert known.json() == second
    assert (unknown.status_code, unknown.json()["code"]) == (404, "policy-not-found")


async def test_a_publication_is_on_record_and_told(operator: Operator):
    published = await publish(operator, READ_ONLY)

    entry = (await operator.get("/v1/audit", agent="admin")).json()["items"][0]
    async with asyncio.timeout(60):
        told: list[Any] = []
        while not told:
            items = (await operator.get("/v1/events")).json()["items"]
            told = [item["data"] for item in items if item["type"].endswith("policy-published.v1")]

    assert (entry["action"], entry["target"]) == ("policy-published", published["hash"])
    assert told == [{"hash": published["hash"], "by": "admin"}]


async def test_a_text_that_does_not_fit_changes_nothing(
    operator: Operator, agent: dict[str, str], origin: Origin
):
    await publish(operator, NO_USER)
    permit = '@id("all") permit (principal, action, resource);'

    refused = await operator.post("/v1/policies", {"text": permit})
    after = await call(operator, agent)

    assert (refused.status_code, refused.json()["code"]) == (409, "policy-unfit")
    assert after.json()["policies"] == ["no-user"]
    assert len((await operator.get("/v1/policies")).json()["items"]) == 1


async def test_policies_are_an_operators_business(operator: Operator):
    other = await operator.agent("agent-7", "gateway:proxy", "gateway:grant", "gateway:connect")

    refused = await operator.http.post("/v1/policies", json={"text": ""}, headers=other)
    unread = await operator.http.get("/v1/policies", headers=other)

    assert (refused.status_code, unread.status_code) == (403, 403)


async def simulated(operator: Operator, **asked: Any) -> dict[str, Any]:
    body = {"subject": "agent-7", "connection": "github", "method": "GET", "path": "/user"}
    response = await operator.post("/v1/policies/simulate", body | asked)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_simulation_says_what_would_come_of_a_call_and_makes_none(
    operator_everywhere: Operator, origin: Origin
):
    operator = operator_everywhere
    await operator.connect(origin.url)
    grant = await operator.grant(
        "agent-7", methods=["GET"], paths=["/user"], expires_at=int(time.time()) + 1000
    )
    written = (await operator.get("/v1/audit/verification")).json()["entries"]

    allowed = await simulated(operator, path="/user?verbose=1")
    missing = await simulated(operator, method="POST")
    stranger = await simulated(operator, subject="agent-8")
    later = await simulated(operator, at=int(time.time()) + 2000)
    drafted = await simulated(operator, text=NO_USER)

    assert (allowed["decision"], allowed["code"], allowed["grant"]) == ("allow", None, grant["id"])
    assert allowed["policies"] == ["mesh.grant"]
    assert (missing["decision"], missing["code"]) == ("deny", "grant-missing")
    assert missing["reasons"] == ["No live grant covers this method and path."]
    assert [stranger["code"], later["code"]] == ["grant-missing", "grant-missing"]
    assert (drafted["code"], drafted["policies"]) == ("policy-forbids", ["no-user"])
    assert drafted["policy_hash"] == sha256(NO_USER.encode()).hexdigest()
    assert origin.seen == []
    assert (await operator.get("/v1/audit/verification")).json()["entries"] == written


async def test_a_simulation_is_for_the_owner_of_the_connection(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    other = await operator.agent("other", "gateway:grant")
    body = {"subject": "agent-7", "connection": "github", "method": "GET", "path": "/user"}

    foreign = await operator.http.post("/v1/policies/simulate", json=body, headers=other)
    unknown = await operator.http.post(
        "/v1/policies/simulate", json=body | {"connection": "nothing"}, headers=other
    )

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json()["code"] == unknown.json()["code"] == "connection-not-found"


async def test_a_path_that_is_not_forwarded_is_not_simulated(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    body = {"subject": "agent-7", "connection": "github", "method": "GET", "path": "/a/%2e%2e/b"}

    refused = await operator.post("/v1/policies/simulate", body)

    assert (refused.status_code, refused.json()["code"]) == (409, "operation-unfit")


async def test_what_one_replica_publishes_or_revokes_the_other_obeys_at_once(
    make_app: MakeApp, operate: Callable[..., Any], postgres_url: str, origin: Origin
):
    async with operate(make_app(postgres_url)) as one, operate(make_app(postgres_url)) as two:
        await one.connect(origin.url)
        agent = await one.agent("agent-7")
        grant = await one.grant("agent-7")

        codes = [(await call(two, agent)).status_code]
        await publish(one, NO_USER)
        codes.append((await call(two, agent)).status_code)
        await publish(one, READ_ONLY)
        codes.append((await call(two, agent)).status_code)
        await one.post(f"/v1/grants/{grant['id']}/revoke", {})
        codes.append((await call(two, agent)).status_code)
        await one.grant("agent-7", paths=["/user"])
        codes.append((await call(two, agent)).status_code)

    assert codes == [200, 403, 200, 403, 200]
    assert len(origin.seen) == 3


async def test_a_connection_made_anew_under_an_old_name_inherits_no_grant(
    operator: Operator, agent: dict[str, str], origin: Origin
):
    before = await call(operator, agent)
    (known,) = (await operator.get("/v1/connections")).json()["items"]
    await operator.delete("/v1/connections/github", revision=known["revision"])
    body = {"name": "github", "provider": "github", "secret": "sk-0123456789"}
    made = await operator.post("/v1/connections", body)

    after = await call(operator, agent)

    assert (before.status_code, made.status_code, after.status_code) == (200, 201, 404)
    assert len(origin.seen) == 1


@pytest.mark.parametrize("fault", [{"text": 7}, {"text": "x" * 20_001}, {}, {"text": "", "more": 1}])
async def test_policies_outside_the_schema_are_refused(operator: Operator, fault: dict[str, Any]):
    assert (await operator.post("/v1/policies", fault)).status_code == 422
