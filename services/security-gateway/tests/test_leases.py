"""Leases: a call names what it is made under, and is refused when that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain.leases import Lease
from mesh_security_gateway.service.leasing import MOST_LIVE
from mesh_shared.auth.tokens import Principal

if TYPE_CHECKING:
    from conftest import Operator, Origin

ENDED = (403, "lease-ended")


@pytest.fixture
async def agent(operator_everywhere: Operator, origin: Origin) -> dict[str, str]:
    await operator_everywhere.connect(origin.url)
    await operator_everywhere.grant("agent-7")
    return await operator_everywhere.agent("agent-7")


@pytest.fixture
def operator(operator_everywhere: Operator) -> Operator:
    return operator_everywhere


async def take(operator: Operator, agent: dict[str, str], **asked: Any) -> dict[str, Any]:
    answer = await operator.http.post("/v1/leases", json={"connection": "github"} | asked, headers=agent)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def call(operator: Operator, agent: dict[str, str], lease: dict[str, Any]) -> httpx.Response:
    return await operator.http.get("/v1/proxy/github/user", headers=agent | {"X-Mesh-Lease": lease["id"]})


async def say(operator: Operator, agent: dict[str, str], lease: dict[str, Any], verb: str) -> httpx.Response:
    return await operator.http.post(f"/v1/leases/{lease['id']}/{verb}", headers=agent)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def pass_time(operator: Operator, lease: dict[str, Any], seconds: int) -> None:
    """The lease is that much older."""
    from mesh_security_gateway.repository.tables import LeaseRow  # noqa: PLC0415 - one helper's

    async with operator.app.state.platform.database.write() as session:
        row = await session.get(LeaseRow, UUID(lease["id"]))
        row.expires_at -= seconds
        row.ends_at -= seconds


async def test_the_audit_names_the_lease_of_a_call_and_who_took_it(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    lease = await take(operator, agent)
    called = await call(operator, agent, lease)

    entries = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]
    assert called.status_code == 200
    assert lease["path"] == f"github/agent-7/{lease['id']}"
    assert [(entry["action"], entry["lease"]) for entry in entries] == [
        ("proxy", lease["id"]),
        ("proxy", lease["id"]),
        ("lease-taken", lease["id"]),
    ]
    assert origin.seen[0].values("x-mesh-lease") == []


async def test_a_lease_that_is_over_bites_on_the_next_call(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    expired, revoked, renewed = [await take(operator, agent) for _ in range(3)]
    await pass_time(operator, expired, 301)
    await say(operator, agent, revoked, "revoke")
    await pass_time(operator, renewed, 200)
    again = await say(operator, agent, renewed, "renew")

    answers = [await call(operator, agent, lease) for lease in (expired, revoked, renewed)]
    too_late = [await say(operator, agent, lease, "renew") for lease in (expired, revoked)]

    assert [code(answer) for answer in answers[:2]] == [ENDED, ENDED]
    assert (answers[2].status_code, again.json()["is_live"], len(origin.seen)) == (200, True, 1)
    assert [code(answer) for answer in too_late] == [ENDED, ENDED]


async def test_renewing_ends_where_the_lease_was_to_end(operator: Operator, agent: dict[str, str]):
    lease = await take(operator, agent, ttl_s=60, max_ttl_s=90)

    renewed = (await say(operator, agent, lease, "renew")).json()

    assert lease["expires_at"] == lease["created_at"] + 60
    assert renewed["expires_at"] == renewed["ends_at"] == lease["created_at"] + 90


async def test_a_lease_is_its_holders_for_one_connection(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    await operator.connect(origin.url, name="other")
    await operator.grant("agent-7", connection="other")
    await operator.grant("agent-8")
    stranger = await operator.agent("agent-8")
    lease = await take(operator, agent)

    elsewhere = {"X-Mesh-Lease": lease["id"]}
    refused = [
        await call(operator, stranger, lease),
        await operator.http.get("/v1/proxy/other/user", headers=agent | elsewhere),
        await call(operator, agent, {"id": str(uuid4())}),
    ]
    foreign = [await say(operator, stranger, lease, verb) for verb in ("renew", "revoke")]

    assert [code(answer) for answer in refused] == [ENDED] * 3
    assert [code(answer) for answer in foreign] == [(404, "lease-not-found")] * 2
    assert origin.seen == []


async def test_who_has_no_live_grant_takes_no_lease(operator: Operator, agent: dict[str, str]):
    stranger = await operator.agent("stranger")
    (grant,) = (await operator.get("/v1/grants", subject="agent-7")).json()["items"]
    await operator.post(f"/v1/grants/{grant['id']}/revoke", {})

    refused = [
        await operator.http.post("/v1/leases", json={"connection": "github"}, headers=headers)
        for headers in (stranger, agent)
    ]

    assert [code(answer) for answer in refused] == [(404, "connection-not-found"), (403, "grant-missing")]


async def test_leases_are_revoked_by_prefix_by_those_whose_they_are(
    operator: Operator, agent: dict[str, str]
):
    await operator.grant("agent_7")
    other = await operator.agent("agent_7")
    own, foreign = [await take(operator, agent) for _ in range(2)], await take(operator, other)

    async def revoked(headers: dict[str, str], prefix: str) -> int:
        body = {"prefix": prefix}
        return (await operator.http.post("/v1/leases/revoke-prefix", json=body, headers=headers)).json()[
            "revoked"
        ]

    counts = [
        await revoked(other, "github/agent-7/"),
        await revoked(agent, "github/agent_7"),
        await revoked(agent, own[0]["path"]),
        await revoked(await operator.admin(), "github/"),
        await revoked(await operator.admin(), "github/"),
    ]
    listed = (await operator.get("/v1/leases", prefix="github/agent")).json()["items"]

    assert counts == [0, 0, 1, 2, 0]
    assert {lease["id"] for lease in listed if not lease["is_live"]} == {
        own[0]["id"],
        own[1]["id"],
        foreign["id"],
    }


async def test_leases_are_listed_to_those_whose_they_are_page_by_page(
    operator: Operator, agent: dict[str, str]
):
    await operator.grant("agent-8")
    other = await operator.agent("agent-8")
    own = sorted([(await take(operator, agent))["path"] for _ in range(3)])
    await take(operator, other)

    first = await operator.http.get("/v1/leases", params={"limit": 2}, headers=agent)
    more = {"limit": 2, "cursor": first.json()["next_cursor"]}
    second = await operator.http.get("/v1/leases", params=more, headers=agent)

    listed = [lease["path"] for page in (first, second) for lease in page.json()["items"]]
    assert listed == own


async def test_a_policy_may_want_a_lease_for_every_call(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    policy = '@id("leased") forbid (principal, action, resource) unless { context.leased };'
    await operator.post("/v1/policies", {"text": policy})
    plain = await operator.http.get("/v1/proxy/github/user", headers=agent)
    leased = await call(operator, agent, await take(operator, agent))
    body = {"connection": "github", "method": "GET", "path": "/user"}
    operation = body | {"lease": (await take(operator, agent))["id"]}
    performed = await operator.http.post("/v1/secure-operations", json=operation, headers=agent)
    simulated = await operator.post("/v1/policies/simulate", body | {"subject": "agent-7", "leased": True})

    assert (code(plain), plain.json()["policies"]) == ((403, "policy-forbids"), ["leased"])
    assert (leased.status_code, performed.status_code) == (200, 200)
    assert simulated.json()["decision"] == "allow"


async def test_an_agent_has_a_hundred_live_leases_at_most(operator: Operator, agent: dict[str, str]):
    leasing, caller = operator.app.state.service.leasing, Principal("agent-7", frozenset())
    for _ in range(MOST_LIVE - 1):
        await leasing.take(caller, "github", ttl_s=60, max_ttl_s=60)
    last = await take(operator, agent)

    full = await operator.http.post("/v1/leases", json={"connection": "github"}, headers=agent)
    await pass_time(operator, last, 301)

    assert code(full) == (429, "leases-full")
    assert (await take(operator, agent))["is_live"]


INSTANTS = st.integers(0, 10_000)


@given(created=INSTANTS, ttl=INSTANTS, most=INSTANTS, renewals=st.lists(st.tuples(INSTANTS, INSTANTS)))
def test_no_number_of_renewals_takes_a_lease_beyond_its_end(
    created: int, ttl: int, most: int, renewals: list[tuple[int, int]]
):
    id, end = uuid4(), created + most
    lease = Lease(
        id=id,
        connection_id=id,
        connection="github",
        owner="admin",
        holder="agent-7",
        created_at=created,
        expires_at=min(created + ttl, end),
        ends_at=end,
        is_revoked=False,
    )

    assert all(lease.renewed(now, seconds) <= end for now, seconds in renewals)
    assert not lease.is_live(end)
    assert not lease.covers("agent-8", id, created - 1)
