from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from mesh_security_gateway.service.gateway import Gateway
from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import IdempotencyKeyReused

if TYPE_CHECKING:
    from conftest import Operator, Origin


async def status(operator: Operator, agent: dict[str, str], path: str = "/user", method: str = "GET") -> int:
    return (await operator.http.request(method, f"/v1/proxy/github{path}", headers=agent)).status_code


async def test_nothing_is_allowed_until_it_is_granted(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    agent = await operator.agent("agent-7")

    before = await status(operator, agent)
    await operator.grant("agent-7", methods=["GET"], paths=["/user", "/repos/**"])
    after = await status(operator, agent)

    assert (before, after) == (404, 200)
    assert await status(operator, agent, "/repos/a/b") == 200
    assert await status(operator, agent, "/user", "POST") == 403
    assert await status(operator, agent, "/users") == 403
    assert await status(operator, agent, "/Repos/a") == 403
    assert [seen.target for seen in origin.seen] == ["/user", "/repos/a/b"]


async def test_the_owner_needs_a_grant_too(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    admin = await operator.admin()
    response = await operator.http.get("/v1/proxy/github/user", headers=admin)

    assert (response.status_code, response.json()["code"]) == (403, "grant-missing")
    assert response.headers["x-mesh-gateway-error"] == "grant_missing"
    assert origin.seen == []


async def test_a_refusal_tells_nothing_of_the_grants(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    agent = await operator.agent("agent-7")
    await operator.grant("agent-7", paths=["/only-here"])

    problem = (await operator.http.get("/v1/proxy/github/user", headers=agent)).json()

    assert problem.keys() == {"type", "title", "status", "detail", "instance", "code", "trace_id"}
    assert "only-here" not in str(problem)


async def test_a_revocation_holds_from_the_next_request_on(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    agent = await operator.agent("agent-7")
    grant = await operator.grant("agent-7")

    before = await status(operator, agent)
    revoked = await operator.post(f"/v1/grants/{grant['id']}/revoke", {})
    after = await status(operator, agent)
    again = await operator.post(f"/v1/grants/{grant['id']}/revoke", {})

    assert (before, after) == (200, 403)
    assert revoked.json() == again.json()
    assert revoked.json()["is_revoked"]


async def test_a_grant_ends_by_itself(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    agent = await operator.agent("agent-7")
    await operator.grant("agent-7", expires_at=int(time.time()) + 2)

    first = await status(operator, agent)
    async with asyncio.timeout(60):
        while await status(operator, agent) == 200:
            await asyncio.sleep(0.1)

    assert first == 200
    assert await status(operator, agent) == 403


async def test_two_agents_cannot_use_each_others_connections(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url, "sk-of-the-first", name="first")
    await operator.connect(origin.url, "sk-of-the-second", name="second")
    one, two = await operator.agent("one"), await operator.agent("two")
    await operator.grant("one", connection="first")
    await operator.grant("two", connection="second")

    async def ask(agent: dict[str, str], connection: str) -> tuple[int, str]:
        response = await operator.http.get(f"/v1/proxy/{connection}/", headers=agent)
        return response.status_code, response.headers.get("x-mesh-gateway-error", "")

    assert [await ask(one, "first"), await ask(two, "second")] == [(200, ""), (200, "")]
    foreign = [await ask(one, "second"), await ask(two, "first"), await ask(one, "unknown")]
    assert foreign == [(404, "connection_not_found")] * 3
    assert [seen.values("authorization") for seen in origin.seen] == [
        ["Bearer sk-of-the-first"],
        ["Bearer sk-of-the-second"],
    ]


async def test_grants_are_listed_in_order_and_by_whom_they_concern(operator_everywhere: Operator):
    operator = operator_everywhere
    for name in ("github", "gitlab"):
        await operator.connect(f"https://{name}.example", name=name, allow_private=False)
    for subject, connection in (("one", "github"), ("two", "gitlab"), ("one", "gitlab")):
        await operator.grant(subject, connection=connection)

    async def listed(**params: Any) -> list[tuple[str, str]]:
        page = (await operator.get("/v1/grants", **params)).json()
        return [(item["subject"], item["connection"]) for item in page["items"]]

    first = (await operator.get("/v1/grants", limit=2)).json()
    assert len(first["items"]) == 2
    assert await listed(limit=2, cursor=first["next_cursor"]) == [("one", "gitlab")]
    assert await listed(subject="one") == [("one", "github"), ("one", "gitlab")]
    assert await listed(connection="gitlab") == [("two", "gitlab"), ("one", "gitlab")]
    assert await listed(subject="nobody") == []


async def test_the_owner_of_a_connection_grants_on_it_and_on_no_other(operator: Operator, origin: Origin):
    await operator.connect(origin.url)
    owner = await operator.agent("owner", "gateway:connect", "gateway:grant")
    connection = {"name": "own", "provider": "github", "secret": "sk-0123456789"}
    body = {"subject": "agent-7", "methods": ["GET"], "paths": ["/**"]}
    foreign = await operator.grant("agent-7")
    http = operator.http
    await http.post("/v1/connections", json=connection, headers=owner)

    given = await http.post("/v1/grants", json=body | {"connection": "own"}, headers=owner)
    refused = await http.post("/v1/grants", json=body | {"connection": "github"}, headers=owner)
    unseen = await http.post(f"/v1/grants/{foreign['id']}/revoke", headers=owner)
    listed = await http.get("/v1/grants", headers=owner)

    assert (given.status_code, refused.status_code) == (201, 404)
    assert (unseen.status_code, unseen.json()["code"]) == (404, "grant-not-found")
    assert [grant["id"] for grant in listed.json()["items"]] == [given.json()["id"]]


async def test_the_same_request_gives_one_grant(operator_everywhere: Operator):
    operator = operator_everywhere
    await operator.connect("https://api.github.com", allow_private=False)
    body = {"subject": "agent-7", "connection": "github", "methods": ["GET"], "paths": ["/**"]}
    key = {"Idempotency-Key": "once"}

    answers = await asyncio.gather(*(operator.post("/v1/grants", body, **key) for _ in range(10)))
    settled = await operator.post("/v1/grants", body, **key)

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert settled.headers["idempotency-replayed"] == "true"
    assert len((await operator.get("/v1/grants")).json()["items"]) == 1


async def test_a_grant_that_was_given_before_a_crash_is_recognised(operator: Operator):
    """The route forgets the key with the crash; the grant remembers it."""
    await operator.connect("https://api.github.com", allow_private=False)
    gateway: Gateway = operator.app.state.service
    asked: dict[str, Any] = {
        "subject": "agent-7",
        "connection": "github",
        "methods": ["GET"],
        "paths": ["/**"],
        "expires_at": None,
        "key": "once",
    }
    admin = Principal("admin", frozenset({"mesh:admin"}))

    first = await gateway.granting.give(admin, **asked)
    second = await gateway.granting.give(admin, **asked)

    assert first == second
    with pytest.raises(IdempotencyKeyReused):
        await gateway.granting.give(admin, **dict(asked, subject="another"))


UNFIT: list[dict[str, Any]] = [
    {"methods": []},
    {"methods": ["TRACE"]},
    {"methods": ["get"]},
    {"paths": []},
    {"paths": ["user"]},
    {"paths": ["/a?b"]},
    {"paths": ["/a b"]},
    {"paths": ["/" + "a" * 500]},
    {"expires_at": -1},
    {"expires_at": 10**12},
    {"subject": "has a blank"},
]


async def test_a_grant_outside_the_schema_is_refused(operator: Operator):
    body = {"subject": "agent-7", "connection": "github", "methods": ["GET"], "paths": ["/**"]}
    for fault in UNFIT:
        assert (await operator.post("/v1/grants", body | fault)).status_code == 422, fault
