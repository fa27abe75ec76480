"""Workspaces in folders under the roots, compared and copied by git."""

import tempfile
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mesh_workspace_analyzer.adapters.folders import Repository, Roots
from mesh_workspace_analyzer.adapters.git import LINK, SUBMODULE, Entry, Git, GitRefused, borrowing
from mesh_workspace_analyzer.adapters.processes import remove, without_paths
from mesh_workspace_analyzer.domain.analysis import Comparison, Revision
from mesh_workspace_analyzer.errors import (
    NotAnNxWorkspace,
    RevisionNotFound,
    WorkspaceNotFound,
    WorkspaceTooLarge,
    WorkspaceUnreadable,
)

HEAD = "HEAD"
MAX_TEXT_BYTES = 2 << 20
"""What is larger was made by a program."""
PART_BYTES = 32 << 20
NOT_SOURCE = frozenset({".git", ".nx", "node_modules"})
# Files that hold a secret, or that make Nx or a package manager run something.
SECRET_OR_CODE = frozenset(
    {
        ".npmrc",
        ".yarnrc",
        ".yarnrc.yml",
        ".pnp.cjs",
        ".pnp.loader.mjs",
        ".pnpmfile.cjs",
        ".pnpmfile.mjs",
        # Nx parses lock files with the help of the package manager, and fails where nothing is installed.
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "pnpm-lock.yml",
        "bun.lock",
        "bun.lockb",
    }
)

FALLBACK = "All projects are taken as affected, and no saving is claimed."
NO_GIT = f"There is no git history here. {FALLBACK}"
NOT_COMMITTED = f"The folder is in no commit yet and was read as it stands. {FALLBACK}"
SHALLOW = f"The clone is shallow, so its history is not known (git fetch --unshallow). {FALLBACK}"
UNKNOWN_BASE = f"git finds no commit for the base {{base}}. {FALLBACK}"
UNCOMMITTED = "{count} files are changed but not committed; what was analysed is the commit."
UNKNOWN_STATE = "Whether files are changed but not committed is not known; what was analysed is the commit."


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a workspace is read."""

    files: int
    size_bytes: int

    def check(self, files: int, size_bytes: int) -> None:
        """Raises `WorkspaceTooLarge`."""
        if files > self.files or size_bytes > self.size_bytes:
            raise WorkspaceTooLarge(files=files, size_bytes=size_bytes)


@dataclass(slots=True, kw_only=True)
class OpenSource:
    """Implements `ports.Source`."""

    comparison: Comparison
    git: Git
    folder: Path
    home: Path
    prefix: str
    """Where the workspace is in its repository, `.` for its top."""
    limits: Limits
    readable: dict[str, Entry] | None = None

    async def copy(self, *, for_build: bool) -> Path:
        """See `ports.Source.copy`."""
        entries = await self.git.entries(self.comparison.tree)
        self._check(entries)
        wanted = entries if for_build else [entry for entry in entries if _is_readable(entry)]
        top = self.home / "copy"
        copy = top / self.prefix
        await self.git.write_files(self.comparison.tree, wanted, copy, with_links=for_build)
        if for_build:
            self._complete(top, copy)
        return copy

    async def names(self) -> frozenset[str]:
        """See `ports.Source.names`."""
        return frozenset(await self._readable())

    async def texts(self, names: Collection[str]) -> dict[str, str]:
        """See `ports.Source.texts`."""
        known = await self._readable()
        found = {
            name: known[name] for name in names if name in known and known[name].size_bytes <= MAX_TEXT_BYTES
        }
        texts: dict[str, str] = {}
        for part in _in_parts(found):
            contents = await self.git.contents([found[name] for name in part])
            texts |= zip(part, (content.decode(errors="replace") for content in contents), strict=True)
        return texts

    async def _readable(self) -> dict[str, Entry]:
        if self.readable is None:
            entries = await self.git.entries(self.comparison.tree)
            self.limits.check(len(entries), sum(entry.size_bytes for entry in entries))
            self.readable = {
                entry.path.decode(errors="replace"): entry for entry in entries if _is_readable(entry)
            }
        return self.readable

    def _complete(self, top: Path, copy: Path) -> None:
        """Adds what a build needs beside the files: their history, and the packages that are installed."""
        if self.comparison.head.sha is not None:
            (top / ".git").write_text(f"gitdir: {self.git.git_dir}\n")
        installed, modules = self.folder / "node_modules", copy / "node_modules"
        if modules.is_symlink():
            modules.unlink()  # the sandbox would open whatever a stranger has made it lead to
        if installed.is_dir() and not installed.is_symlink() and not modules.exists():
            modules.symlink_to(installed)

    def _check(self, entries: list[Entry]) -> None:
        self.limits.check(len(entries), sum(entry.size_bytes for entry in entries))
        if all(entry.path != b"nx.json" for entry in entries):
            raise NotAnNxWorkspace


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSources:
    """Implements `ports.Sources`. What it reads is a commit; a folder without one is read as it stands."""

    roots: Roots
    scratch: Path
    timeout_s: float
    limits: Limits

    @asynccontextmanager
    async def open(self, workspace: str, *, base: str, head: str) -> AsyncGenerator[OpenSource, None]:
        """See `ports.Sources.open`."""
        folder = self.roots.locate(workspace)
        repository = self.roots.repository_of(folder)
        async with a_home(self.scratch) as home:
            git = await borrowing(repository, home, self.timeout_s)
            prefix = str(folder.relative_to(repository.top)) if repository else "."
            reading = Reading(git, folder, prefix, workspace, base, head, self.limits)
            yield OpenSource(
                comparison=await reading.compare(repository),
                git=git,
                folder=folder,
                home=home,
                prefix=prefix,
                limits=self.limits,
            )


@dataclass(frozen=True, slots=True)
class Reading:
    """Finds out what is in a folder and how it got there."""

    git: Git
    folder: Path
    prefix: str
    workspace: str
    base: str
    head: str
    limits: Limits

    async def compare(self, repository: Repository | None) -> Comparison:
        if repository is None:
            return await self.as_it_stands(NO_GIT)
        head = await self.git.commit_sha(repository, self.head)
        tree = head and await self.git.tree(head, self.prefix)
        if head is None or tree is None:
            return await self.as_it_stands(NOT_COMMITTED)
        (self.git.git_dir / "HEAD").write_text(f"{head}\n")
        warnings = await self._uncommitted(repository)
        if await self.git.is_shallow(repository):
            return self._comparison(head, tree, (*warnings, SHALLOW))
        if (base := await self.git.commit_sha(repository, self.base)) is None:
            return self._comparison(head, tree, (*warnings, UNKNOWN_BASE.format(base=self.base)))
        return await self._since(await self.git.merge_base(base, head), head, tree, warnings)

    async def between(self, base: str | None, head: str) -> Comparison:
        """The comparison of two commits that are here; nobody can tell without a base.

        Raises `WorkspaceNotFound` when the head has no such folder.
        """
        if (tree := await self.git.tree(head, self.prefix)) is None:
            raise WorkspaceNotFound
        (self.git.git_dir / "HEAD").write_text(f"{head}\n")
        if base is None:
            return self._comparison(head, tree, (UNKNOWN_BASE.format(base=self.base),))
        return await self._since(await self.git.merge_base(base, head), head, tree, ())

    async def _since(self, base: str, head: str, tree: str, warnings: tuple[str, ...]) -> Comparison:
        before = await self.git.tree(base, self.prefix) or await self.git.empty_tree()
        return Comparison(
            workspace=self.workspace,
            base=Revision(self.base, base),
            head=Revision(self.head, head),
            tree=tree,
            changes=tuple(await self.git.changes(before, tree)),
            warnings=warnings,
        )

    async def as_it_stands(self, warning: str) -> Comparison:
        """The folder without a history, and with a word about that."""
        if self.head != HEAD:
            raise RevisionNotFound(self.head)
        self.limits.check(*await self.git.size_of_folder(self.folder))
        return self._comparison(None, await self.git.tree_of_folder(self.folder), (warning,))

    def _comparison(self, head: str | None, tree: str, warnings: tuple[str, ...]) -> Comparison:
        return Comparison(
            workspace=self.workspace,
            base=Revision(self.base, None),
            head=Revision(self.head, head),
            tree=tree,
            changes=None,
            warnings=warnings,
        )

    async def _uncommitted(self, repository: Repository) -> tuple[str, ...]:
        """A word about files that a caller who edits now may miss in the answer."""
        if self.head != HEAD:
            return ()
        try:
            count = await self.git.uncommitted(repository, self.prefix)
        except (GitRefused, OSError):
            return (UNKNOWN_STATE,)
        return (UNCOMMITTED.format(count=count),) if count else ()


def _in_parts(entries: Mapping[str, Entry]) -> Iterator[list[str]]:
    """As many files at once as git's answer may have bytes."""
    part: list[str] = []
    size = 0
    for name, entry in entries.items():
        if size + entry.size_bytes > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(name)
        size += entry.size_bytes
    if part:
        yield part


def _is_readable(entry: Entry) -> bool:
    """False for what is never in a copy for reading: links, submodules, secrets, installed packages."""
    path = PurePosixPath(entry.path.decode(errors="replace"))
    if entry.mode in (LINK, SUBMODULE) or NOT_SOURCE.intersection(path.parts):
        return False
    is_dotenv = path.name.startswith(".env") or (path.name.startswith(".") and path.name.endswith(".env"))
    return not is_dotenv and path.name not in SECRET_OR_CODE


@asynccontextmanager
async def a_home(scratch: Path) -> AsyncGenerator[Path, None]:
    """A folder for one source while it is open.

    Raises `WorkspaceUnreadable` for what git refuses meanwhile: what it said last, without our folders.
    """
    home = Path(tempfile.mkdtemp(dir=scratch))
    try:
        yield home
    except GitRefused as refused:
        said = str(refused).splitlines() or ["it gave no reason"]
        raise WorkspaceUnreadable(f"git cannot read it: {without_paths(said[-1])}") from None
    finally:
        await remove(home)
