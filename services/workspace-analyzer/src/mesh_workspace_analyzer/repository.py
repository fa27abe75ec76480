"""Tables and every query on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec
from mesh_shared.database.types import TYPES, BigId, metadata
from mesh_shared.errors import MeshError
from sqlalchemy import Index, String, Text, and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, defer, mapped_column

from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.build import AT_WORK, OPEN, Build, BuildStatus
from mesh_workspace_analyzer.domain.build_log import MOST_KEPT, Piece
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.job import Job, JobStatus, Problem
from mesh_workspace_analyzer.errors import AnalysisNotFound, BuildNotFound, JobNotFound, QueueFull


class Base(DeclarativeBase):
    metadata = metadata()
    type_annotation_map: ClassVar = TYPES


class AnalysisRow(Base):
    """`body` is the whole analysis; the columns are what a list shows, in the order of `position`."""

    __tablename__ = "analyses"
    __table_args__ = (Index("ix_analyses_workspace_position", "workspace", "position"),)

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(unique=True)
    workspace: Mapped[str] = mapped_column(String(512))
    status: Mapped[str] = mapped_column(String(20))
    projects: Mapped[int]
    affected: Mapped[int]
    created_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]


class GraphRow(Base):
    """The graph that a tool found in a tree; `key` names both, so it never goes stale."""

    __tablename__ = "graphs"
    __table_args__ = (Index("ix_graphs_created_at", "created_at"), Index("ix_graphs_hash", "hash"))

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64))
    """The fingerprint of the graph; trees with the same graph share it."""
    body: Mapped[bytes]
    """JSON, which nobody asks the database about: read in a tenth of the time that its type takes."""
    created_at: Mapped[datetime]


class Queued:
    """What waits in a table until a replica takes it; `instance` is the one that did."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(20), default=BuildStatus.QUEUED)
    instance: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class BuildRow(Queued, Base):
    """What a replica was running when it died is interrupted."""

    __tablename__ = "builds"
    __table_args__ = (Index("ix_builds_status_created_at", "status", "created_at"),)

    analysis_id: Mapped[UUID]
    log_tail: Mapped[str] = mapped_column(Text, default="")

    def build(self) -> Build:
        return Build(
            id=self.id,
            analysis_id=self.analysis_id,
            status=BuildStatus(self.status),
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            log_tail=self.log_tail,
        )


class BuildLogRow(Base):
    """A piece of what a build wrote; see `domain.build_log.Piece`."""

    __tablename__ = "build_logs"

    build_id: Mapped[UUID] = mapped_column(primary_key=True)
    ends_at: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)


class JobRow(Queued, Base):
    """An analysis that somebody waits for elsewhere. What a replica was at when it died is begun again."""

    __tablename__ = "analysis_jobs"
    __table_args__ = (Index("ix_analysis_jobs_status_created_at", "status", "created_at"),)

    starts: Mapped[int] = mapped_column(default=0)
    asked: Mapped[dict[str, Any]]
    problem: Mapped[dict[str, Any] | None]

    def job(self) -> Job:
        return Job(
            id=self.id,
            status=JobStatus(self.status),
            created_at=self.created_at,
            finished_at=self.finished_at,
            problem=None if self.problem is None else Problem(**self.problem),
        )


class Analyses:
    """Every query on `analyses`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, analysis: Analysis) -> None:
        row = AnalysisRow(
            id=analysis.id,
            workspace=analysis.workspace,
            status=analysis.status,
            projects=analysis.projects,
            affected=len(analysis.affected),
            created_at=analysis.created_at,
            body=msgspec.to_builtins(analysis),
        )
        self._session.add(row)

    async def find(self, id: UUID) -> Analysis | None:
        body = await self._session.scalar(select(AnalysisRow.body).where(AnalysisRow.id == id))
        return None if body is None else msgspec.convert(body, Analysis)

    async def get(self, id: UUID) -> Analysis:
        """Raises `AnalysisNotFound`."""
        if (found := await self.find(id)) is None:
            raise AnalysisNotFound("There is no analysis with that id.")
        return found

    async def of(self, workspace: str, limit: int) -> list[Analysis]:
        """The newest of one workspace, newest first."""
        query = select(AnalysisRow.body).where(AnalysisRow.workspace == workspace)
        bodies = await self._session.scalars(query.order_by(AnalysisRow.position.desc()).limit(limit))
        return [msgspec.convert(body, Analysis) for body in bodies]

    async def prune(self, kept: int) -> None:
        """Forgets all but the newest `kept`."""
        oldest = select(AnalysisRow.position).order_by(AnalysisRow.position.desc()).offset(kept).limit(1)
        await self._session.execute(
            delete(AnalysisRow).where(AnalysisRow.position <= oldest.scalar_subquery())
        )

    async def newest(self, limit: int, *, before: int | None) -> Sequence[AnalysisRow]:
        """Newest first, from below position `before` on; without their bodies."""
        query = select(AnalysisRow).options(defer(AnalysisRow.body)).order_by(AnalysisRow.position.desc())
        if before is not None:
            query = query.where(AnalysisRow.position < before)
        return (await self._session.scalars(query.limit(limit))).all()


class Graphs:
    """Every query on `graphs`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, key: str) -> ProjectGraph | None:
        row = await self._session.get(GraphRow, key)
        return None if row is None else msgspec.json.decode(row.body, type=ProjectGraph)

    async def like(self, hash: str) -> ProjectGraph | None:
        """A graph with that fingerprint, which is as good as any other."""
        body = await self._session.scalar(select(GraphRow.body).where(GraphRow.hash == hash).limit(1))
        return None if body is None else msgspec.json.decode(body, type=ProjectGraph)

    async def keep(self, key: str, graph: ProjectGraph, *, at: datetime, kept: int) -> None:
        """Stores `graph` and forgets all but the newest `kept`."""
        await self._session.merge(
            GraphRow(key=key, hash=graph.fingerprint(), body=msgspec.json.encode(graph), created_at=at)
        )
        newest = select(GraphRow.key).order_by(GraphRow.created_at.desc()).limit(kept)
        await self._session.execute(delete(GraphRow).where(GraphRow.key.not_in(newest)))


Row = TypeVar("Row", bound=Queued)


class Queue(Generic[Row]):
    """Every query on a table of work. Takes part in a transaction; never commits."""

    table: type[Row]
    name: str
    missing: type[MeshError]

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def prune(self, kept: int) -> None:
        """Forgets all that have ended but the newest `kept`."""
        ended = self.table.status.not_in(OPEN)
        newest = select(self.table.id).where(ended).order_by(self.table.created_at.desc()).limit(kept)
        await self._session.execute(delete(self.table).where(ended, self.table.id.not_in(newest)))

    async def find(self, id: UUID, *, to_change: bool = False) -> Row | None:
        """One `to_change` is nobody else's until the transaction ends."""
        return await self._session.get(self.table, id, with_for_update=to_change or None)

    async def get(self, id: UUID, *, to_change: bool = False) -> Row:
        """As `find`. Raises `missing`."""
        if (found := await self.find(id, to_change=to_change)) is None:
            raise self.missing(f"There is no {self.name} with that id.")
        return found

    async def require_room(self, most: int) -> None:
        """Lets pass while fewer than `most` wait. Raises `QueueFull`."""
        waiting = (
            select(self.table.id).where(self.table.status == BuildStatus.QUEUED).offset(most - 1).limit(1)
        )
        if await self._session.scalar(waiting) is not None:
            raise QueueFull

    async def claim(self, instance: str, *, at: datetime) -> Row | None:
        """The oldest that waits, now running at `instance`; no other replica gets it."""
        query = (
            select(self.table)
            .where(self.table.status == BuildStatus.QUEUED)
            .order_by(self.table.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if (row := await self._session.scalar(query)) is not None:
            row.status, row.instance, row.started_at = BuildStatus.RUNNING, instance, at
        return row

    async def has_open(self, instance: str) -> bool:
        """True when something is queued, or `instance` has something running."""
        mine = and_(self.table.instance == instance, self.table.status.in_(AT_WORK))
        query = select(self.table.id).where(or_(self.table.status == BuildStatus.QUEUED, mine)).limit(1)
        return await self._session.scalar(query) is not None

    async def running(self, instance: str) -> Sequence[Row]:
        """What `instance` has running, or had when it died."""
        mine = (self.table.instance == instance, self.table.status.in_(AT_WORK))
        return (await self._session.scalars(select(self.table).where(*mine))).all()


class Builds(Queue[BuildRow]):
    table = BuildRow
    name = "build"
    missing = BuildNotFound

    def add(self, build: Build) -> None:
        self._session.add(BuildRow(id=build.id, analysis_id=build.analysis_id, created_at=build.created_at))

    async def prune(self, kept: int) -> None:
        """As any queue does, with their logs."""
        await super().prune(kept)
        await self._session.execute(
            delete(BuildLogRow).where(BuildLogRow.build_id.not_in(select(BuildRow.id)))
        )


class Jobs(Queue[JobRow]):
    table = JobRow
    name = "analysis job"
    missing = JobNotFound

    def add(self, job: Job, asked: dict[str, Any]) -> None:
        self._session.add(JobRow(id=job.id, created_at=job.created_at, asked=asked))


class BuildLogs:
    """Every query on `build_logs`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def append(self, id: UUID, piece: Piece) -> None:
        """Stores the next piece, once, and forgets what is older than the newest `MOST_KEPT` characters."""
        if not piece.text:
            return
        await self._session.merge(BuildLogRow(build_id=id, ends_at=piece.ends_at, text=piece.text))
        old = BuildLogRow.ends_at <= piece.ends_at - MOST_KEPT
        await self._session.execute(delete(BuildLogRow).where(BuildLogRow.build_id == id, old))

    async def next(self, id: UUID, *, after: int) -> Piece | None:
        """The first piece that has something after so many characters, without what comes before."""
        query = select(BuildLogRow).where(BuildLogRow.build_id == id, BuildLogRow.ends_at > after)
        row = await self._session.scalar(query.order_by(BuildLogRow.ends_at).limit(1))
        return None if row is None else Piece(row.ends_at, row.text).after(after)
