"""Queries on attempts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from mesh_coordinator.domain.attempt import State
from mesh_coordinator.repository.tables import AttemptRow, RunRow, StepRow

_IS_ITS = (StepRow.run_id == AttemptRow.run_id) & (StepRow.id == AttemptRow.step_id)


class Attempted(NamedTuple):
    """An attempt with what its next duty has to know of its step and run."""

    attempt: AttemptRow
    requirement: dict[str, Any]
    validators: list[Any]
    step_status: str
    is_undo: bool
    stopping: str | None
    traceparent: str | None


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

    async def with_steps(self, ids: Sequence[UUID]) -> Sequence[Attempted]:
        """These attempts with what they are for."""
        its = StepRow.requirement, StepRow.validators, StepRow.status, StepRow.is_undo
        columns = *its, RunRow.stopping, RunRow.traceparent
        query = select(AttemptRow, *columns).join(StepRow, _IS_ITS).join(RunRow, StepRow.run_id == RunRow.id)
        rows = await self._session.execute(query.where(AttemptRow.id.in_(ids)))
        return [Attempted(*row) for row in rows]

    async def locked(self, id: UUID, seen: State) -> AttemptRow:
        """The attempt with its run while it still is in state `seen`; nobody else changes either now.

        Raises `Outrun`. The run is locked first, here as everywhere, so that nobody waits in a circle.
        """
        query = (
            select(AttemptRow)
            .select_from(RunRow)
            .join(AttemptRow, AttemptRow.run_id == RunRow.id)
            .where(AttemptRow.id == id)
            .options(contains_eager(AttemptRow.run))
            .with_for_update()
        )
        row = (await self._session.execute(query)).scalar_one()
        if row.state != seen:
            raise Outrun(f"{seen} -> {row.state}")
        return row

    async def by_escrow(self, escrow_id: str) -> AttemptRow | None:
        return await self._session.scalar(select(AttemptRow).where(AttemptRow.escrow_id == escrow_id))

    async def asked(self, run_id: UUID, approval_id: UUID) -> AttemptRow | None:
        """The attempt about whose result somebody was asked under that id."""
        query = select(AttemptRow).where(AttemptRow.run_id == run_id, AttemptRow.approval_id == approval_id)
        return await self._session.scalar(query)

    async def results(self, run_id: UUID, steps: Sequence[str]) -> Mapping[str, Any]:
        """What was delivered for these steps and held up, by step."""
        query = (
            select(AttemptRow.step_id, AttemptRow.delivery)
            .join(StepRow, _IS_ITS & (StepRow.winner == AttemptRow.number))
            .where(AttemptRow.run_id == run_id, AttemptRow.step_id.in_(steps))
        )
        rows = await self._session.execute(query)
        return {step_id: delivery["result"] for step_id, delivery in rows if delivery is not None}

    async def numbered(self, run_id: UUID, step_id: str, number: int | None) -> AttemptRow | None:
        """An attempt at a step."""
        query = select(AttemptRow).where(AttemptRow.run_id == run_id, AttemptRow.step_id == step_id)
        return await self._session.scalar(query.where(AttemptRow.number == number))
