"""Events as they happen, without a gap and without a duplicate over any number of broken connections."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
from httpx_sse import SSEError, aconnect_sse

from mesh_client.channel import Channel
from mesh_client.problems import Problem

QUIET_S = 60.0
"""A stream that has said nothing for so long, not even that it lives, is taken for broken."""
RECONNECT_S = 0.5
"""The reconnection time of the HTML standard's server-sent events."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact that a service has published (CloudEvents 1.0); `sequence` counts those of a source."""

    id: str
    source: str
    type: str
    time: str
    sequence: int
    subject: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a stream: its name, its id, empty where it has none, and what it says."""

    name: str
    id: str
    data: str


async def never() -> bool:
    """A stream that ends only with its reader."""
    return False


async def follow(
    channel: Channel,
    path: str,
    *,
    after: str = "",
    is_over: Callable[[], Awaitable[bool]] = never,
    **query: Any,
) -> AsyncGenerator[Message]:
    """The messages of a stream that come after the id `after`, until it `is_over`.

    A connection that ends before is opened again where it was. Raises `Problem`, or `Unreachable` when the
    service does not come back.
    """
    last = after
    while True:
        try:
            async for message in _messages(channel, path, last, query):
                last = message.id or last
                yield message
            if await is_over():
                return
        except (httpx.TransportError, SSEError):
            pass
        await asyncio.sleep(RECONNECT_S)
        await channel.get("/livez", dict)


async def events(channel: Channel, *, after: int = 0) -> AsyncGenerator[Event]:
    """What a service publishes, from the event after the sequence `after` on, without end."""
    async for message in follow(channel, "/v1/events/stream", after=str(after)):
        yield msgspec.json.decode(message.data, type=Event)


async def _messages(
    channel: Channel, path: str, after: str, query: dict[str, Any]
) -> AsyncGenerator[Message]:
    headers = {"Last-Event-ID": after} if after else {}
    timeout = httpx.Timeout(channel.patience.request_s, read=QUIET_S)
    options: dict[str, Any] = {"auth": channel.auth, "timeout": timeout, "headers": headers, "params": query}
    async with aconnect_sse(channel.http, "GET", f"{channel.url}{path}", **options) as source:
        if source.response.is_error:
            await source.response.aread()
            raise Problem.of(source.response)
        async for said in source.aiter_sse():
            # The HTML standard: what has no data is no message. The library gives a sign of life as one.
            if said.data:
                yield Message(name=said.event, id=said.id, data=said.data)
