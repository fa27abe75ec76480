"""Tasks in the agent's database: each belongs to the caller who began it, and nobody else sees it.

All replicas of an agent share them. A change names the version that it is a change of, so that of two at once
one is made, and the other is told.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Index,
    String,
    Text,
    UniqueConstraint,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from mesh_shared.a2a.errors import InvalidParams
from mesh_shared.a2a.model import ListTasksRequest, ListTasksResponse, Message, State, Task
from mesh_shared.database.engine import Database
from mesh_shared.database.types import BigId
from mesh_shared.events.outbox import Foundation
from mesh_shared.web.route import has_nul

KEPT = timedelta(days=7)


class Overtaken(Exception):
    """The task is not at this version any more, or there is one for this message already."""


class TaskRow(Foundation):
    """`document` is the task as it is sent, `updated_at` the time of its status.

    `instance` is the replica that works on it, `version` counts the changes. `message_id` is of the message
    which began it, where that may begin one task only; a task that failed gives it back.
    """

    __tablename__ = "a2a_tasks"
    __table_args__ = (
        Index("ix_a2a_tasks_owner", "owner", "updated_at", "id"),
        UniqueConstraint("owner", "message_id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    owner: Mapped[str] = mapped_column(Text)
    context_id: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(30))
    instance: Mapped[str] = mapped_column(String(100))
    version: Mapped[int] = mapped_column(BigId)
    message_id: Mapped[str | None] = mapped_column(String(200))
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
                row.state, row.message_id, row.version = State.FAILED, None, row.version + 1
                row.document = row.document | {"status": row.document["status"] | {"state": State.FAILED}}

    async def get(self, owner: str, id: str) -> tuple[Task, int] | None:
        """The task and its version, if it is `owner`'s."""
        return await self._one(owner, TaskRow.id == id)

    async def begun_by(self, owner: str, message_id: str) -> Task | None:
        """The task that `owner`'s message of this id began, unless that failed."""
        found = await self._one(owner, TaskRow.message_id == message_id)
        return found and found[0]

    async def _one(self, owner: str, condition: ColumnElement[bool]) -> tuple[Task, int] | None:
        async with self.database.read() as session:
            row = await session.scalar(select(TaskRow).where(TaskRow.owner == owner, condition))
        return row and (Task.model_validate(row.document), row.version)

    async def add(self, owner: str, task: Task, message: Message | None = None) -> int:
        """Writes a new task; returns its version. Raises `Overtaken` when `message` began another one."""
        row = TaskRow(id=task.id, owner=owner, message_id=message and message.message_id, version=1)
        for name, value in self._columns(task).items():
            setattr(row, name, value)
        try:
            async with self.database.write() as session:
                session.add(row)
        except IntegrityError:
            raise Overtaken from None
        return row.version

    async def save(self, owner: str, task: Task, version: int) -> int:
        """Writes the task as it is now, 0 being the version of one that is new; returns the next version.

        Raises `Overtaken` when somebody else made a change of this version.
        """
        if not version:
            return await self.add(owner, task)
        this = and_(TaskRow.id == task.id, TaskRow.owner == owner, TaskRow.version == version)
        change = update(TaskRow).where(this).values(version=version + 1, **self._columns(task))
        async with self.database.write() as session:
            done = await session.execute(change.returning(TaskRow.version))
        if done.scalar_one_or_none() is None:
            raise Overtaken
        return version + 1

    def _columns(self, task: Task) -> dict[str, Any]:
        columns = {
            "context_id": task.context_id,
            "state": task.status.state,
            "instance": self.instance,
            "updated_at": datetime.fromisoformat(task.status.timestamp),
            "document": task.wire(),
        }
        return columns | ({"message_id": None} if task.status.state is State.FAILED else {})

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
