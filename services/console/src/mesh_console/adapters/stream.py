"""The event streams of all services as one, which goes on where it was when one of them comes back."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx
from httpx_sse import SSEError, aconnect_sse

from mesh_console.errors import SignedOut

QUEUE = 100
"""Events that wait for a slow browser; then the services wait."""
QUIET = httpx.Timeout(10, read=60)
"""A stream says at least every quarter of a minute that it lives."""


@dataclass(frozen=True, slots=True)
class News:
    """One event of a service as JSON, and its number there."""

    service: str
    sequence: int
    type: str
    text: str


class _Pruned(Exception):
    """The service keeps no event before number `oldest`; what came `before` cannot be had."""

    def __init__(self, oldest: int) -> None:
        super().__init__(oldest)
        self.before = oldest - 1


@dataclass(slots=True)
class Streams:
    """Follows each service from a position on, with the visitor's token."""

    http: httpx.AsyncClient
    urls: Mapping[str, str]
    token: str
    pause_s: float = 0.5
    _queue: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))

    async def follow(self, after: Mapping[str, int]) -> AsyncGenerator[News, None]:
        """What is new, each event once. Raises `SignedOut` when the token is taken no more."""
        tasks = [asyncio.create_task(self._one(service, position)) for service, position in after.items()]
        try:
            while (news := await self._queue.get()) is not None:
                yield news
            raise SignedOut("Your session has ended.")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, service: str, position: int) -> None:
        """Never ends by itself; a service that is down, or drops the stream, is asked again."""
        while True:
            try:
                async with aclosing(self._connected(service, position)) as stream:
                    async for news in stream:
                        position = news.sequence
                        await self._queue.put(news)
            except _Pruned as pruned:
                position = pruned.before
                continue
            except (httpx.TransportError, SSEError):
                pass
            except SignedOut:
                await self._queue.put(None)
                return
            await asyncio.sleep(self.pause_s)

    async def _connected(self, service: str, position: int) -> AsyncGenerator[News, None]:
        url, params = f"{self.urls[service]}/v1/events/stream", {"after": position}
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aconnect_sse(
            self.http, "GET", url, params=params, headers=headers, timeout=QUIET
        ) as source:
            if source.response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise SignedOut("The token is not taken.")
            if source.response.status_code == HTTPStatus.GONE:
                raise _Pruned(json.loads(await source.response.aread())["oldest"])
            async for event in source.aiter_sse():
                # The library gives a sign of life as a message under the last id, without data.
                if event.data and event.id.isdecimal():
                    yield News(service, int(event.id), event.event, event.data)
