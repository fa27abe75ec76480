"""The streams of several services are one, without a gap and without a duplicate."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from mesh_console.adapters.stream import News, Streams
from mesh_console.errors import SignedOut
from visiting import Browser, Town


class Log:
    """A service's event log that breaks off after each event, as a service does that is restarted."""

    def __init__(self, events: int, oldest: int = 1) -> None:
        self.numbers = range(oldest, events + 1)
        self.asked: list[int] = []
        self.code = 200
        self.app = FastAPI()
        self.app.add_api_route("/v1/events/stream", self.stream)

    async def stream(self, after: int) -> Response:
        self.asked.append(after)
        if self.code != 200:
            return Response(status_code=self.code)
        if after + 1 < self.numbers[0]:
            return Response(json.dumps({"oldest": self.numbers[0]}), 410)
        lines = [
            f"id: {number}\nevent: t\ndata: {{}}\n\n: ping\n\n" for number in self.numbers if number > after
        ]
        return Response("".join(lines[:2]), media_type="text/event-stream")


@asynccontextmanager
async def following(log: Log, after: int = 0) -> AsyncGenerator[AsyncGenerator[News, None]]:
    http = httpx.AsyncClient(transport=httpx.ASGITransport(log.app))
    streams = Streams(http, {"one": "http://one"}, "token", pause_s=0.01)
    async with http, aclosing(streams.follow({"one": after})) as news:
        yield news


async def taken(news: AsyncGenerator[News, None], count: int) -> list[int]:
    async with asyncio.timeout(30):
        return [(await anext(news)).sequence for _ in range(count)]


async def test_a_stream_that_breaks_off_goes_on_after_its_last_event():
    log = Log(events=5)

    async with following(log) as news:
        assert await taken(news, 5) == [1, 2, 3, 4, 5]

    assert log.asked[:3] == [0, 2, 4]


async def test_only_what_came_after_is_told():
    async with following(Log(events=5), after=3) as news:
        assert await taken(news, 2) == [4, 5]


async def test_what_a_service_keeps_no_more_is_left_out():
    log = Log(events=9, oldest=8)

    async with following(log) as news:
        assert await taken(news, 2) == [8, 9]

    assert log.asked[:2] == [0, 7]


@pytest.mark.parametrize("code", [401, 403])
async def test_a_token_that_is_taken_no_more_ends_the_stream(code: int):
    log = Log(events=1)
    log.code = code

    async with following(log) as news:
        with pytest.raises(SignedOut):
            await taken(news, 1)


async def test_a_service_that_fails_is_asked_again():
    log = Log(events=2)
    log.code = 503

    async with following(log) as news:
        waiting = asyncio.create_task(taken(news, 2))
        async with asyncio.timeout(30):
            while not log.asked:
                await asyncio.sleep(0.01)
        log.code = 200
        assert await waiting == [1, 2]


async def test_events_of_a_page_are_those_that_were_last(admin: Browser, town: Town):
    await town.key("agent-7", "gateway:proxy")
    await town.told("security-gateway", 7)

    page = await admin.open("/events")

    assert 'data-after="0.0.0.7.0"' in page
    assert page.count("security-gateway.api-key-created.v1</span>") == 7
    assert "The coordinator does not answer" in page


async def test_no_more_may_watch_than_there_are_places(admin: Browser, console: Any):
    console.state.places = asyncio.Semaphore(0)

    assert "Too many are watching" in await admin.open("/events/stream", 502)
