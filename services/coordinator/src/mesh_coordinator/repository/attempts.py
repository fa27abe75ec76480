"""Queries on attempts."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.domain.attempt import DECIDED, State
from mesh_coordinator.repository.tables import AttemptRow, RunRow, StepRow


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

    async def with_steps(self, ids: Sequence[UUID]) -> Sequence[tuple[AttemptRow, StepRow, RunRow]]:
        """These attempts with what they are for."""
        is_its = (StepRow.run_id == AttemptRow.run_id) & (StepRow.id == AttemptRow.step_id)
        query = (
            select(AttemptRow, StepRow, RunRow)
            .join(StepRow, is_its)
            .join(RunRow, StepRow.run_id == RunRow.id)
        )
        return [(a, s, r) for a, s, r in await self._session.execute(query.where(AttemptRow.id.in_(ids)))]

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
        is_its = (StepRow.run_id == AttemptRow.run_id) & (StepRow.id == AttemptRow.step_id)
        query = (
            select(AttemptRow.step_id, AttemptRow.delivery)
            .join(StepRow, is_its & (StepRow.winner == AttemptRow.number))
            .where(AttemptRow.run_id == run_id, AttemptRow.step_id.in_(steps))
        )
        rows = await self._session.execute(query)
        return {step_id: delivery["result"] for step_id, delivery in rows if delivery is not None}

    async def first_success(self, run_id: UUID, step_id: str) -> int | None:
        """The number of the first attempt at a step that is known to be a success."""
        query = select(func.min(AttemptRow.number)).where(
            AttemptRow.run_id == run_id,
            AttemptRow.step_id == step_id,
            AttemptRow.failure.is_(None),
            AttemptRow.state.in_(DECIDED),
        )
        return await self._session.scalar(query)

    async def numbered(self, run_id: UUID, step_id: str, number: int | None) -> AttemptRow | None:
        """An attempt at a step; without a number the newest."""
        query = select(AttemptRow).where(AttemptRow.run_id == run_id, AttemptRow.step_id == step_id)
        if number is not None:
            query = query.where(AttemptRow.number == number)
        return await self._session.scalar(query.order_by(AttemptRow.number.desc()).limit(1))
