"""What the use cases ask of foreign systems, in the domain's own words."""

from collections.abc import AsyncIterable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mesh_workspace_analyzer.domain.analysis import Comparison
from mesh_workspace_analyzer.domain.build import BuildOutcome
from mesh_workspace_analyzer.domain.graph import ProjectGraph
from mesh_workspace_analyzer.domain.history import Run


class Source(Protocol):
    """A workspace that is open for reading; what it made on disk is gone when it is closed."""

    @property
    def comparison(self) -> Comparison: ...

    async def copy(self, *, for_build: bool) -> Path:
        """The folder of a copy of the head. Raises `WorkspaceTooLarge`, `NotAnNxWorkspace`.

        A copy for reading has no secrets, no links and nothing that makes a tool run the workspace's code.
        One for a build has all of it, and its history.
        """
        ...

    async def names(self) -> frozenset[str]:
        """The paths of the head's files that may be read. Raises `WorkspaceTooLarge`."""
        ...

    async def texts(self, names: Collection[str]) -> dict[str, str]:
        """What is in them, without those that are larger than a person's text is. Raises what `copy` does."""
        ...


class Sources(Protocol):
    def open(self, workspace: str, *, base: str, head: str) -> AbstractAsyncContextManager[Source]:
        """Compares two revisions of a workspace.

        Raises `WorkspaceNotFound`, `RevisionNotFound`, `HistoryOutsideRoots`, `WorkspaceUnreadable` or
        `AnalysisTimedOut`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Archive:
    """A tar archive as it came; `digest` is its SHA-256 in hex."""

    path: Path
    digest: str


class Archives(Protocol):
    def receive(self, chunks: AsyncIterable[bytes]) -> AbstractAsyncContextManager[Archive]:
        """Keeps what comes until the context ends."""
        ...

    def open(
        self, archive: Archive, *, workspace: str, changed: Sequence[str] | None, changed_in: str | None
    ) -> AbstractAsyncContextManager[Source]:
        """The workspace in an archive, of which these files have changed; None when nobody can tell.

        `changed_in` is a file of the archive that names more of them, one a line.
        Raises `ArchiveRefused`, `WorkspaceTooLarge`, `WorkspaceUnreadable` or `AnalysisTimedOut`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """Former runs of tasks, and what could not be read of them, one sentence each."""

    runs: tuple[Run, ...]
    gaps: tuple[str, ...] = ()


class Histories(Protocol):
    async def runs(self, workspace: str) -> Told:
        """What the tools of a workspace have kept of their runs. Raises `WorkspaceNotFound`."""
        ...


class Reader(Protocol):
    """One way to find out what is in a workspace; but in `nx-full`, none of its code runs."""

    async def versions(self) -> dict[str, str]:
        """The programs that read a workspace, with their versions."""
        ...

    async def graph(self, source: Source) -> ProjectGraph:
        """The projects of a source.

        Raises `NotAWorkspace`, `BrokenProjectConfiguration`, `DuplicateProjectNames`, `AnalysisTimedOut`, or
        what the source does.
        """
        ...


class Tool(Protocol):
    """The build tool of the workspaces."""

    async def build(
        self, folder: Path, *, base: str | None, head: str | None, heard: Callable[[bytes], None]
    ) -> BuildOutcome:
        """Builds what differs between two commits, everything without them. Runs the workspace's code.

        What it writes is `heard` at once.
        """
        ...
