"""Tasks in the agent's database: each belongs to the caller who began it, and nobody else sees it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Index, String, Text, and_, delete, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from mesh_shared.a2a.errors import InvalidParams
from mesh_shared.a2a.model import ListTasksRequest, ListTasksResponse, State, Task
from mesh_shared.database.engine import Database
from mesh_shared.events.outbox import Foundation
from mesh_shared.web.route import has_nul

KEPT = timedelta(days=7)


class TaskRow(Foundation):
    """`document` is the task as it is sent, `updated_at` the time of its status.

    `instance` is the replica that works on it.
    """

    __tablename__ = "a2a_tasks"
    __table_args__ = (Index("ix_a2a_tasks_owner", "owner", "updated_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    owner: Mapped[str] = mapped_column(Text)
    context_id: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(30))
    instance: Mapped[str] = mapped_column(String(100))
    updated_at: Mapped[datetime]
    document: Mapped[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of the last week."""

    database: Database
    instance: str

    async def recover(self) -> None:
        """Forgets old tasks, and fails those that this replica was working on when it died."""
        async with self.database.write() as session:
            await session.execute(delete(TaskRow).where(TaskRow.updated_at < datetime.now(UTC) - KEPT))
            at_work = TaskRow.state.in_([State.SUBMITTED, State.WORKING])
            query = select(TaskRow).where(TaskRow.instance == self.instance, at_work)
            for row in await session.scalars(query):
                row.state = State.FAILED
                row.document = row.document | {"status": row.document["status"] | {"state": State.FAILED}}

    async def get(self, owner: str, id: str) -> Task | None:
        """The task, if it is `owner`'s."""
        async with self.database.read() as session:
            row = await session.get(TaskRow, id)
        return Task.model_validate(row.document) if row is not None and row.owner == owner else None

    async def save(self, owner: str, task: Task) -> None:
        """Writes the task as it is now."""
        row = TaskRow(
            id=task.id,
            owner=owner,
            context_id=task.context_id,
            state=task.status.state,
            instance=self.instance,
            updated_at=datetime.fromisoformat(task.status.timestamp),
            document=task.wire(),
        )
        async with self.database.write() as session:
            await session.merge(row)

    async def page(self, owner: str, wanted: ListTasksRequest) -> ListTasksResponse:
        """`owner`'s tasks, the last changed first. Raises `InvalidParams` for a foreign token."""
        fits = and_(*_conditions(owner, wanted))
        newest = select(TaskRow).where(fits).order_by(TaskRow.updated_at.desc(), TaskRow.id.desc())
        if wanted.page_token:
            newest = newest.where(_after(wanted.page_token))
        async with self.database.read() as session:
            total = await session.scalar(select(func.count()).select_from(TaskRow).where(fits))
            rows = (await session.scalars(newest.limit(wanted.page_size + 1))).all()
        tasks = [Task.model_validate(row.document) for row in rows[: wanted.page_size]]
        more = len(rows) > wanted.page_size
        return ListTasksResponse(
            tasks=[t.shown(wanted.history_length, with_artifacts=wanted.include_artifacts) for t in tasks],
            next_page_token=_token(rows[wanted.page_size - 1]) if more else "",
            page_size=wanted.page_size,
            total_size=total or 0,
        )


def _conditions(owner: str, wanted: ListTasksRequest) -> list[ColumnElement[bool]]:
    conditions = [TaskRow.owner == owner]
    if wanted.context_id is not None:
        conditions.append(TaskRow.context_id == wanted.context_id)
    if wanted.status is not None:
        conditions.append(TaskRow.state == wanted.status)
    if wanted.status_timestamp_after is not None:
        conditions.append(TaskRow.updated_at > wanted.status_timestamp_after)
    return conditions


def _token(last: TaskRow) -> str:
    return urlsafe_b64encode(orjson.dumps([last.updated_at.isoformat(), last.id])).decode()


def _after(token: str) -> ColumnElement[bool]:
    try:
        instant, id = orjson.loads(urlsafe_b64decode(token))
        at = datetime.fromisoformat(instant).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise InvalidParams("This list has no such page.") from None
    if has_nul(id):
        raise InvalidParams("This list has no such page.")
    return or_(TaskRow.updated_at < at, and_(TaskRow.updated_at == at, TaskRow.id < str(id)))
