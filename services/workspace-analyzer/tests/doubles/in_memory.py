"""Working sources, readers and tools without a disk or a process."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh_shared.database.engine import Database
from mesh_shared.events.outbox import EventRow
from mesh_workspace_analyzer.domain.affected import Change
from mesh_workspace_analyzer.domain.analysis import Comparison, Revision
from mesh_workspace_analyzer.domain.build import BuildOutcome
from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.targets import Target
from mesh_workspace_analyzer.errors import (
    BrokenProjectConfiguration,
    WorkspaceNotFound,
)
from mesh_workspace_analyzer.ports import Source, Told
from mesh_workspace_analyzer.service.analyses import Asked
from sqlalchemy import select

NOTHING = Comparison(
    workspace="w", base=Revision("main", None), head=Revision("HEAD", None), tree="t", changes=None
)


@dataclass(frozen=True)
class Held:
    """A working `ports.Source`: files in memory."""

    files: dict[str, str]
    comparison: Comparison = NOTHING

    async def names(self) -> frozenset[str]:
        return frozenset(self.files)

    async def texts(self, names: Collection[str]) -> dict[str, str]:
        return {name: self.files[name] for name in names}

    async def copy(self, *, for_build: bool) -> Path:
        raise NotImplementedError


@dataclass(slots=True)
class Workshop:
    """A working `ports.Sources`, `ports.Source` and `ports.Tool`: a build ends when it is let go."""

    writes: tuple[bytes, ...] = (b"one\n",)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    closed: int = 0
    comparison: Any = None

    @asynccontextmanager
    async def open(self, workspace: str, *, base: str, head: str) -> AsyncGenerator["Workshop", None]:
        try:
            yield self
        finally:
            self.closed += 1

    async def copy(self, *, for_build: bool) -> Path:
        return Path("/")

    async def names(self) -> frozenset[str]:
        return frozenset()

    async def texts(self, names: object) -> dict[str, str]:
        return {}

    async def build(
        self, folder: Path, *, base: str | None, head: str | None, heard: Callable[[bytes], None]
    ) -> BuildOutcome:
        for chunk in self.writes:
            heard(chunk)
        self.begun.set()
        await self.let_go.wait()
        heard(b"end\n")
        return BuildOutcome(succeeded=True, log_tail="end\n")


GRAPH = ProjectGraph(
    projects=(Project(name="app", root="app", targets=(Target("build"),)), Project(name="lib", root="lib")),
    dependencies=(Dependency("app", "lib"),),
)
SHOP = Comparison(
    workspace="shop",
    base=Revision("main", "1" * 40),
    head=Revision("HEAD", "2" * 40),
    tree="t1",
    changes=(Change("lib/x.ts"),),
)
ASKED = Asked(workspace="shop")


@dataclass(frozen=True, slots=True)
class Open:
    comparison: Comparison

    async def copy(self, *, for_build: bool) -> Path:
        return Path(self.comparison.tree)

    async def names(self) -> frozenset[str]:
        return frozenset()

    async def texts(self, names: Collection[str]) -> dict[str, str]:
        return {}


@dataclass(slots=True)
class Shelf:
    """A working `ports.Sources`: workspaces by name."""

    workspaces: dict[str, Comparison] = field(default_factory=lambda: {"shop": SHOP})

    @asynccontextmanager
    async def open(self, workspace: str, *, base: str, head: str) -> AsyncGenerator[Open, None]:
        if workspace not in self.workspaces:
            raise WorkspaceNotFound
        yield Open(self.workspaces[workspace])


@dataclass(slots=True)
class Abacus:
    """A working `ports.Reader` and `ports.Tool` that counts what it does."""

    read: list[str] = field(default_factory=list[str])
    built: list[tuple[str | None, str | None]] = field(default_factory=list[tuple[str | None, str | None]])
    version: str = "1.0"
    broken: bool = False
    fails: Exception | None = None

    async def versions(self) -> dict[str, str]:
        return {"abacus": self.version}

    async def graph(self, source: Source) -> ProjectGraph:
        self.read.append(str(await source.copy(for_build=False)))
        if self.broken:
            raise BrokenProjectConfiguration("a bead is missing")
        return GRAPH

    async def build(
        self, folder: Path, *, base: str | None, head: str | None, heard: Callable[[bytes], None]
    ) -> BuildOutcome:
        self.built.append((base, head))
        if self.fails is not None:
            raise self.fails
        return BuildOutcome(succeeded=True, log_tail="click")


class Diary:
    """Knows one run of every workspace."""

    async def runs(self, workspace: str) -> Told:
        return Told((Run(task="app:build", duration_ms=700),), ("One page is torn.",))


async def told(database: Database) -> list[tuple[str, str]]:
    """Topics and states of the events, in order."""
    async with database.read() as session:
        rows = (await session.scalars(select(EventRow).order_by(EventRow.position))).all()
    return [(row.type.split(".")[1], str(row.data.get("status", ""))) for row in rows]
