"""Analysing: read, conclude, remember."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.database.engine import Database
from mesh_shared.events import outbox
from sqlalchemy.exc import IntegrityError

from mesh_workspace_analyzer.domain.analysis import Analysis, Mode, conclude
from mesh_workspace_analyzer.domain.boundaries import Constraint
from mesh_workspace_analyzer.domain.cost import Pipeline
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.errors import TooBusy
from mesh_workspace_analyzer.events import AnalysisCompleted
from mesh_workspace_analyzer.ports import Histories, Reader, Source, Sources
from mesh_workspace_analyzer.repository import Analyses, AnalysisRow, Graphs

FORM = "2"
"""Of stored graphs; one of another form is read again."""
MOST_OPEN = 16
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to analyse: a folder relative to a configured root, and two names that git knows."""

    workspace: str
    base: str = "main"
    head: str = "HEAD"
    mode: Mode = Mode.STATIC
    pipeline: Pipeline = field(default_factory=Pipeline)
    constraints: tuple[Constraint, ...] = ()
    runs: tuple[Run, ...] = ()
    """Former runs of tasks that the caller knows of, beside those that the workspace has kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisDesk:
    """Takes requests for analyses and keeps what came of them."""

    database: Database
    sources: Sources
    histories: Histories
    readers: Mapping[Mode, Reader]
    reading: asyncio.Semaphore
    """As many copies are read at once as it lets in."""
    graphs_kept: int
    analyses_kept: int = 10_000
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_OPEN))
    """As many workspaces are compared, or wait to be read, at once."""
    patience_s: float = PATIENCE_S
    """How long the others wait for a place."""

    async def analyze(self, asked: Asked, id: UUID) -> Analysis:
        """The analysis with that id: made now, or the one that was made under it before.

        A tree that was read before is not read again. Raises `WorkspaceNotFound`, `RevisionNotFound`,
        `HistoryOutsideRoots`, `WorkspaceUnreadable`, `WorkspaceTooLarge`, `NotAnNxWorkspace`,
        `BrokenProjectConfiguration`, `DuplicateProjectNames`, `AnalysisTimedOut` or `TooBusy`.
        """
        if (known := await self._known(id)) is not None:
            return known
        started = time.perf_counter()
        versions = await self.readers[asked.mode].versions()
        opening = self.sources.open(asked.workspace, base=asked.base, head=asked.head)
        async with self._place(), opening as source:
            graph = await self._graph(source, asked.mode, versions)
            kept = await self.histories.runs(asked.workspace)
        analysis = await asyncio.to_thread(
            conclude,
            graph,
            source.comparison,
            id=id,
            mode=asked.mode,
            tool_versions=versions,
            duration_ms=round((time.perf_counter() - started) * 1000),
            created_at=datetime.now(UTC),
            runs=(*asked.runs, *kept.runs),
            gaps=kept.gaps,
            pipeline=asked.pipeline,
            constraints=asked.constraints,
        )
        async with self.database.write() as session:
            Analyses(session).add(analysis)
            await Analyses(session).prune(self.analyses_kept)
            outbox.record(session, AnalysisCompleted.of(analysis))
        return analysis

    async def get(self, id: UUID) -> Analysis:
        """The stored analysis. Raises `AnalysisNotFound`."""
        async with self.database.read() as session:
            return await Analyses(session).get(id)

    async def newest(self, limit: int, *, before: int | None) -> Sequence[AnalysisRow]:
        """A page of the list, newest first; `before` is the position of the last row of the page before."""
        async with self.database.read() as session:
            return await Analyses(session).newest(limit, before=before)

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None, None]:
        try:
            async with asyncio.timeout(self.patience_s):
                await self.places.acquire()
        except TimeoutError:
            raise TooBusy from None
        try:
            yield
        finally:
            self.places.release()

    async def _known(self, id: UUID) -> Analysis | None:
        async with self.database.read() as session:
            return await Analyses(session).find(id)

    async def _graph(self, source: Source, mode: Mode, versions: dict[str, str]) -> ProjectGraph:
        """The graph of the source's tree; from the store when any replica has read that tree before."""
        key = _key(source.comparison.tree, mode, versions)
        async with self.reading:
            async with self.database.read() as session:
                known = await Graphs(session).find(key)
            if known is not None:
                return known
            graph = await self.readers[mode].graph(source)
            with suppress(IntegrityError):  # another replica was first
                async with self.database.write() as session:
                    await Graphs(session).keep(key, graph, at=datetime.now(UTC), kept=self.graphs_kept)
            return graph


def _key(tree: str, mode: Mode, versions: dict[str, str]) -> str:
    parts = [FORM, mode, tree, *(f"{name}={version}" for name, version in sorted(versions.items()))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
