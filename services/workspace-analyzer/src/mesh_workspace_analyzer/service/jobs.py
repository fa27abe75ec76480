"""Analyses that nobody waits for: accepted now, made by the loop, told by their rows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from mesh_shared.errors import MeshError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_workspace_analyzer.domain.job import INTERRUPTED, MOST_STARTS, Job, JobStatus, Problem
from mesh_workspace_analyzer.repository import JobRow, Jobs
from mesh_workspace_analyzer.service.analyses import AnalysisDesk, Asked
from mesh_workspace_analyzer.service.turns import cancel, claim, unless_cancelled

TO_TRY_AGAIN = (JobStatus.FAILED, JobStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class End:
    """How the making of an analysis ended; without a problem it is there."""

    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDesk:
    """Takes requests for analyses and has them made, one after the other."""

    analyses: AnalysisDesk
    instance: str
    kept: int = 1000
    most_queued: int = 1000

    async def request(self, asked: Asked, id: UUID) -> Job:
        """Queues an analysis, once for each id; one that has failed, or was cancelled, is tried again.

        Raises `PluginsNotAllowed` where the operator has not allowed that tier, or `QueueFull`.
        """
        self.analyses.reader(asked.mode)
        try:
            async with self.analyses.database.write() as session:
                return await self._queued(session, asked, id)
        except IntegrityError:  # it came to another replica at once
            return await self.get(id)

    async def _queued(self, session: AsyncSession, asked: Asked, id: UUID) -> Job:
        known = await Jobs(session).find(id, to_change=True)
        if known is None or known.status in TO_TRY_AGAIN:
            await Jobs(session).require_room(self.most_queued)
        if known is not None:
            if known.status in TO_TRY_AGAIN:
                known.status, known.starts, known.problem, known.finished_at = JobStatus.QUEUED, 0, None, None
            return known.job()
        job = Job(id=id, status=JobStatus.QUEUED, created_at=datetime.now(UTC))
        Jobs(session).add(job, msgspec.to_builtins(asked))
        await Jobs(session).prune(self.kept)
        return job

    async def get(self, id: UUID) -> Job:
        """Where the analysis stands. Raises `JobNotFound`."""
        async with self.analyses.database.read() as session:
            return (await Jobs(session).get(id)).job()

    async def cancel(self, id: UUID) -> Job:
        """Ends it, wherever it is made; one that has ended stays as it is. Raises `JobNotFound`."""
        return (await cancel(self.analyses.database, Jobs, id, _cancelled)).job()

    async def turn(self) -> None:
        """Makes the oldest analysis that waits, or waits for one."""
        database = self.analyses.database
        if (id := await claim(database, Jobs, self.instance, _pick_up)) is None:
            return
        end = await unless_cancelled(database, Jobs, id, self._carry_out(id))
        async with database.write() as session:
            row = await Jobs(session).get(id, to_change=True)
            _end(row, JobStatus.CANCELLED if end is None else JobStatus.SUCCEEDED, end and end.problem)

    async def _carry_out(self, id: UUID) -> End:
        async with self.analyses.database.write() as session:
            row = await Jobs(session).get(id, to_change=True)
            row.starts += 1
            asked = msgspec.convert(row.asked, Asked)
        try:
            await self.analyses.analyze(asked, id)
        except MeshError as refused:
            return End(Problem(refused.code(), refused.detail))
        return End()


def _cancelled(_: AsyncSession, row: JobRow) -> None:
    _end(row, JobStatus.CANCELLED)


def _pick_up(session: AsyncSession, row: JobRow) -> None:
    """What becomes of an analysis whose replica died: to read a workspace twice does no harm."""
    if row.status == JobStatus.CANCELLING:
        _cancelled(session, row)
    elif row.starts >= MOST_STARTS:
        _end(row, JobStatus.FAILED, INTERRUPTED)
    else:
        row.status = JobStatus.QUEUED


def _end(row: JobRow, status: JobStatus, problem: Problem | None = None) -> None:
    row.status = status if problem is None else JobStatus.FAILED
    row.finished_at = datetime.now(UTC)
    row.problem = None if problem is None else msgspec.to_builtins(problem)
