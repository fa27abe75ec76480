"""The log of events: numbered without a gap in the order of their commits, and kept until they are told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database
from mesh_shared.events import outbox, relay
from mesh_shared.events.event import CloudEvent, Event, channel
from mesh_shared.events.outbox import EventLog, EventRow
from mesh_shared.events.relay import Relay
from redis.asyncio import Redis
from redis.exceptions import ConnectionError


class Noted(Event):
    topic: ClassVar[str] = "notes.noted.v1"
    number: int

    def subject(self) -> str:
        return f"note-{self.number}"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/outbox.db")
    await migrate.upgrade(database, [])
    yield database
    await database.engine.dispose()


async def record(database: Database, *numbers: int) -> None:
    async with database.write() as session:
        await outbox.record_all(session, [Noted(number=number) for number in numbers])


async def number(database: Database, limit: int) -> int:
    async with database.write() as session:
        return await EventLog(session).number(limit)


async def told(database: Database, after: int = 0, limit: int = 100) -> list[tuple[int | None, str | None]]:
    async with database.read() as session:
        return [(row.sequence, row.subject) for row in await EventLog(session).after(after, limit)]


async def test_events_are_numbered_in_the_order_in_which_they_were_recorded_and_go_on_from_the_last(
    database: Database,
):
    await record(database, 1, 2, 3)
    counts = [await number(database, 2), await number(database, 2), await number(database, 2)]
    await record(database, 4)
    counts.append(await number(database, 2))

    assert counts == [2, 1, 0, 1]
    assert await told(database) == [(n, f"note-{n}") for n in (1, 2, 3, 4)]


async def test_an_event_without_a_number_is_not_public(database: Database):
    await record(database, 1)

    assert await told(database) == []
    with pytest.raises(ValueError, match="not public yet"):
        EventRow(type="notes.noted.v1", data={}).cloud_event("/mesh/notes")


async def test_a_page_begins_after_what_its_reader_has_and_ends_at_its_limit(database: Database):
    await record(database, 1, 2, 3, 4)
    await number(database, 10)

    assert [sequence for sequence, _ in await told(database, after=1, limit=2)] == [2, 3]


async def test_what_was_not_told_yet_is_not_forgotten(database: Database):
    await record(database, *range(1, 7))
    await number(database, 10)
    async with database.write() as session:
        await EventLog(session).mark_published(2)
        await EventLog(session).forget(5)

    assert [sequence for sequence, _ in await told(database)] == [3, 4, 5, 6]


async def test_numbers_are_not_given_again_when_all_but_the_newest_was_forgotten(database: Database):
    await record(database, 1, 2, 3)
    await number(database, 10)
    async with database.write() as session:
        await EventLog(session).mark_published(3)
        await EventLog(session).forget(2)
        oldest = await EventLog(session).oldest()
    await record(database, 4)
    await number(database, 10)

    assert oldest == 3
    assert await told(database) == [(3, "note-3"), (4, "note-4")]


async def test_nothing_recorded_is_no_statement_and_wakes_nobody(database: Database):
    ticket = database.recorded.ticket()

    async with database.write() as session:
        await outbox.record_all(session, [])
        oldest = await EventLog(session).oldest()

    assert (oldest, ticket.is_set()) == (1, False)


async def test_more_than_a_batch_is_numbered_and_told_in_one_turn_in_order(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relay, "BATCH", 3)
    async with Redis.from_url(redis_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(channel("outbox-test"))
        await heard.get_message(timeout=5)
        await record(database, *range(1, 9))
        working = Relay("outbox-test", database, redis, keep=5)
        ticket = working.numbered.ticket()

        await working._number()
        await working._publish()

        messages = [cast("Any", await heard.get_message(timeout=5)) for _ in range(8)]
    events = [CloudEvent.model_validate_json(message["data"]) for message in messages]
    assert [(event.sequence, event.subject) for event in events] == [(n, f"note-{n}") for n in range(1, 9)]
    assert {event.source for event in events} == {"/mesh/outbox-test"}
    assert ticket.is_set()
    assert [sequence for sequence, _ in await told(database)] == [4, 5, 6, 7, 8]


async def test_what_redis_did_not_take_is_told_when_it_is_back(database: Database, redis_url: str):
    await record(database, 1, 2)
    nowhere = Redis.from_url("redis://127.0.0.1:1/0")
    working = Relay("outbox-later", database, nowhere, keep=100)
    await working._number()
    with pytest.raises(ConnectionError):
        await working._publish()
    await nowhere.aclose()

    async with Redis.from_url(redis_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as heard:
        await heard.subscribe(channel("outbox-later"))
        await heard.get_message(timeout=5)
        working.redis = redis
        await working._publish()
        messages = [cast("Any", await heard.get_message(timeout=5)) for _ in range(2)]

    assert [CloudEvent.model_validate_json(m["data"]).sequence for m in messages] == [1, 2]


def test_a_cloud_event_leaves_out_what_it_does_not_have():
    row = EventRow(type="notes.noted.v1", data={"a": 1}, sequence=7, time="2026-03-01T12:00:00Z")
    row.id = "8e03978e-40d5-43e8-bc93-6894a57f9324"  # pyright: ignore[reportAttributeAccessIssue] - as a text

    event = row.cloud_event("/mesh/notes").model_dump(mode="json", exclude_none=True)

    assert event == {
        "specversion": "1.0",
        "id": "8e03978e-40d5-43e8-bc93-6894a57f9324",
        "source": "/mesh/notes",
        "type": "notes.noted.v1",
        "time": "2026-03-01T12:00:00Z",
        "datacontenttype": "application/json",
        "sequence": 7,
        "data": {"a": 1},
    }
