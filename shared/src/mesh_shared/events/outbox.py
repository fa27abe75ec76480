"""Transactional outbox and event log in one table: a fact is stored with the change that made it true."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import Index, String, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mesh_shared import telemetry
from mesh_shared.database.engine import HAS_EVENT
from mesh_shared.database.types import TYPES, BigId, metadata
from mesh_shared.events.event import CloudEvent, Event


class Foundation(DeclarativeBase):
    """Tables that every service has."""

    metadata = metadata()
    type_annotation_map: ClassVar = TYPES


class EventRow(Foundation):
    """`sequence` is given by the relay, in one place and after commit, so that readers see no gap."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_is_published", "is_published", "sequence"),)

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(default=uuid4)
    sequence: Mapped[int | None] = mapped_column(BigId, unique=True)
    type: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str | None] = mapped_column(String(200))
    time: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    traceparent: Mapped[str | None] = mapped_column(String(55))
    data: Mapped[dict[str, Any]]
    is_published: Mapped[bool] = mapped_column(default=False)

    def cloud_event(self, source: str) -> CloudEvent:
        """The row as it is told to the world; only for rows that have their sequence."""
        if self.sequence is None:
            raise ValueError("an event without a sequence is not public yet")
        return CloudEvent(
            id=self.id,
            source=source,
            type=self.type,
            subject=self.subject,
            time=self.time,
            sequence=self.sequence,
            traceparent=self.traceparent,
            data=self.data,
        )


def record(session: AsyncSession, event: Event) -> None:
    """Queue `event` for delivery if, and only if, `session` commits."""
    session.info[HAS_EVENT] = True
    session.add(EventRow(**_values(event)))


async def record_all(session: AsyncSession, events: Sequence[Event]) -> None:
    """The same for many at once, in order: a tenth of the time."""
    if events:
        session.info[HAS_EVENT] = True
        await session.execute(insert(EventRow), [_values(event) for event in events])


def _values(event: Event) -> dict[str, Any]:
    return {
        "type": event.topic,
        "subject": event.subject(),
        "traceparent": telemetry.traceparent(),
        "data": event.model_dump(mode="json"),
    }


class EventLog:
    """Every query on `events`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def has_unnumbered(self) -> bool:
        query = select(EventRow.position).where(EventRow.sequence.is_(None)).limit(1)
        return await self._session.scalar(query) is not None

    async def number(self, limit: int) -> int:
        """Gives the next sequences to at most `limit` committed events; returns how many."""
        last = await self._last()
        query = select(EventRow).where(EventRow.sequence.is_(None)).order_by(EventRow.position).limit(limit)
        rows = (await self._session.scalars(query)).all()
        for sequence, row in enumerate(rows, start=last + 1):
            row.sequence = sequence
        return len(rows)

    async def unpublished(self, limit: int) -> Sequence[EventRow]:
        query = (
            select(EventRow)
            .where(EventRow.is_published.is_(False), EventRow.sequence.is_not(None))
            .order_by(EventRow.sequence)
            .limit(limit)
        )
        return (await self._session.scalars(query)).all()

    async def mark_published(self, up_to: int) -> None:
        """Every event up to and including sequence `up_to` has been rung."""
        condition = (EventRow.sequence <= up_to, EventRow.is_published.is_(False))
        await self._session.execute(update(EventRow).where(*condition).values(is_published=True))

    async def after(self, sequence: int, limit: int) -> Sequence[EventRow]:
        query = select(EventRow).where(EventRow.sequence > sequence).order_by(EventRow.sequence).limit(limit)
        return (await self._session.scalars(query)).all()

    async def oldest(self) -> int:
        """Sequence of the oldest event kept; 1 when there is none."""
        return await self._session.scalar(select(func.min(EventRow.sequence))) or 1

    async def forget(self, up_to: int) -> None:
        """Removes published events up to and including sequence `up_to`."""
        condition = (EventRow.sequence <= up_to, EventRow.is_published)
        await self._session.execute(delete(EventRow).where(*condition))

    async def _last(self) -> int:
        return await self._session.scalar(select(func.max(EventRow.sequence))) or 0
