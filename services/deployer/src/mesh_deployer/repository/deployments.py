"""Deployments in the database."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, CursorResult, Table, bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_deployer.domain.deployment import ENDED, Deployment
from mesh_deployer.repository.tables import DeploymentRow

_DEPLOYMENT = TypeAdapter(Deployment)
_TABLE = cast("Table", DeploymentRow.__table__)
_ONE = select(_TABLE.c.document, _TABLE.c.attempts).where(_TABLE.c.id == bindparam("of_id"))
_UNCHANGED = update(_TABLE).where(
    _TABLE.c.id == bindparam("of_id"), _TABLE.c.revision == bindparam("of_revision")
)
"""Written once: every step of every deployment asks these two, and writing them takes longer than asking."""
_MOST_IDS = 1_000
"""Databases bound the parameters of a query."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The end of a look: when the next one is due, None for never, and how many brought nothing so far."""

    due_at: datetime | None
    attempts: int


class Deployments:
    """Every query on `deployments`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, deployment: Deployment) -> None:
        """Stores a new one, due at once."""
        self._session.add(
            DeploymentRow(
                id=deployment.id,
                owner=deployment.owner,
                created_at=deployment.created_at,
                due_at=deployment.created_at,
                attempts=0,
                **_columns(deployment),
            )
        )

    async def find(self, id: UUID) -> Deployment | None:
        """The deployment, or None."""
        looked = await self.look(id)
        return looked and looked[0]

    async def look(self, id: UUID) -> tuple[Deployment, int] | None:
        """The deployment, and how many looks in a row brought nothing; or None."""
        row = (await self._session.execute(_ONE, {"of_id": id})).one_or_none()
        return row and (_DEPLOYMENT.validate_python(row.document, strict=False), row.attempts)

    async def page(
        self, owner: str | None, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[Deployment]:
        """The newest of `owner`, or of everybody when it is None, that are older than `before`."""
        conditions: list[ColumnElement[bool]] = [] if owner is None else [DeploymentRow.owner == owner]
        if before is not None:
            conditions.append(tuple_(DeploymentRow.created_at, DeploymentRow.id) < before)
        newest = (DeploymentRow.created_at.desc(), DeploymentRow.id.desc())
        query = select(DeploymentRow.document).where(*conditions).order_by(*newest).limit(limit)
        documents = (await self._session.scalars(query)).all()
        return [_DEPLOYMENT.validate_python(document, strict=False) for document in documents]

    async def replace(self, before: Deployment, after: Deployment, rest: Rest | None = None) -> bool:
        """Stores `after` in the place of `before`, and lets go of it when there is a `rest`.

        False, and nothing is stored, when it has changed since `before`.
        """
        values = _columns(after) | {"of_id": before.id, "of_revision": before.revision}
        if rest is not None:
            values |= {"due_at": rest.due_at, "claimed_by": None, "attempts": rest.attempts}
        result = await self._session.execute(_UNCHANGED, values)
        return isinstance(result, CursorResult) and result.rowcount == 1

    async def queue(self, excluded: Collection[UUID], limit: int) -> list[tuple[UUID, datetime]]:
        """Those to look at, each with the time from which on it is due; longest waiting first."""
        conditions = (DeploymentRow.due_at.is_not(None), DeploymentRow.id.not_in(excluded))
        query = select(DeploymentRow.id, DeploymentRow.due_at).where(*conditions)
        rows = await self._session.execute(query.order_by(DeploymentRow.due_at).limit(limit))
        return [(id, due_at) for id, due_at in rows if due_at is not None]

    async def claim(
        self, ids: Sequence[UUID], instance: str, now: datetime, until: datetime
    ) -> Sequence[UUID]:
        """Takes those of `ids` that nobody else has taken; they come due again at `until` if we die."""
        query = (
            update(DeploymentRow)
            .where(DeploymentRow.id.in_(ids), DeploymentRow.due_at <= now)
            .values(due_at=until, claimed_by=instance)
            .returning(DeploymentRow.id)
        )
        return (await self._session.scalars(query)).all()

    async def release(self, instance: str, due_at: datetime, only: Collection[UUID] | None = None) -> None:
        """Lets go of what this replica was looking at; of `only` these, where some are given."""
        mine = [DeploymentRow.claimed_by == instance, DeploymentRow.due_at.is_not(None)]
        if only is not None:
            mine.append(DeploymentRow.id.in_(only))
        await self._session.execute(update(DeploymentRow).where(*mine).values(due_at=due_at, claimed_by=None))

    async def backends(self) -> Sequence[str]:
        """The backends that were ever used."""
        return (await self._session.scalars(select(DeploymentRow.provider).distinct())).all()

    async def live(self, ids: Sequence[UUID]) -> Sequence[UUID]:
        """Those of `ids` that are deployments and have not ended."""
        living = DeploymentRow.state.not_in([state.value for state in ENDED])
        found: list[UUID] = []
        for first in range(0, len(ids), _MOST_IDS):
            some = DeploymentRow.id.in_(ids[first : first + _MOST_IDS])
            found += await self._session.scalars(select(DeploymentRow.id).where(some, living))
        return found


def _columns(deployment: Deployment) -> dict[str, Any]:
    return {
        "provider": deployment.provider,
        "state": deployment.state.value,
        "revision": deployment.revision,
        "lease_id": deployment.leases[0].lease_id if deployment.leases else None,
        "document": _DEPLOYMENT.dump_python(deployment, mode="json"),
    }
