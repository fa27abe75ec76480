import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import httpx
import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from mesh_cli import parts
from mesh_shared.database import migrate
from mesh_shared.database.engine import connect
from mesh_shared.events import outbox
from mesh_shared.events.event import CloudEvent, Event, channel
from mesh_shared.events.feed import Feed
from mesh_shared.events.outbox import EventLog
from mesh_shared.testing import Issuer, running, served
from redis.asyncio import Redis

MakeApp = Callable[[str], FastAPI]


class Noted(Event):
    topic: ClassVar[str] = "notes.noted.v1"


@pytest.fixture
def app(make_app: MakeApp, database_url: str) -> FastAPI:
    return make_app(database_url)


@pytest.fixture
async def http(app: FastAPI, writer: dict[str, str]) -> AsyncIterator[AsyncClient]:
    async with running(app, writer) as http:
        yield http


async def write(http: AsyncClient, *names: str) -> None:
    for name in names:
        await http.post("/v1/notes", json={"name": name, "pages": 1})


async def events(http: AsyncClient, count: int, after: int = 0) -> list[CloudEvent]:
    """The log once it has `count` events; the relay numbers them right after the commit."""
    async with asyncio.timeout(60):
        while True:
            page = (await http.get("/v1/events", params={"after": after})).json()
            if len(page["items"]) >= count:
                return [CloudEvent.model_validate(item) for item in page["items"]]
            await asyncio.sleep(0.02)


async def test_a_fact_is_a_cloud_event_with_its_place_in_the_log_and_its_trace(http: AsyncClient):
    await write(http, "a", "b")

    first, second = await events(http, 2)

    assert (first.type, first.source, first.subject) == ("notes.note-written.v1", "/mesh/notes", "a")
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.traceparent is not None
    assert first.data == {"name": "a"}


async def test_a_refused_change_leaves_no_fact(http: AsyncClient):
    await write(http, "a", "a", "b")

    assert [event.subject for event in await events(http, 2)] == ["a", "b"]


async def test_a_subscriber_hears_of_a_fact_after_its_commit(http: AsyncClient, redis_url: str):
    async with Redis.from_url(redis_url) as redis, redis.pubsub() as doorbell:
        await doorbell.subscribe(channel("notes"))
        await doorbell.get_message(timeout=1)
        await write(http, "a")

        message = cast("Any", await doorbell.get_message(ignore_subscribe_messages=True, timeout=5))

    assert CloudEvent.model_validate_json(message["data"]).subject == "a"


async def test_only_a_commit_with_a_fact_wakes_the_relay(database_url: str):
    database = connect(database_url)
    await migrate.upgrade(database, [])
    ticket = database.recorded.ticket()

    async with database.write():
        pass
    before = ticket.is_set()
    async with database.write() as session:
        outbox.record(session, Noted())

    assert (before, ticket.is_set()) == (False, True)
    await database.engine.dispose()


async def test_events_that_are_no_longer_kept_are_gone_and_said_to_be(http: AsyncClient, app: FastAPI):
    await write(http, "a", "b", "c")
    await events(http, 3)
    async with app.state.platform.database.write() as session:
        await EventLog(session).mark_published(3)
        await EventLog(session).forget(2)

    gone = await http.get("/v1/events")
    kept = await http.get("/v1/events", params={"after": 2})

    assert (gone.status_code, gone.json()["oldest"]) == (410, 3)
    assert [item["sequence"] for item in kept.json()["items"]] == [3]


async def test_a_stream_resumes_after_the_last_event_that_was_seen(app: FastAPI, writer: dict[str, str]):
    async with served(app) as url, AsyncClient(base_url=url, headers=writer, timeout=60) as http:
        await write(http, "a", "b")
        await events(http, 2)
        async with http.stream("GET", "/v1/events/stream", headers={"Last-Event-ID": "1"}) as stream:
            lines = stream.aiter_lines()
            ids = [line async for line in _ids(lines, 1)]
            await write(http, "c")
            ids += [line async for line in _ids(lines, 1)]

    assert ids == ["id: 2", "id: 3"]


async def _ids(lines: AsyncIterator[str], count: int) -> AsyncIterator[str]:
    while count:
        line = await asyncio.wait_for(anext(lines), 60)
        if line.startswith("id:"):
            count -= 1
            yield line


async def follow(feed: Feed, count: int, after: int = 0) -> list[int]:
    sequences: list[int] = []
    async with asyncio.timeout(60):
        async for event in feed.follow(after):
            sequences.append(event.sequence)
            if len(sequences) == count:
                break
    return sequences


class Bearer(httpx.Auth):
    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def auth_flow(self, request: httpx.Request):
        request.headers.update(self.headers)
        yield request


@pytest.fixture
def feed(http: AsyncClient, redis_url: str, writer: dict[str, str]) -> Feed:
    return Feed("notes", "", http, Bearer(writer), Redis.from_url(redis_url))


async def test_a_late_consumer_gets_what_it_missed_and_then_what_comes(feed: Feed, http: AsyncClient):
    await write(http, "a", "b")
    await events(http, 2)
    following = asyncio.create_task(follow(feed, 4))
    await write(http, "c", "d")

    assert await following == [1, 2, 3, 4]


async def test_a_consumer_that_sees_a_gap_fills_it_from_the_log(
    feed: Feed, http: AsyncClient, app: FastAPI, redis_url: str
):
    app.state.platform.relay.service = "somewhere-else"  # so that no ring of its own arrives
    async with Redis.from_url(redis_url) as redis:
        following = asyncio.create_task(follow(feed, 3))
        while not (await redis.pubsub_numsub(channel("notes")))[0][1]:
            await asyncio.sleep(0.01)
        await write(http, "a", "b", "c")
        third = (await events(http, 3))[2]
        await redis.publish(channel("notes"), third.model_dump_json())

        assert await following == [1, 2, 3]


async def test_redis_may_die_and_return_and_no_event_is_lost(
    make_app: MakeApp, tmp_path: Path, issuer: Issuer, writer: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    port = parts.free_port()
    process = parts.redis(port, tmp_path)
    app = make_app(f"sqlite+aiosqlite:///{tmp_path}/notes.db")
    app.state.redis_port = port
    redis = Redis.from_url(f"redis://127.0.0.1:{port}/0")
    async with running(app, writer) as http:
        app.state.platform.relay.redis = redis
        feed = Feed("notes", "", http, Bearer(writer), Redis.from_url(f"redis://127.0.0.1:{port}/0"))
        following = asyncio.create_task(follow(feed, 3))
        await write(http, "a")
        process.stop()
        await write(http, "b")
        process = parts.redis(port, tmp_path)
        await write(http, "c")

        assert await following == [1, 2, 3]
    await redis.aclose()
    process.stop()
