"""Why a project is affected: changed file → project → chain of dependencies.

The rules are those of `nx affected`, project by project (nx 24, `locate_touched_projects`), but for what Nx
looks into files for: packages in the root's `package.json` and lock files, paths in its tsconfig. Here any
change of them affects everything.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from mesh_workspace_analyzer.domain.globs import effort, matches
from mesh_workspace_analyzer.domain.graph import Dependency, ProjectGraph, dependents

PROJECT_FILES = frozenset({"project.json", "package.json", "moon.yml", "pyproject.toml", "Cargo.toml"})
MOST_FILES = 100
"""So many changed files are named for a project; thousands for each of thousands are no answer."""
LONGEST_WAY = 50
"""So much of a way is told; all of it for each project of a long chain is the square of the chain."""
MOST_STEPS = 50_000_000
"""When comparing globs with changes could take more, every glob counts as naming every change."""


class Reason(StrEnum):
    """Its own file changed; one that it reads elsewhere did; or a project that it needs is affected."""

    DIRECT = "direct"
    GLOBAL = "global"
    DEPENDENCY = "dependency"


@dataclass(frozen=True, slots=True)
class Change:
    """A file that differs between base and head; `path` is relative to the workspace, with `/`."""

    path: str
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Affected:
    """A project that a change reaches: the first 100 of the changed files that it starts from, and the way.

    `via` leads from the project towards the one that changed: its own dependency first, 50 at most of the
    `distance` that there are. Empty unless `reason` is `dependency`.
    """

    project: str
    reason: Reason
    files: tuple[str, ...]
    via: tuple[Dependency, ...] = ()
    distance: int = 0


def find_affected(graph: ProjectGraph, changes: Iterable[Change]) -> tuple[Affected, ...]:
    """The affected projects by name, each with a shortest way from a change."""
    found = _touched(graph, list(changes))
    needed_by = dependents(graph)
    waiting = deque(sorted(found))
    while waiting:
        reached = found[waiting.popleft()]
        for dependency in needed_by[reached.project]:
            if dependency.source not in found:
                found[dependency.source] = Affected(
                    dependency.source,
                    Reason.DEPENDENCY,
                    reached.files,
                    (dependency, *reached.via[: LONGEST_WAY - 1]),
                    reached.distance + 1,
                )
                waiting.append(dependency.source)
    return tuple(found[name] for name in sorted(found))


def all_affected(graph: ProjectGraph) -> tuple[Affected, ...]:
    """Every project, because nobody knows what changed."""
    return tuple(Affected(name, Reason.GLOBAL, ()) for name in graph.names)


def _touched(graph: ProjectGraph, changes: Sequence[Change]) -> dict[str, Affected]:
    """The projects that a change reaches without any dependency."""
    own: dict[str, list[str]] = defaultdict(list)
    by_root = {project.root.strip("/") or ".": project.name for project in graph.projects}
    for change in changes:
        if (owner := _owner(change.path, by_root)) is not None:
            own[owner].append(change.path)
    outside = _outside(graph, changes)
    return {name: Affected(name, Reason.GLOBAL, _first(outside[name])) for name in outside} | {
        name: Affected(name, Reason.DIRECT, _first(own[name])) for name in own
    }


def _outside(graph: ProjectGraph, changes: Sequence[Change]) -> dict[str, set[str]]:
    """The changed files that each project reads outside of itself; projects that read none are left out."""
    everywhere = set(_first(_everywhere(graph, changes)))
    matching = _matching({glob for p in graph.projects for glob in p.workspace_inputs}, changes)
    read = {
        p.name: everywhere.union(*(matching[glob] for glob in p.workspace_inputs)) for p in graph.projects
    }
    return {name: files for name, files in read.items() if files}


def _matching(globs: Set[str], changes: Sequence[Change]) -> dict[str, tuple[str, ...]]:
    paths = {change.path for change in changes}
    if sum(map(effort, globs)) * sum(path.count("/") + 1 for path in paths) > MOST_STEPS:
        return dict.fromkeys(globs, _first(paths))
    return {glob: _first(path for path in paths if matches(glob, path)) for glob in globs}


def _first(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(paths)[:MOST_FILES])


def _everywhere(graph: ProjectGraph, changes: Sequence[Change]) -> Iterator[str]:
    """The changes that affect every project.

    Those are of the workspace's own configuration, and deleted project files: the graph of the head no longer
    knows the project that one described.
    """
    for paths in _matching(set(graph.global_files), changes).values():
        yield from paths
    for change in changes:
        if change.is_deleted and PurePosixPath(change.path).name in PROJECT_FILES:
            yield change.path


def _owner(path: str, by_root: Mapping[str, str]) -> str | None:
    """The project whose folder holds `path`; the innermost when folders are nested."""
    folders = (str(folder) for folder in PurePosixPath(path).parents)
    return next((by_root[folder] for folder in folders if folder in by_root), None)
