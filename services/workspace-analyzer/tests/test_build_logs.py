"""What a build writes, seen while it writes it: whole, in order, from any point on, and never without end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.database.engine import Database
from mesh_shared.testing import Issuer, running, served
from mesh_workspace_analyzer.adapters.processes import Output, run
from mesh_workspace_analyzer.domain.build import Build, BuildStatus
from mesh_workspace_analyzer.domain.build_log import MOST_KEPT, Piece
from mesh_workspace_analyzer.errors import BuildNotFound
from mesh_workspace_analyzer.repository import BuildLogRow, BuildLogs, BuildRow, Builds
from mesh_workspace_analyzer.service.builds import BuildDesk
from mesh_workspace_analyzer.service.recorder import Recorder
from sqlalchemy import func, select

if TYPE_CHECKING:
    from in_memory import Workshop

Event = dict[str, Any]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.data())
def test_what_is_cut_anywhere_is_whole_in_the_log(text: str, data: st.DataObject):
    written, recorder = text.encode(), Recorder()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=5)))

    for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True):
        recorder.hear(written[start:end])

    assert recorder.pending() == Piece(len(text), text)


@given(st.lists(st.text("abc", max_size=20)), st.integers(1, 30))
def test_what_waits_to_be_stored_is_the_newest_of_it_and_bounded(chunks: list[str], most: int):
    recorder = Recorder(most)
    for chunk in chunks:
        recorder.hear(chunk.encode())

    whole = "".join(chunks)
    assert recorder.pending() == Piece(len(whole), whole[-most:])


@given(st.lists(st.text("abc", min_size=1), min_size=1), st.data())
def test_pieces_that_were_stored_follow_each_other(chunks: list[str], data: st.DataObject):
    recorder, told = Recorder(), ""
    for chunk in chunks:
        recorder.hear(chunk.encode())
        if data.draw(st.booleans()):
            piece = recorder.pending()
            assert piece.starts_at == len(told)
            told += piece.text
            recorder.stored(piece)

    assert told + recorder.pending().text == "".join(chunks)


@given(st.text("abc", max_size=20), st.integers(0, 10), st.integers(0, 40))
def test_a_piece_after_a_position_is_the_rest_of_it(text: str, before: int, position: int):
    piece = Piece(before + len(text), text)

    rest = piece.after(position)

    assert rest.text == ("x" * before + text)[max(position, before) :]
    assert rest.ends_at == piece.ends_at


def test_what_comes_while_a_piece_is_stored_is_not_lost():
    recorder = Recorder()
    recorder.hear(b"one")
    piece = recorder.pending()
    recorder.hear(b"two")

    recorder.stored(piece)

    assert recorder.pending() == Piece(6, "two")
    assert recorder.heard.is_set()


def test_somebody_waits_until_there_is_something_to_store():
    recorder = Recorder()
    recorder.hear(b"\0\xc3")
    assert not recorder.heard.is_set()

    recorder.hear(b"\xa4")

    assert (recorder.heard.is_set(), recorder.pending().text) == (True, "ä")
    recorder.stored(recorder.pending())
    assert not recorder.heard.is_set()


async def test_a_program_is_heard_beyond_what_is_kept_of_it(tmp_path: Path):
    heard: list[bytes] = []
    output = Output(1000, 2, heard.append)

    await run(
        ["/bin/sh", "-c", "echo one; echo two"], cwd=tmp_path, env={}, timeout_s=20, output=output, given=b""
    )

    assert b"".join(heard) == b"one\ntwo\n"
    assert output.data == b"o\n"


async def whole(desk: BuildDesk, id: UUID, after: int = 0) -> str:
    """All that is stored of a log."""
    told = ""
    while (piece := (await desk.log(id, after=after))[0]) is not None:
        told, after = told + piece.text, piece.ends_at
    return told


async def test_a_log_is_read_while_the_build_runs_and_whole_when_it_has_ended(
    desk: BuildDesk, queued: Build, workshop: Workshop
):
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(desk.turn())
        await workshop.begun.wait()
        ticket = desk.database.committed.ticket()
        while (meanwhile := await desk.log(queued.id, after=0))[0] is None:
            await ticket.wait()
            ticket = desk.database.committed.ticket()
        workshop.let_go.set()

    assert (meanwhile[0], meanwhile[1].status) == (Piece(4, "one\n"), BuildStatus.RUNNING)
    assert await whole(desk, queued.id) == "one\nend\n"
    assert await whole(desk, queued.id, after=2) == "e\nend\n"


async def test_a_build_that_writes_nothing_more_keeps_what_it_wrote(desk: BuildDesk, queued: Build):
    async with desk.database.write() as session:
        await BuildLogs(session).append(queued.id, Piece(4, "one\n"))
        await BuildLogs(session).append(queued.id, Piece(4, ""))

    assert await whole(desk, queued.id) == "one\n"


async def test_a_piece_that_is_stored_again_is_there_once(desk: BuildDesk, queued: Build):
    async with desk.database.write() as session:
        for piece in (Piece(4, "one\n"), Piece(4, "one\n"), Piece(8, "one\ntwo\n")):
            await BuildLogs(session).append(queued.id, piece)

    assert await whole(desk, queued.id) == "one\ntwo\n"


async def test_the_oldest_of_a_long_log_is_forgotten(desk: BuildDesk, queued: Build):
    half = MOST_KEPT // 2
    async with desk.database.write() as session:
        for count in range(1, 5):
            await BuildLogs(session).append(queued.id, Piece(half * count, str(count) * half))

    first, _ = await desk.log(queued.id, after=0)

    assert first is not None
    assert (first.starts_at, first.text[0]) == (2 * half, "3")


async def test_the_log_of_a_build_that_is_forgotten_is_forgotten(desk: BuildDesk, queued: Build):
    async with desk.database.write() as session:
        await BuildLogs(session).append(queued.id, Piece(4, "one\n"))
        (await Builds(session).get(queued.id)).status = BuildStatus.FAILED
        await session.flush()
        await Builds(session).prune(0)
        rows = await session.scalar(select(func.count()).select_from(BuildLogRow))

    assert rows == 0
    with pytest.raises(BuildNotFound):
        await desk.log(queued.id, after=0)


ELSEWHERE = UUID(int=8)


@asynccontextmanager
async def elsewhere(app: FastAPI, *pieces: Piece) -> AsyncGenerator[Database, None]:
    """A build that another replica runs, and what it has written so far."""
    database: Database = app.state.platform.database
    row = BuildRow(
        id=ELSEWHERE,
        analysis_id=uuid4(),
        status=BuildStatus.RUNNING,
        instance="other",
        created_at=datetime.now(UTC),
    )
    async with database.write() as session:
        session.add(row)
        for piece in pieces:
            await BuildLogs(session).append(ELSEWHERE, piece)
    yield database


async def ends(database: Database) -> None:
    async with database.write() as session:
        await BuildLogs(session).append(ELSEWHERE, Piece(8, "two\n"))
        (await Builds(session).get(ELSEWHERE)).status = BuildStatus.SUCCEEDED


async def events(http: AsyncClient, after: str | None = None) -> AsyncIterator[Event]:
    headers = {} if after is None else {"Last-Event-ID": after}
    event: Event = {}
    async with http.stream("GET", f"/v1/builds/{ELSEWHERE}/log", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                event[name] = value
            elif not line and event:
                yield event | {"data": json.loads(event["data"])}
                event = {}


async def test_a_stream_shows_what_another_replica_builds_while_it_does_and_ends_with_it(
    make_app: Callable[..., FastAPI], caller: dict[str, str]
):
    app = make_app()
    async with (
        served(app) as url,
        elsewhere(app, Piece(4, "one\n")) as database,
        AsyncClient(base_url=url, headers=caller, timeout=20) as http,
    ):
        stream = events(http)
        first = await anext(stream)
        await ends(database)
        second, last = [event async for event in stream]

    assert first == {"id": "4", "event": "output", "data": {"starts_at": 0, "text": "one\n"}}
    assert second == {"id": "8", "event": "output", "data": {"starts_at": 4, "text": "two\n"}}
    assert (last["id"], last["event"], last["data"]["status"]) == ("8", "ended", "succeeded")


async def test_a_stream_goes_on_where_it_broke(make_app: Callable[..., FastAPI], caller: dict[str, str]):
    app = make_app()
    async with running(app, caller) as http, elsewhere(app, Piece(4, "one\n")) as database:
        await ends(database)
        told = [
            [event["data"].get("text") for event in [event async for event in events(http, after)]]
            for after in ("2", "4", "8", "99")
        ]

    assert told == [["e\n", "two\n", None], ["two\n", None], [None], [None]]


async def test_a_log_is_for_those_who_may_build_and_of_builds_that_there_are(
    make_app: Callable[..., FastAPI], caller: dict[str, str], issuer: Issuer
):
    reads = issuer.headers("workspace:analyze", audience="workspace-analyzer")
    app = make_app()
    async with running(app, caller) as http, elsewhere(app):
        unknown = await http.get(f"/v1/builds/{uuid4()}/log")
        refused = await http.get(f"/v1/builds/{ELSEWHERE}/log", headers=reads)
        nonsense = await http.get(f"/v1/builds/{ELSEWHERE}/log", headers={"Last-Event-ID": "-1"})

    assert (unknown.status_code, unknown.json()["code"]) == (404, "build-not-found")
    assert refused.status_code == 403
    assert nonsense.status_code == 422
