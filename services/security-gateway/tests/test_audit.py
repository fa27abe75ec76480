"""What was done with credentials is on record, before it happens and after; and the record can be checked."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.repository.tables import AuditEntryRow, AuditHeadRow, Base
from mesh_security_gateway.service import lull, recording
from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

if TYPE_CHECKING:
    from pathlib import Path

    from mesh_security_gateway.service.recording import Recorder

    from conftest import MakeApp, Operator, Origin, Seen


async def entries(operator: Operator, **params: Any) -> list[dict[str, Any]]:
    """The record as the API tells it, oldest first."""
    page = await operator.get("/v1/audit", limit=100, **params)
    assert page.status_code == 200, page.text
    return page.json()["items"][::-1]


async def checkpoint(operator: Operator) -> str:
    answer = await operator.get("/v1/audit/checkpoint")
    assert answer.status_code == 200, answer.text
    return answer.text


async def call(operator: Operator, origin: Origin, path: str = "/user?page=2&token=kept-out") -> int:
    agent = await operator.agent("agent-7")
    return (await operator.http.get(f"/v1/proxy/github{path}", headers=agent)).status_code


async def test_a_call_leaves_its_intent_and_its_outcome(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    origin.answers(b"0123456789")

    assert await call(operator, origin) == 200
    intent, outcome = await entries(operator, agent="agent-7")

    assert (intent["phase"], intent["decision"], intent["action"]) == ("intent", "allow", "proxy")
    assert (intent["method"], intent["path"], intent["origin"]) == ("GET", "/user", origin.url)
    assert (intent["secret_version"], intent["private_origin"]) == (1, True)
    assert intent["query_keys"] == ["page", "token"]
    assert "kept-out" not in str(intent)
    assert (outcome["phase"], outcome["intent"], outcome["code"]) == ("outcome", intent["id"], None)
    assert (outcome["status"], outcome["bytes"]) == (200, 10)
    assert outcome["ms"] >= 0
    assert outcome["sequence"] == intent["sequence"] + 1


async def test_the_intent_is_durable_before_a_byte_leaves(
    operator: Operator, origin: Origin, state_dir: Path
):
    """The upstream itself looks into the database, over a connection of its own, when the request comes."""
    on_disk = list[tuple[str, bytes]]()

    def look(seen: Seen) -> list[bytes]:
        with sqlite3.connect(f"file:{state_dir}/security-gateway.db?mode=ro", uri=True) as database:
            on_disk.extend(database.execute("SELECT agent, body FROM audit_entries WHERE agent = 'agent-7'"))
        database.close()
        return [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]

    await operator.connect(origin.url)
    await operator.grant("agent-7")
    origin.says = look

    assert await call(operator, origin) == 200
    ((agent, body),) = on_disk
    assert agent == "agent-7"
    assert b'"phase":"intent"' in body


async def test_what_was_refused_is_on_record_too(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7", paths=["/only-here"])
    agent = await operator.agent("agent-7")

    for path in ("github/user", "unknown/user"):
        await operator.http.get(f"/v1/proxy/{path}", headers=agent)

    refused = await entries(operator, agent="agent-7")
    assert [(e["phase"], e["decision"], e["code"], e["connection"]) for e in refused] == [
        ("intent", "deny", "grant-missing", "github"),
        ("intent", "deny", "connection-not-found", "unknown"),
    ]
    assert origin.seen == []


async def test_the_record_is_read_by_connection_by_agent_and_page_by_page(
    operator_everywhere: Operator, origin: Origin
):
    operator = operator_everywhere
    for name in ("github", "gitlab"):
        await operator.connect(origin.url, name=name)
        await operator.grant("agent-7", connection=name)
    agent = await operator.agent("agent-7")
    for name in ("github", "gitlab", "github"):
        await operator.http.get(f"/v1/proxy/{name}/user", headers=agent)

    first = (await operator.get("/v1/audit", agent="agent-7", limit=4)).json()
    second = (await operator.get("/v1/audit", agent="agent-7", limit=4, cursor=first["next_cursor"])).json()

    walked = [entry["sequence"] for entry in first["items"] + second["items"]]
    assert walked == sorted(walked, reverse=True)
    assert len(set(walked)) == 6
    assert second["next_cursor"] is None
    assert {entry["connection"] for entry in await entries(operator, connection="gitlab")} == {"gitlab"}
    assert await entries(operator, agent="nobody") == []


async def test_a_record_that_nobody_touched_verifies(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    await asyncio.gather(*(call(operator, origin) for _ in range(5)))

    verdict = (await operator.get("/v1/audit/verification")).json()
    newest = (await entries(operator))[-1]

    assert verdict == {
        "valid": True,
        "entries": newest["sequence"],
        "root": verdict["root"],
        "broken": None,
    }
    assert base64.b64encode(bytes.fromhex(verdict["root"])).decode() in await checkpoint(operator)


TAMPERINGS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "an entry says another thing": (
        [
            "UPDATE audit_entries SET body = (SELECT body FROM audit_entries WHERE sequence = 6)"
            " WHERE sequence = 7"
        ],
        {"sequence": 7, "flaw": "entry-changed"},
    ),
    "an entry is found under another agent": (
        ["UPDATE audit_entries SET agent = 'somebody-else' WHERE sequence = 7"],
        {"sequence": 7, "flaw": "entry-changed"},
    ),
    "an entry is gone": (
        ["DELETE FROM audit_entries WHERE sequence = 3"],
        {"sequence": 3, "flaw": "entry-missing"},
    ),
    "the beginning is gone": (
        ["DELETE FROM audit_entries WHERE sequence < 4"],
        {"sequence": 1, "flaw": "entry-missing"},
    ),
    "two entries changed places": (
        [
            "UPDATE audit_entries SET sequence = -1 WHERE sequence = 3",
            "UPDATE audit_entries SET sequence = 3 WHERE sequence = 4",
            "UPDATE audit_entries SET sequence = 4 WHERE sequence = -1",
        ],
        {"sequence": 3, "flaw": "entry-changed"},
    ),
    "an entry and its leaf say another thing": (
        [
            "UPDATE audit_entries SET body = (SELECT body FROM audit_entries WHERE sequence = 6),"
            " leaf = (SELECT leaf FROM audit_entries WHERE sequence = 6) WHERE sequence = 7"
        ],
        {"sequence": 7, "flaw": "entry-changed"},
    ),
    "the newest entry is gone": (
        ["DELETE FROM audit_entries WHERE sequence = 8"],
        {"sequence": 8, "flaw": "entry-missing"},
    ),
    "the newest entry is gone, and the head says so": (
        [
            "DELETE FROM audit_entries WHERE sequence = 8",
            "UPDATE audit_head SET size = 7",
        ],
        {"sequence": None, "flaw": "head-forged"},
    ),
    "everything is gone": (
        ["DELETE FROM audit_entries", "UPDATE audit_head SET size = 0"],
        {"sequence": None, "flaw": "head-forged"},
    ),
    "the head is gone": (["DELETE FROM audit_head"], {"sequence": None, "flaw": "head-missing"}),
    "an entry was slipped in": (
        [
            "INSERT INTO audit_entries (sequence, agent, connection, body, leaf)"
            " SELECT 9, agent, connection, body, leaf FROM audit_entries WHERE sequence = 8"
        ],
        {"sequence": 9, "flaw": "entry-beyond-head"},
    ),
}


async def test_whatever_is_done_to_the_record_afterwards_shows(operator_everywhere: Operator):
    operator = operator_everywhere
    await operator.connect("https://api.github.com", allow_private=False)
    assert (await operator.get("/v1/audit/verification")).json()["entries"] == 8
    database = operator.app.state.platform.database
    tables = (AuditEntryRow, AuditHeadRow)
    async with database.read() as session:
        kept = {table: await _rows(session, table) for table in tables}

    for name, (statements, found) in TAMPERINGS.items():
        async with database.write() as session:
            for statement in statements:
                await session.execute(text(statement))
        verdict = (await operator.get("/v1/audit/verification")).json()
        async with database.write() as session:
            for table, rows in kept.items():
                await session.execute(delete(table))
                await session.execute(insert(table), rows)

        assert (verdict["valid"], verdict["broken"]) == (False, found), name
    assert (await operator.get("/v1/audit/verification")).json()["valid"]


async def _rows(session: AsyncSession, table: type[Base]) -> list[dict[str, Any]]:
    return [dict(row) for row in (await session.execute(select(*table.__table__.columns))).mappings()]


@pytest.mark.parametrize("body", ["nothing", "[]", "{}"])
async def test_an_entry_that_is_none_any_more_is_named_and_never_a_bug_of_ours(operator: Operator, body: str):
    async with operator.app.state.platform.database.write() as session:
        update = "UPDATE audit_entries SET body = CAST(:body AS blob) WHERE sequence = 3"
        await session.execute(text(update), {"body": body})

    response = await operator.get("/v1/audit")

    assert (response.status_code, response.json()["code"]) == (409, "entry-unreadable")
    assert response.json()["sequence"] == 3


async def test_a_record_without_its_head_lets_nothing_pass(operator_everywhere: Operator, origin: Origin):
    operator = operator_everywhere
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")
    async with operator.app.state.platform.database.write() as session:
        await session.execute(text("DELETE FROM audit_head"))

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert (response.status_code, response.json()["code"]) == (503, "audit-unavailable")
    assert response.headers["x-mesh-gateway-error"] == "audit_unavailable"
    assert response.headers["retry-after"]
    assert origin.seen == []


async def test_a_head_that_is_gone_is_not_made_anew_at_the_next_start(
    make_app: MakeApp, operate: Callable[..., Any]
):
    async with operate(make_app()) as first, first.app.state.platform.database.write() as session:
        await session.execute(text("DELETE FROM audit_head"))

    async with operate(make_app()) as second:
        verdict = (await second.get("/v1/audit/verification")).json()

    assert (verdict["valid"], verdict["broken"]) == (False, {"sequence": None, "flaw": "head-missing"})


async def test_without_room_for_the_intent_nothing_leaves_and_it_heals_by_itself(
    operator: Operator, origin: Origin
):
    """A full disk, by SQLite's own limit on pages."""
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")
    database = operator.app.state.platform.database

    async with database.read() as session:
        pages = await session.scalar(text("PRAGMA page_count"))
    await limit_pages(database, pages)
    answers = list[httpx.Response]()
    async with asyncio.timeout(60):
        while sum(answer.status_code == 503 for answer in answers) < 5:
            answers.append(await operator.http.get("/v1/proxy/github/user", headers=agent))
    passed = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    reached = len(origin.seen)
    await limit_pages(database, 1 << 30)
    healed = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert len(passed) == reached
    assert {answer.json()["code"] for answer in refused} == {"audit-unavailable"}
    assert healed.status_code == 200
    assert (await operator.get("/v1/audit/verification")).json()["valid"]


async def limit_pages(database: Any, pages: int) -> None:
    """Sets the limit on every connection that writes: it belongs to the connection."""
    await database.write_if((text(f"PRAGMA max_page_count = {pages}"), [{}]))
    held = [await database.engine.connect() for _ in range(5)]
    for connection in held:
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        await connection.close()


CALL = Happening(phase="intent", action="proxy", agent="agent-7")


def watched(recorder: Recorder) -> list[list[str]]:
    """The phases of the entries in each of its writes from now on."""
    written, extend = list[list[str]](), recorder._tail.extend

    async def noted(happenings: Sequence[Happening]) -> list[str]:
        written.append([happening.phase for happening in happenings])
        return await extend(happenings)

    recorder._tail.extend = noted
    return written


async def test_an_outcome_goes_to_the_disk_with_the_next_intent_or_soon_alone(operator: Operator):
    recorder: Recorder = operator.app.state.service.calls.recorder
    written = watched(recorder)

    first = await recorder.intend(CALL)
    ending = asyncio.create_task(first.settle(None))
    await asyncio.sleep(0)
    second = await recorder.intend(CALL)
    await asyncio.gather(ending, second.settle(None))

    assert written == [["intent"], ["outcome", "intent"], ["outcome"]]
    assert not recorder.pending


async def test_while_the_loop_has_calls_to_work_at_an_intent_waits_for_theirs(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
):
    recorder: Recorder = operator.app.state.service.calls.recorder
    under_way = [await recorder.intend(CALL) for _ in range(4)]
    written = watched(recorder)
    monkeypatch.setattr(recording, "LINGER_S", 20)
    monkeypatch.setattr(lull, "EMPTY_TURN_S", 0)  # no turn is

    early = [asyncio.create_task(recorder.intend(CALL)) for _ in range(8)]
    await asyncio.sleep(0)
    ends = [asyncio.create_task(call.settle(None)) for call in under_way]
    await asyncio.sleep(0)
    monkeypatch.setattr(lull, "EMPTY_TURN_S", 20)  # each is
    last = await recorder.intend(CALL)
    await asyncio.gather(*early, *ends)
    monkeypatch.undo()

    assert written == [["intent"] * 8 + ["outcome"] * 4 + ["intent"]]
    await asyncio.gather(*(call.settle(None) for call in (last, *(task.result() for task in early))))


async def test_beside_calls_that_only_last_an_intent_waits_for_nobody(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
):
    recorder: Recorder = operator.app.state.service.calls.recorder
    under_way = [await recorder.intend(CALL) for _ in range(4)]
    monkeypatch.setattr(recording, "LINGER_S", 20)

    async with asyncio.timeout(10):
        last = await recorder.intend(CALL)

    monkeypatch.undo()
    await asyncio.gather(*(call.settle(None) for call in (*under_way, last)))


async def test_where_the_loop_never_rests_an_intent_is_written_all_the_same(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
):
    recorder: Recorder = operator.app.state.service.calls.recorder
    monkeypatch.setattr(lull, "EMPTY_TURN_S", 0)

    await (await recorder.intend(CALL)).settle(None)

    assert not recorder.pending


async def test_what_came_while_others_were_written_goes_next(operator: Operator):
    recorder: Recorder = operator.app.state.service.calls.recorder
    written, late = list[int](), list[asyncio.Task[Any]]()
    extend = recorder._tail.extend

    async def noted(happenings: Sequence[Happening]) -> list[str]:
        if not late:
            late.extend(asyncio.create_task(recorder.intend(CALL)) for _ in range(3))
            await asyncio.sleep(0)
        written.append(len(happenings))
        return await extend(happenings)

    recorder._tail.extend = noted
    calls = [await recorder.intend(CALL), *await asyncio.gather(*late)]
    await asyncio.gather(*(call.settle(None) for call in calls))

    assert written == [1, 3, 4]
