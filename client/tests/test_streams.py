"""Streams over connections that break: every message once, in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from mesh_client import Problem, Unreachable, streams
from mesh_client.channel import Channel, Patience
from mesh_client.streams import Event, Message, events, follow

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ALIVE = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
LAST = 9


@dataclass
class Stream:
    """A service that tells the numbers up to `LAST`, of which a connection may tell only so many."""

    breaks_after: list[int]
    ends_cleanly: bool = False
    refusal: str = ""
    asked: list[str] = field(default_factory=list[str])

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.startswith("GET /livez"):
            writer.write(ALIVE.encode())
        else:
            self._tell(head, writer)
        await writer.drain()
        writer.close()

    def _tell(self, head: str, writer: asyncio.StreamWriter) -> None:
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        after = fields.get("last-event-id", "0")
        self.asked.append(after)
        if self.refusal:
            writer.write(self.refusal.encode())
            return
        count = self.breaks_after.pop(0) if self.breaks_after else LAST
        numbers = range(int(after) + 1, min(int(after) + count, LAST) + 1)
        writer.write(HEAD.encode() + b"".join(chunk(number) for number in numbers))
        if self.ends_cleanly or numbers.stop > LAST:
            writer.write(b"0\r\n\r\n")


def chunk(number: int) -> bytes:
    event = f'{{"id":"{number}","source":"s","type":"t","time":"now","sequence":{number}}}'
    said = f"id: {number}\nevent: t\ndata: {event}\n\n: alive\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(said), said)


@asynccontextmanager
async def channel_to(stream: Stream) -> AsyncGenerator[Channel]:
    server = await asyncio.start_server(stream.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient(trust_env=False) as http:
        yield Channel(http, f"http://127.0.0.1:{port}", None, Patience(attempts=1))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "RECONNECT_S", 0)


async def whole(messages: AsyncIterator[Message]) -> list[int]:
    return [int(message.id) async for message in messages]


async def told_all() -> bool:
    return True


@pytest.mark.parametrize("breaks_after", [[], [1], [3, 0, 2], [1] * LAST])
async def test_every_message_comes_once_and_in_order_however_often_the_connection_breaks(
    breaks_after: list[int],
):
    stream = Stream(list(breaks_after))
    async with channel_to(stream) as channel:
        assert await whole(follow(channel, "/s", is_over=told_all)) == list(range(1, LAST + 1))


async def test_a_stream_is_opened_again_where_it_was():
    stream = Stream([3, 2])
    async with channel_to(stream) as channel:
        await whole(follow(channel, "/s", is_over=told_all))

    assert stream.asked == ["0", "3", "5"]


async def test_a_stream_that_a_service_ends_because_it_stops_goes_on_with_the_next():
    stream = Stream([4], ends_cleanly=True)

    async def is_over() -> bool:
        return len(stream.asked) == 2

    async with channel_to(stream) as channel:
        assert await whole(follow(channel, "/s", is_over=is_over)) == list(range(1, LAST + 1))


async def test_events_begin_where_the_caller_was_and_have_types():
    stream = Stream([])
    async with channel_to(stream) as channel:
        event = await anext(events(channel, after=4))

    assert event == Event(id="5", source="s", type="t", time="now", sequence=5)


async def test_a_refusal_is_told_and_not_tried_again():
    body = '{"code":"events-pruned","detail":"Gone."}'
    stream = Stream([], refusal=f"HTTP/1.1 410 Gone\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    async with channel_to(stream) as channel:
        with pytest.raises(Problem, match="events-pruned"):
            await whole(follow(channel, "/s"))

    assert stream.asked == ["0"]


async def test_a_service_that_does_not_come_back_is_unreachable():
    async with httpx.AsyncClient(trust_env=False) as http:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            channel = Channel(http, f"http://127.0.0.1:{port}", None, Patience(attempts=1))
            with pytest.raises(Unreachable):
                await whole(follow(channel, "/s"))
