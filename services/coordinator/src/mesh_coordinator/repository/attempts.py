"""Queries on attempts."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.attempt import State
from mesh_coordinator.repository.tables import AttemptRow


class Outrun(Exception):
    """Somebody else moved the attempt on in the meantime; what we were about to record is void."""


class Attempts:
    """Every query on `attempts`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, attempt: AttemptRow) -> None:
        self._session.add(attempt)

    async def get(self, id: UUID) -> AttemptRow:
        return await self._session.get_one(AttemptRow, id)

    async def locked(self, id: UUID, seen: State) -> AttemptRow:
        """The attempt while it still is in state `seen`; nobody else moves it now. Raises `Outrun`."""
        row = await self._session.get_one(AttemptRow, id, with_for_update=True)
        if row.state != seen:
            raise Outrun(f"{seen} -> {row.state}")
        return row

    async def by_escrow(self, escrow_id: str) -> AttemptRow | None:
        return await self._session.scalar(select(AttemptRow).where(AttemptRow.escrow_id == escrow_id))

    async def results(self, run_id: UUID, steps: Sequence[str]) -> Mapping[str, Any]:
        """What was delivered for these steps and held up, by step."""
        query = select(AttemptRow.step_id, AttemptRow.delivery).where(
            AttemptRow.run_id == run_id,
            AttemptRow.step_id.in_(steps),
            AttemptRow.failure.is_(None),
            AttemptRow.delivery.is_not(None),
        )
        rows = await self._session.execute(query)
        return {step_id: delivery["result"] for step_id, delivery in rows if delivery is not None}

    async def last(self, run_id: UUID, step_id: str) -> AttemptRow | None:
        """The newest attempt at a step."""
        query = (
            select(AttemptRow)
            .where(AttemptRow.run_id == run_id, AttemptRow.step_id == step_id)
            .order_by(AttemptRow.number.desc())
            .limit(1)
        )
        return await self._session.scalar(query)
