"""Building what is affected: accepted now, done by the loop, told by its row."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.bell import Bell, wait
from mesh_shared.database.engine import Database
from mesh_shared.errors import MeshError
from mesh_shared.events import outbox

from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.build import Build, BuildOutcome, BuildStatus
from mesh_workspace_analyzer.domain.build_log import Piece
from mesh_workspace_analyzer.errors import BuildsNotAllowed
from mesh_workspace_analyzer.events import BuildFinished
from mesh_workspace_analyzer.ports import Sources, Tool
from mesh_workspace_analyzer.repository import Analyses, BuildLogs, Builds
from mesh_workspace_analyzer.service.recorder import Recorder

IDLE_S = 1.0
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
    ended: Bell = field(default_factory=Bell)
    """Rings when a build of this process has ended."""

    async def request(self, analysis_id: UUID, id: UUID) -> Build:
        """Queues a build of what the analysis found affected; the one with that id if there is one already.

        Raises `AnalysisNotFound`, or `BuildsNotAllowed` where the operator has not allowed builds.
        """
        async with self.database.write() as session:
            await Analyses(session).get(analysis_id)
            if not self.is_allowed:
                raise BuildsNotAllowed
            if (known := await Builds(session).find(id)) is not None:
                return known.build()
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
        async with self.database.write() as session:
            row = await Builds(session).get(id, to_change=True)
            if row.status == BuildStatus.QUEUED:
                row.status = BuildStatus.CANCELLED
                outbox.record(session, BuildFinished.of(row.build()))
            elif row.status == BuildStatus.RUNNING:
                row.status = BuildStatus.CANCELLING
            return row.build()

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
        ticket = self.database.committed.ticket()
        async with self.database.read() as session:
            is_idle = not await Builds(session).has_open(self.instance)
        if is_idle:
            await wait(ticket, self.database.quiet_s)
            return
        build = await self._claim()
        if build is None:
            return
        log = Recorder()
        outcome = await self._unless_cancelled(build, log)
        async with self.database.write() as session:
            row = await Builds(session).get(build.id, to_change=True)
            row.status, row.finished_at = _status(outcome), datetime.now(UTC)
            row.log_tail = outcome.log_tail if outcome else ""
            await BuildLogs(session).append(build.id, log.pending())
            outbox.record(session, BuildFinished.of(row.build()))
        self.ended.ring()

    async def _claim(self) -> Build | None:
        """The next build for this replica; what it has running besides died with an earlier life of it."""
        async with self.database.write() as session:
            for row in await Builds(session).running(self.instance):
                was_cancelled = row.status == BuildStatus.CANCELLING
                row.status = BuildStatus.CANCELLED if was_cancelled else BuildStatus.INTERRUPTED
                outbox.record(session, BuildFinished.of(row.build()))
            return await Builds(session).claim(self.instance, at=datetime.now(UTC))

    async def _unless_cancelled(self, build: Build, log: Recorder) -> BuildOutcome | None:
        """What comes of the build; None when it was cancelled, and all that it had started is killed."""
        work = asyncio.ensure_future(self._carry_out(build, log))
        word = asyncio.ensure_future(self._until_cancelled(build.id))
        clerk = asyncio.ensure_future(self._write_down(build.id, log))
        try:
            await asyncio.wait({work, word}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            return word.result()
        finally:
            work.cancel()
            word.cancel()
            clerk.cancel()
            await asyncio.gather(work, word, clerk, return_exceptions=True)

    async def _until_cancelled(self, id: UUID) -> None:
        ticket = self.database.committed.ticket()
        while (await self.get(id)).status is not BuildStatus.CANCELLING:
            await wait(ticket, IDLE_S)
            ticket = self.database.committed.ticket()

    async def _write_down(self, id: UUID, log: Recorder) -> None:
        """Stores the log while the build runs, so that any replica can show it; `turn` stores its end."""
        while True:
            await log.heard.wait()
            piece = log.pending()
            async with self.database.write() as session:
                await BuildLogs(session).append(id, piece)
            log.stored(piece)
            await asyncio.sleep(LOG_PAUSE_S)

    async def _carry_out(self, build: Build, log: Recorder) -> BuildOutcome:
        async with self.database.read() as session:
            analysis = await Analyses(session).get(build.analysis_id)
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


def _status(outcome: BuildOutcome | None) -> BuildStatus:
    if outcome is None:
        return BuildStatus.CANCELLED
    return BuildStatus.SUCCEEDED if outcome.succeeded else BuildStatus.FAILED
