"""Follows another service's events: every one, once, in order, whatever Redis loses."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import httpx
from pydantic import BaseModel
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mesh_shared.events.event import CloudEvent, channel
from mesh_shared.http import asking

QUIET_S = 5.0
"""Without a ring for this long the log is asked, in case the last ring was lost."""
PAUSE_S = 0.5


class _PageBody(BaseModel):
    items: list[CloudEvent]


@dataclass(slots=True)
class Feed:
    """The events of the service at `url`; Redis says when to look, the log says what happened."""

    service: str
    url: str
    http: httpx.AsyncClient
    auth: httpx.Auth
    redis: Redis

    async def follow(self, after: int) -> AsyncIterator[CloudEvent]:
        """Yields the events after sequence `after`, forever. Raises `Unavailable` while it is down."""
        position = after
        async for rung in self._rings():
            if rung is not None and rung.sequence == position + 1:
                position = rung.sequence
                yield rung
            elif rung is None or rung.sequence > position:
                async for event in self._missed(position):
                    position = event.sequence
                    yield event

    async def _rings(self) -> AsyncIterator[CloudEvent | None]:
        """The events that Redis tells, and None whenever it may have failed to tell one."""
        while True:
            try:
                async with self.redis.pubsub(ignore_subscribe_messages=True) as doorbell:
                    await doorbell.subscribe(channel(self.service))
                    yield None
                    while True:
                        message = cast("Any", await doorbell.get_message(timeout=QUIET_S))
                        yield CloudEvent.model_validate_json(message["data"]) if message else None
            except RedisError:
                yield None
                await asyncio.sleep(PAUSE_S)

    async def _missed(self, position: int) -> AsyncIterator[CloudEvent]:
        while True:
            async with asking(self.service):
                response = await self.http.get(
                    f"{self.url}/v1/events", params={"after": position}, auth=self.auth
                )
                response.raise_for_status()
            events = _PageBody.model_validate_json(response.content).items
            if not events:
                return
            for event in events:
                position = event.sequence
                yield event
