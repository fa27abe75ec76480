"""Files that Nx does not see: what `.gitignore` and `.nxignore` name, in their folder and below.

Source: gitignore(5). No pattern, however hostile, takes longer than its length times that of a path.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mesh_workspace_analyzer.adapters.static.tree import folder_of
from mesh_workspace_analyzer.domain.globs import fits, names

NAMES = (".gitignore", ".nxignore")


@dataclass(frozen=True, slots=True)
class _Rule:
    glob: str
    names_again: bool
    folders_only: bool

    def fits(self, path: str, *, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        if "/" in self.glob:
            return fits(self.glob.removeprefix("/"), path)
        return names(self.glob, path.rpartition("/")[2])


@dataclass(slots=True)
class _Ignored:
    rules: list[_Rule]
    folders: dict[str, bool] = field(default_factory=lambda: {"": False})

    def has(self, path: str) -> bool:
        """What is in a folder that is ignored cannot be named again."""
        return self._has_folder(path.rpartition("/")[0]) or self._is_named(path, is_folder=False)

    def _has_folder(self, path: str) -> bool:
        if path not in self.folders:
            above = self._has_folder(path.rpartition("/")[0])
            self.folders[path] = above or self._is_named(path, is_folder=True)
        return self.folders[path]

    def _is_named(self, path: str, *, is_folder: bool) -> bool:
        fitting = (rule for rule in reversed(self.rules) if rule.fits(path, is_folder=is_folder))
        return not next(fitting, _Rule("", names_again=True, folders_only=False)).names_again


def visible(paths: Iterable[str], texts: Mapping[str, str]) -> frozenset[str]:
    """The paths that no ignore file among the texts names."""
    left = frozenset(paths)
    for path in sorted(path for path in texts if path.rpartition("/")[2] in NAMES):
        folder = folder_of(path)
        before = "" if folder == "." else f"{folder}/"
        ignored = _Ignored([_rule(line.rstrip()) for line in texts[path].splitlines() if _says(line)])
        left -= {name for name in left if name.startswith(before) and ignored.has(name[len(before) :])}
    return left


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _rule(line: str) -> _Rule:
    glob = line.removeprefix("!").removeprefix("\\").replace("[!", "[^").replace("[^", "[!")
    return _Rule(glob.rstrip("/"), names_again=line.startswith("!"), folders_only=glob.endswith("/"))
