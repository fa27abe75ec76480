"""Analysing: read, conclude, remember."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.database.engine import Database
from mesh_shared.events import outbox
from sqlalchemy.exc import IntegrityError

from mesh_workspace_analyzer.domain.analysis import Analysis, Comparison, Mode, conclude
from mesh_workspace_analyzer.domain.constraints import Constraint
from mesh_workspace_analyzer.domain.cost import Pipeline
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.errors import PluginsNotAllowed, TooBusy
from mesh_workspace_analyzer.events import AnalysisCompleted
from mesh_workspace_analyzer.ports import Archive, Archives, Histories, Reader, Source, Sources, Told
from mesh_workspace_analyzer.repository import Analyses, AnalysisRow, Graphs
from mesh_workspace_analyzer.service.conclusions import Conclusions, Premises

FORM = "3"
"""Of stored graphs; one of another form is read again."""
NOBODY, NEVER = UUID(int=0), datetime.min.replace(tzinfo=UTC)
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
    archive: Archive | None = None
    """What the workspace is in, if it came with the request."""
    changed: tuple[str, ...] | None = None
    """The files of an archive that have changed; None when nobody can tell."""
    changed_in: str | None = None
    """The file of an archive that names more of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisDesk:
    """Takes requests for analyses and keeps what came of them."""

    database: Database
    sources: Sources
    histories: Histories
    archives: Archives
    readers: Mapping[Mode, Reader]
    reading: asyncio.Semaphore
    """As many copies are read at once as it lets in."""
    graphs_kept: int
    analyses_kept: int = 10_000
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_OPEN))
    """As many workspaces are compared, or wait to be read, at once."""
    patience_s: float = PATIENCE_S
    """How long the others wait for a place."""
    conclusions: Conclusions = field(default_factory=Conclusions)

    async def analyze(self, asked: Asked, id: UUID) -> Analysis:
        """The analysis with that id: made now, or the one that was made under it before.

        A tree that was read before is not read again. Raises `WorkspaceNotFound`, `RevisionNotFound`,
        `HistoryOutsideRoots`, `WorkspaceUnreadable`, `WorkspaceTooLarge`, `NotAnNxWorkspace`,
        `BrokenProjectConfiguration`, `DuplicateProjectNames`, `PluginsNotAllowed`, `AnalysisTimedOut` or
        `TooBusy`.
        """
        if (known := await self._known(id)) is not None:
            return known
        started = time.perf_counter()
        versions = await self.reader(asked.mode).versions()
        async with self._place(), self._opening(asked) as source:
            premises = await self._premises(asked, id, source.comparison, versions)
            if (concluded := self.conclusions.get(premises)) is None:
                graph = await self._graph(source, asked.mode, premises.graph_key)
                concluded = await asyncio.to_thread(_conclude, graph, premises, asked.mode, versions)
                self.conclusions.keep(premises, concluded)
        analysis = replace(
            concluded,
            id=id,
            duration_ms=round((time.perf_counter() - started) * 1000),
            created_at=datetime.now(UTC),
        )
        try:
            await self._keep(analysis)
        except IntegrityError:  # somebody asked for the same at once, and was first
            return await self.get(id)
        return analysis

    async def analyze_archive(
        self, chunks: AsyncIterable[bytes], asked: Asked, id_of: Callable[[str], UUID]
    ) -> Analysis:
        """The analysis of an archive, under the id that its digest has.

        Raises `ArchiveRefused` beside what `analyze` does.
        """
        async with self.archives.receive(chunks) as archive:
            return await self.analyze(replace(asked, archive=archive), id_of(archive.digest))

    def reader(self, mode: Mode) -> Reader:
        """Who reads in that tier. Raises `PluginsNotAllowed` where the operator has not allowed it."""
        if (found := self.readers.get(mode)) is None:
            raise PluginsNotAllowed
        return found

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

    async def _keep(self, analysis: Analysis) -> None:
        async with self.database.write() as session:
            Analyses(session).add(analysis)
            await Analyses(session).prune(self.analyses_kept)
            outbox.record(session, AnalysisCompleted.of(analysis))

    async def _known(self, id: UUID) -> Analysis | None:
        async with self.database.read() as session:
            return await Analyses(session).find(id)

    def _opening(self, asked: Asked) -> AbstractAsyncContextManager[Source]:
        if asked.archive is not None:
            return self.archives.open(
                asked.archive,
                workspace=asked.workspace,
                changed=asked.changed,
                changed_in=asked.changed_in,
            )
        return self.sources.open(asked.workspace, base=asked.base, head=asked.head)

    async def _premises(
        self, asked: Asked, id: UUID, comparison: Comparison, versions: dict[str, str]
    ) -> Premises:
        # What a plugin finds may rest on more than the tree, so nobody else's analysis may rest on that.
        only = {"analysis": str(id)} if asked.mode is Mode.NX_FULL else {}
        kept = Told(()) if asked.archive else await self.histories.runs(asked.workspace)
        return Premises(
            graph_key=_key(comparison.tree, asked.mode, versions | only),
            comparison=comparison,
            runs=(*asked.runs, *kept.runs),
            gaps=kept.gaps,
            pipeline=asked.pipeline,
            constraints=asked.constraints,
        )

    async def _graph(self, source: Source, mode: Mode, key: str) -> ProjectGraph:
        """The graph of the source's tree; from the store when any replica has read that tree before."""
        async with self.reading:
            async with self.database.read() as session:
                known = await Graphs(session).find(key)
            if known is not None:
                return known
            graph = await self.reader(mode).graph(source)
            with suppress(IntegrityError):  # another replica was first
                async with self.database.write() as session:
                    await Graphs(session).keep(key, graph, at=datetime.now(UTC), kept=self.graphs_kept)
            return graph


def _conclude(graph: ProjectGraph, premises: Premises, mode: Mode, versions: dict[str, str]) -> Analysis:
    """What follows, without an id and a time of its own."""
    return conclude(
        graph,
        premises.comparison,
        id=NOBODY,
        mode=mode,
        tool_versions=versions,
        duration_ms=0,
        created_at=NEVER,
        runs=premises.runs,
        gaps=premises.gaps,
        pipeline=premises.pipeline,
        constraints=premises.constraints,
    )


def _key(tree: str, mode: Mode, versions: dict[str, str]) -> str:
    parts = [FORM, mode, tree, *(f"{name}={version}" for name, version in sorted(versions.items()))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
