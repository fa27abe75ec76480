"""Building what is affected: accepted now, done by the loop, told by its row."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.background import beside
from mesh_shared.bell import Bell, wait
from mesh_shared.database.engine import Database
from mesh_shared.errors import MeshError
from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.build import Build, BuildOutcome, BuildStatus
from mesh_workspace_analyzer.domain.build_log import Piece
from mesh_workspace_analyzer.errors import BuildsNotAllowed
from mesh_workspace_analyzer.events import BuildFinished
from mesh_workspace_analyzer.ports import Sources, Tool
from mesh_workspace_analyzer.repository import Analyses, BuildLogs, BuildRow, Builds
from mesh_workspace_analyzer.service.recorder import Recorder
from mesh_workspace_analyzer.service.turns import IDLE_S, cancel, claim, unless_cancelled

LOG_PAUSE_S = 0.25
"""Between two pieces of a log that is written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildDesk:
    """Takes requests for builds and carries them out, one after the other."""

    database: Database
    sources: Sources
    tool: Tool
    instance: str
    is_allowed: bool
    kept: int = 1000
    most_queued: int = 1000
    ended: Bell = field(default_factory=Bell)
    """Rings when a build of this process has ended."""

    async def request(self, analysis_id: UUID, id: UUID) -> Build:
        """Queues a build of what the analysis found affected; the one with that id if there is one already.

        Raises `AnalysisNotFound`, `BuildsNotAllowed` where the operator has not allowed builds, `QueueFull`.
        """
        async with self.database.write() as session:
            await Analyses(session).get(analysis_id)
            if not self.is_allowed:
                raise BuildsNotAllowed
            if (known := await Builds(session).find(id)) is not None:
                return known.build()
            await Builds(session).require_room(self.most_queued)
            build = Build(
                id=id, analysis_id=analysis_id, status=BuildStatus.QUEUED, created_at=datetime.now(UTC)
            )
            Builds(session).add(build)
            await Builds(session).prune(self.kept)
        return build

    async def get(self, id: UUID) -> Build:
        """Where the build stands. Raises `BuildNotFound`."""
        async with self.database.read() as session:
            return (await Builds(session).get(id)).build()

    async def log(self, id: UUID, *, after: int) -> tuple[Piece | None, Build]:
        """What the build wrote next after so many characters, and where it stands. Raises `BuildNotFound`.

        Of one that has ended, no piece is the end of the log.
        """
        async with self.database.read() as session:
            build = (await Builds(session).get(id)).build()
            return await BuildLogs(session).next(id, after=after), build

    async def cancel(self, id: UUID) -> Build:
        """Ends a build, wherever it runs; one that has ended stays as it is. Raises `BuildNotFound`."""
        return (await cancel(self.database, Builds, id, _cancelled)).build()

    async def settled(self, id: UUID, timeout_s: float) -> Build:
        """The build when it has ended, or as it is after `timeout_s`. Raises `BuildNotFound`."""
        deadline = datetime.now(UTC).timestamp() + timeout_s
        while True:
            ticket = self.ended.ticket()
            build = await self.get(id)
            left_s = deadline - datetime.now(UTC).timestamp()
            if not build.is_open or left_s <= 0:
                return build
            await wait(ticket, min(left_s, IDLE_S))

    async def turn(self) -> None:
        """Carries out the oldest queued build, or waits for one."""
        if (id := await claim(self.database, Builds, self.instance, _interrupt)) is None:
            return
        log = Recorder()
        outcome = await unless_cancelled(self.database, Builds, id, self._carry_out(id, log))
        async with self.database.write() as session:
            row = await Builds(session).get(id, to_change=True)
            row.status, row.finished_at = _status(outcome), datetime.now(UTC)
            row.log_tail = outcome.log_tail if outcome else ""
            await BuildLogs(session).append(id, log.pending())
            outbox.record(session, BuildFinished.of(row.build()))
        self.ended.ring()

    async def _write_down(self, id: UUID, log: Recorder) -> None:
        """Stores the log while the build runs, so that any replica can show it; `turn` stores its end."""
        while True:
            await log.heard.wait()
            piece = log.pending()
            async with self.database.write() as session:
                await BuildLogs(session).append(id, piece)
            log.stored(piece)
            await asyncio.sleep(LOG_PAUSE_S)

    async def _carry_out(self, id: UUID, log: Recorder) -> BuildOutcome:
        async with self.database.read() as session:
            build = await Builds(session).get(id)
            analysis = await Analyses(session).get(build.analysis_id)
        async with beside(self._write_down(id, log)):
            try:
                return await self._build(analysis, log)
            except MeshError as refused:  # the workspace has changed, or is gone, since it was analysed
                return BuildOutcome(succeeded=False, log_tail=refused.detail)

    async def _build(self, analysis: Analysis, log: Recorder) -> BuildOutcome:
        base, head = analysis.base.sha, analysis.head.sha
        async with self.sources.open(
            analysis.workspace, base=base or analysis.base.ref, head=head or analysis.head.ref
        ) as source:
            folder = await source.copy(for_build=True)
            return await self.tool.build(folder, base=base, head=head, heard=log.hear)


def _cancelled(session: AsyncSession, row: BuildRow) -> None:
    _end(session, row, BuildStatus.CANCELLED)


def _interrupt(session: AsyncSession, row: BuildRow) -> None:
    was_cancelled = row.status == BuildStatus.CANCELLING
    _end(session, row, BuildStatus.CANCELLED if was_cancelled else BuildStatus.INTERRUPTED)


def _end(session: AsyncSession, row: BuildRow, status: BuildStatus) -> None:
    row.status = status
    outbox.record(session, BuildFinished.of(row.build()))


def _status(outcome: BuildOutcome | None) -> BuildStatus:
    if outcome is None:
        return BuildStatus.CANCELLED
    return BuildStatus.SUCCEEDED if outcome.succeeded else BuildStatus.FAILED
