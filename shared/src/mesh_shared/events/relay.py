"""Rings the doorbell: numbers committed events and publishes them to Redis."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from mesh_shared.bell import Bell, wait
from mesh_shared.database.engine import Database
from mesh_shared.events.event import CloudEvent, channel
from mesh_shared.events.outbox import EventLog

BATCH = 500


@dataclass(slots=True)
class Relay:
    """Runs in every replica; only the one that holds the role takes a turn.

    Delivery is at least once while Redis is up. While it is down events wait in the log, where
    consumers back-fill from.
    """

    service: str
    database: Database
    redis: Redis
    keep: int
    numbered: Bell = field(default_factory=Bell)
    """Rings when new events are public, for the streams of this process."""

    async def turn(self) -> None:
        """Numbers and publishes what is there, then waits for more."""
        ticket = self.database.recorded.ticket()
        async with self.database.sole("relay"):
            await self._number()
            await self._publish()
        await wait(ticket, self.database.quiet_s)

    async def _number(self) -> None:
        count = BATCH
        while count == BATCH:
            async with self.database.read() as session:
                if not await EventLog(session).has_unnumbered():
                    return
            async with self.database.write() as session:
                count = await EventLog(session).number(BATCH)
            self.numbered.ring()

    async def _publish(self) -> None:
        count = BATCH
        while count == BATCH:
            async with self.database.read() as session:
                rows = await EventLog(session).unpublished(BATCH)
            if count := len(rows):
                await self._ring([row.cloud_event(f"/mesh/{self.service}") for row in rows])

    async def _ring(self, events: Sequence[CloudEvent]) -> None:
        async with self.redis.pipeline(transaction=False) as pipe:
            for event in events:
                pipe.publish(channel(self.service), event.model_dump_json(exclude_none=True))
            await pipe.execute()
        last = events[-1].sequence
        async with self.database.write() as session:
            await EventLog(session).mark_published(last)
            if last > self.keep:
                await EventLog(session).forget(last - self.keep)
