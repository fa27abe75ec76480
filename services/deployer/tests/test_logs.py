"""What workloads write is a bounded stream of events without credentials; commands need a scope."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.secrecy import redacted
from mesh_deployer.errors import OrderNotOpen
from mesh_deployer.ports import LogLine, Output
from mesh_deployer.service.following import bounded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from fastapi import FastAPI
    from mesh_shared.testing import Issuer

    from conftest import Tenant, TenantOf

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "ghp_" + "a1" * 20


class Talkative(SimulatedMarketplace):
    """Three lines were written here, a fourth may follow, and commands answer with their words."""

    async def logs(self, order_id: UUID, *, tail: int, follow: bool) -> AsyncIterator[LogLine]:
        lines = [f"line {number}" for number in range(3)] + [f"token {SECRET} seen"] * follow
        for number, text in enumerate(lines):
            yield LogLine(service="web", text=text, at=NOW + timedelta(seconds=number))
        if follow:
            raise OrderNotOpen

    async def exec(self, order_id: UUID, service: str, command: Sequence[str]) -> Output:
        return Output(exit_code=3, stdout=" ".join(command), stderr=service, is_cut=True)


def talk(app: FastAPI) -> None:
    """From here on its market is the talkative one."""
    quiet = app.state.service.markets["simulated"]
    app.state.service.markets["simulated"] = Talkative(quiet.database, quiet.seed, quiet.inputs)


async def read(tenant: Tenant, made: dict[str, Any], query: str = "", **headers: str) -> list[dict[str, Any]]:
    """The events of a stream that ends."""
    response = await tenant.http.get(f"/v1/deployments/{made['deploymentId']}/logs{query}", headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events: list[dict[str, Any]] = []
    for block in response.text.split("\n\n"):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            name, _, value = line.partition(": ")
            fields[name] = value
        if "event" in fields:
            events.append({"id": fields.get("id"), "event": fields["event"], **json.loads(fields["data"])})
    return events


async def test_the_simulated_market_says_that_nothing_is_written(tenant: Tenant):
    made = await tenant.deploy(wait=30)

    line, end = await read(tenant, made)

    assert (line["event"], line["service"], line["at"], line["id"]) == ("line", "web", None, None)
    assert "nothing really runs" in line["text"]
    assert (end["event"], end["code"]) == ("end", None)


async def test_lines_come_with_their_time_and_a_reader_resumes_after_the_last(
    sqlite_app: FastAPI, tenant_of: TenantOf
):
    async with tenant_of(sqlite_app) as tenant:
        made = await tenant.deploy(wait=30)
        talk(sqlite_app)
        lines = await read(tenant, made)
        later = await read(tenant, made, **{"Last-Event-ID": lines[1]["id"]})

    assert [line.get("text") for line in lines] == ["line 0", "line 1", "line 2", None]
    assert [line.get("text") for line in later] == ["line 2", None]


async def test_a_stream_that_breaks_off_says_why_and_shows_no_credential(
    sqlite_app: FastAPI, tenant_of: TenantOf
):
    async with tenant_of(sqlite_app) as tenant:
        made = await tenant.deploy(wait=30)
        talk(sqlite_app)
        events = await read(tenant, made, "?follow=true")

    assert [event["event"] for event in events] == ["line"] * 4 + ["end"]
    assert events[3]["text"] == "token [redacted] seen"
    assert events[-1]["code"] == "order-not-open"


async def test_there_are_no_logs_before_a_lease_and_after_the_end_and_none_for_strangers(
    sqlite_app: FastAPI, tenant_of: TenantOf, issuer: Issuer
):
    stranger = issuer.headers("deployer:deploy", audience="deployer", subject="stranger")
    async with tenant_of(sqlite_app) as tenant:
        made = await tenant.deploy(wait=30)
        path = f"/v1/deployments/{made['deploymentId']}/logs"
        foreign = await tenant.http.get(path, headers=stranger)
        await tenant.close(made)
        ended = await tenant.http.get(path)
        unknown = await tenant.http.get(f"/v1/deployments/{uuid4()}/logs")

    assert (ended.status_code, ended.json()["code"]) == (409, "not-running")
    assert (foreign.status_code, unknown.status_code) == (404, 404)


@pytest.mark.parametrize("id", ["0", "yesterday", "2026-13-01T00:00:00Z", "20260101", "2026-01-01T00:00:00"])
async def test_an_id_that_is_none_of_ours_is_no_place_to_go_on_from(
    sqlite_app: FastAPI, tenant_of: TenantOf, id: str
):
    async with tenant_of(sqlite_app) as tenant:
        made = await tenant.deploy(wait=30)
        talk(sqlite_app)
        lines = await read(tenant, made, **{"Last-Event-ID": id})

    assert [line.get("text") for line in lines] == ["line 0", "line 1", "line 2", None]


@pytest.mark.parametrize("query", ["?tail=-1", "?tail=1001", "?follow=perhaps"])
async def test_a_look_is_bounded(tenant: Tenant, query: str):
    made = await tenant.deploy(wait=30)

    response = await tenant.http.get(f"/v1/deployments/{made['deploymentId']}/logs{query}")

    assert response.status_code == 422


async def forever(seen: list[str], *, is_silent: bool = False) -> AsyncIterator[LogLine]:
    try:
        while True:
            if is_silent:
                await asyncio.Event().wait()
            yield LogLine(service="web", text="x")
            await asyncio.sleep(0)
    finally:
        seen.append("closed")


async def test_a_reader_gets_so_many_lines_and_the_source_is_closed():
    seen: list[str] = []

    lines = [line async for line in bounded(forever(seen), most=7, seconds=60, closing=asyncio.Event())]

    assert len(lines) == 7
    assert seen == ["closed"]


async def test_a_silent_source_is_read_for_so_long_only():
    seen: list[str] = []

    lines = [
        line
        async for line in bounded(
            forever(seen, is_silent=True), most=7, seconds=0.01, closing=asyncio.Event()
        )
    ]

    assert (lines, seen) == ([], ["closed"])


async def test_a_service_that_closes_waits_for_no_reader():
    closing = asyncio.Event()
    closing.set()

    lines = [line async for line in bounded(forever([], is_silent=True), most=7, seconds=60, closing=closing)]

    assert lines == []


async def test_a_fault_of_the_source_reaches_the_reader():
    async def broken() -> AsyncIterator[LogLine]:
        yield LogLine(service="web", text="x")
        raise OrderNotOpen

    lines = bounded(broken(), most=7, seconds=60, closing=asyncio.Event())

    assert (await anext(lines)).text == "x"
    with pytest.raises(OrderNotOpen):
        await anext(lines)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"using {SECRET} now", "using [redacted] now"),
        ("postgres://u:hunter2@db/x is up", "[redacted] is up"),
        ("AKIAABCDEFGHIJKLMNOP", "[redacted]"),
        (f"'{SECRET}'", "'[redacted]'"),
        ("GET /a/b 200", "GET /a/b 200"),
        ("http://a.example/b?c=d", "http://a.example/b?c=d"),
    ],
)
def test_what_looks_like_a_credential_is_left_out_to_its_end(text: str, shown: str):
    assert redacted(text) == shown


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_credential_is_left_out_wherever_it_stands(before: str, after: str):
    assert SECRET not in redacted(f"{before} {SECRET} {after}")


async def command(tenant: Tenant, made: dict[str, Any], headers: dict[str, str], *words: str) -> Any:
    path, body = f"/v1/deployments/{made['deploymentId']}/exec", {"service": "web", "command": list(words)}
    return await tenant.http.post(path, json=body, headers=headers)


@pytest.fixture
def allowed(issuer: Issuer) -> dict[str, str]:
    return issuer.headers("deployer:deploy", "deployer:exec", audience="deployer")


async def test_a_command_needs_a_scope_of_its_own(
    tenant: Tenant, allowed: dict[str, str], headers: dict[str, str]
):
    made = await tenant.deploy(wait=30)

    without, simulated = (
        await command(tenant, made, headers, "id"),
        await command(tenant, made, allowed, "id"),
    )

    assert without.status_code == 403
    assert (simulated.status_code, simulated.json()["code"]) == (409, "not-offered")


async def test_a_command_answers_with_what_it_wrote_and_is_told_without_its_arguments(
    sqlite_app: FastAPI, tenant_of: TenantOf, allowed: dict[str, str]
):
    async with tenant_of(sqlite_app) as tenant:
        made = await tenant.deploy(wait=30)
        talk(sqlite_app)
        output = (await command(tenant, made, allowed, "login", "--password", "hunter2")).json()
        fact = await tenant.fact("command-asked")

    assert output == {"exit_code": 3, "stdout": "login --password hunter2", "stderr": "web", "is_cut": True}
    assert (fact["service"], fact["program"], fact["caller"]) == ("web", "login", "tester")
    assert "hunter2" not in str(fact)


async def test_no_command_runs_in_what_has_ended_or_belongs_to_somebody_else(
    tenant: Tenant, allowed: dict[str, str], issuer: Issuer
):
    made = await tenant.deploy(wait=30)
    stranger = issuer.headers("deployer:exec", audience="deployer", subject="stranger")

    foreign = await command(tenant, made, stranger, "id")
    await tenant.close(made)
    ended = await command(tenant, made, allowed, "id")

    assert (foreign.status_code, ended.status_code, ended.json()["code"]) == (404, 409, "not-running")


@pytest.mark.parametrize(
    "body",
    [
        {"service": "web", "command": []},
        {"service": "web", "command": ["a"] * 51},
        {"service": "../web", "command": ["a"]},
        {"service": "web", "command": ["a" * 4097]},
        {"service": "web"},
    ],
)
async def test_a_command_fits_the_schema(tenant: Tenant, allowed: dict[str, str], body: dict[str, Any]):
    response = await tenant.http.post(f"/v1/deployments/{uuid4()}/exec", json=body, headers=allowed)

    assert response.status_code == 422
