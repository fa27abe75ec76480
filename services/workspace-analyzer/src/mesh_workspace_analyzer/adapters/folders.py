"""Where workspaces are: folders under configured roots, never beyond them."""

import os
from dataclasses import dataclass
from pathlib import Path

from mesh_workspace_analyzer.errors import HistoryOutsideRoots, WorkspaceNotFound


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
            folder = (root / workspace).resolve()
            if folder.is_relative_to(root.resolve()) and os.path.isdir(folder):
                return folder
        raise WorkspaceNotFound

    def repository_of(self, folder: Path) -> Repository | None:
        """The repository that `folder` is in, found upwards within its root; None when there is none.

        Raises `HistoryOutsideRoots` when its objects, or those that it borrows, are not under a root.
        """
        for top in (folder, *folder.parents):
            if not self._holds(top):
                return None
            if (top / ".git").exists():
                return self._repository(top)
        return None

    def _repository(self, top: Path) -> Repository:
        git_dir = _follow(top / ".git", "gitdir:")
        common = _follow(git_dir / "commondir", "") if (git_dir / "commondir").is_file() else git_dir
        objects = (common / "objects").resolve()
        if not all(map(self._holds, (git_dir.resolve(), common.resolve(), *_with_borrowed(objects)))):
            raise HistoryOutsideRoots
        return Repository(git_dir.resolve(), objects, top)

    def _holds(self, path: Path) -> bool:
        return any(path.is_relative_to(root.resolve()) for root in self.paths)


def _follow(pointer: Path, prefix: str) -> Path:
    """What a worktree's `.git`, or its `commondir`, points at; a folder is itself."""
    if pointer.is_dir():
        return pointer
    target = pointer.read_text(errors="replace").removeprefix(prefix).strip()
    return (pointer.parent / target).resolve()


def _with_borrowed(objects: Path) -> list[Path]:
    """`objects` and every store that it borrows from, at any remove (gitrepository-layout(5), alternates)."""
    found = [objects]
    for store in found:
        alternates = store / "info" / "alternates"
        lines = alternates.read_text(errors="replace").splitlines() if alternates.is_file() else []
        borrowed = ((store / line).resolve() for line in lines if line and not line.startswith("#"))
        found.extend(path for path in borrowed if path not in found)
    return found
