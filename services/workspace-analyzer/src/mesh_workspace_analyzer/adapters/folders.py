"""Where workspaces are: folders under configured roots, never beyond them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mesh_workspace_analyzer.errors import HistoryOutsideRoots, WorkspaceNotFound, WorkspaceUnreadable

MAX_POINTER_BYTES = 1 << 16
MAX_STORES = 100


@dataclass(frozen=True, slots=True)
class Repository:
    """Where git keeps the history of a folder. All paths are real ones, inside of the roots."""

    git_dir: Path
    objects: Path
    top: Path


@dataclass(frozen=True, slots=True)
class Roots:
    """The folders that the operator has opened to analysis."""

    paths: tuple[Path, ...]

    def locate(self, workspace: str) -> Path:
        """The real folder of a workspace. Raises `WorkspaceNotFound`, also when a link leads out."""
        for root in self.paths:
            folder = _real(root / workspace)
            if folder.is_relative_to(_real(root)) and os.path.isdir(folder):
                return folder
        raise WorkspaceNotFound

    def repository_of(self, folder: Path) -> Repository | None:
        """The repository that `folder` is in, found upwards within its root; None when there is none.

        Raises `HistoryOutsideRoots` when its objects, or those that it borrows, are not under a root, and
        `WorkspaceUnreadable` when what git keeps there cannot be read.
        """
        for top in (folder, *folder.parents):
            if not self._holds(top):
                return None
            if os.path.exists(top / ".git"):
                return self._repository(top)
        return None

    def _repository(self, top: Path) -> Repository:
        git_dir = self._follow(top / ".git", "gitdir:")
        shared = git_dir / "commondir"
        common = self._follow(shared, "") if os.path.exists(shared) else git_dir
        objects = _real(common / "objects")
        used = (objects, *stores(objects, self._text))
        # git reads lists of stores line by line, so it would take a name with a line break for two stores.
        is_plain = not any("\n" in str(store) for store in used)
        if not is_plain or not all(map(self._holds, (git_dir, common, *used))):
            raise HistoryOutsideRoots
        return Repository(git_dir, objects, top)

    def _holds(self, path: Path) -> bool:
        return any(path.is_relative_to(_real(root)) for root in self.paths)

    def _follow(self, pointer: Path, prefix: str) -> Path:
        """What a worktree's `.git`, or its `commondir`, points at; a folder is itself."""
        if os.path.isdir(pointer):
            return _real(pointer)
        return _real(pointer.parent / self._text(pointer).removeprefix(prefix).strip())

    def _text(self, pointer: Path) -> str:
        """A small file of git's.

        Raises `HistoryOutsideRoots` for a link that leads out, a pipe, a device or what git never writes.
        """
        real = _real(pointer)
        if not self._holds(real) or not os.path.isfile(real) or real.stat().st_size > MAX_POINTER_BYTES:
            raise HistoryOutsideRoots
        try:
            text = _read(real)
        except OSError:
            raise WorkspaceUnreadable("What git keeps in the workspace cannot be read.") from None
        if "\0" in text:
            raise HistoryOutsideRoots
        return text


def _read(path: Path) -> str:
    return path.read_text("utf-8", errors="surrogateescape")


def stores(objects: Path, read: Callable[[Path], str] = _read) -> list[Path]:
    """The stores that `objects` borrows from, at any remove, each once (gitrepository-layout(5)).

    Raises `HistoryOutsideRoots` for more than 100, and for one in quotes: git reads escapes in them, and we
    need not.
    """
    found = [objects]
    for store in found:
        alternates = store / "info" / "alternates"
        lines = read(alternates).split("\n") if os.path.exists(alternates) else []
        if any(line.startswith('"') for line in lines):
            raise HistoryOutsideRoots
        borrowed = (_real(store / line) for line in lines if line and not line.startswith("#"))
        found.extend(path for path in borrowed if path not in found)
        if len(found) > MAX_STORES:
            raise HistoryOutsideRoots
    return found[1:]


def _real(path: Path) -> Path:
    """Without links. A circle of them, or a name that is too long, stays as it is and names no file."""
    return Path(os.path.realpath(path))
