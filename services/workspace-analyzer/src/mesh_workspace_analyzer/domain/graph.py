"""A workspace as its tool describes it: projects, and which of them needs which."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest

import msgspec

from mesh_workspace_analyzer.domain.constraints import NO_BOUNDARIES, Boundaries
from mesh_workspace_analyzer.domain.digraph import condense, inverse, reach
from mesh_workspace_analyzer.domain.targets import Target

BUILD = "build"
MOST_HOTSPOTS = 10


class DependencyKind(StrEnum):
    """How a dependency is known: by an import, by a lazy import, or because the configuration says so."""

    STATIC = "static"
    DYNAMIC = "dynamic"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project; `root` is its folder relative to the workspace, `.` for the workspace itself."""

    name: str
    root: str
    kind: str = "lib"
    """`app`, `lib` or `e2e`, as Nx has it."""
    tags: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    workspace_inputs: tuple[str, ...] = ()
    """Globs of files outside of it that its targets read (Nx: `{workspaceRoot}/…`)."""

    @property
    def builds(self) -> bool:
        """True when it has a target named `build`."""
        return any(target.name == BUILD for target in self.targets)


@dataclass(frozen=True, slots=True)
class Dependency:
    """`source` needs `target`."""

    source: str
    target: str
    kind: DependencyKind = DependencyKind.STATIC


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectGraph:
    """Projects in the order of their names, and their dependencies in the order of source and target.

    Every name in a dependency is the name of a project.
    """

    projects: tuple[Project, ...]
    tool: str = "nx"
    """Whose projects these are."""
    dependencies: tuple[Dependency, ...] = ()
    global_files: tuple[str, ...] = ()
    """Globs of files whose change affects every project."""
    boundaries: Boundaries = NO_BOUNDARIES
    """What the workspace itself forbids."""
    gaps: tuple[str, ...] = ()
    """What the reader of the workspace could not know, one sentence each."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all projects, in order."""
        return tuple(project.name for project in self.projects)

    def fingerprint(self) -> str:
        """SHA-256 in hex; equal graphs have equal fingerprints."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def dependents(graph: ProjectGraph) -> Mapping[str, list[Dependency]]:
    """The dependencies by their target: who is affected when it changes."""
    by_target: dict[str, list[Dependency]] = defaultdict(list)
    for dependency in graph.dependencies:
        by_target[dependency.target].append(dependency)
    return by_target


def cycles(graph: ProjectGraph) -> list[tuple[str, ...]]:
    """The groups of projects that need each other in a circle, in order; Nx cannot run their tasks."""
    names = graph.names
    groups = condense(needs(graph)).groups
    return sorted(tuple(sorted(names[at] for at in group)) for group in groups if len(group) > 1)


def blast_radius(graph: ProjectGraph) -> dict[str, int]:
    """How many projects are affected when this one changes, itself included."""
    return dict(zip(graph.names, reach(needs(graph)), strict=True))


@dataclass(frozen=True, slots=True)
class Hotspot:
    """A project that much of a workspace goes through: who is affected when it changes, and what affects it.

    Both count projects at any remove without itself. Their product is how many pairs are connected over it.
    """

    project: str
    dependents: int
    dependencies: int


def hotspots(graph: ProjectGraph) -> tuple[Hotspot, ...]:
    """The ten projects with the largest product; none with a product of 0."""
    up, down = blast_radius(graph), reach(inverse(needs(graph)))
    found = (Hotspot(n, up[n] - 1, d - 1) for n, d in zip(graph.names, down, strict=True))
    weighed = ((-spot.dependents * spot.dependencies, spot.project, spot) for spot in found)
    return tuple(spot for product, _, spot in nsmallest(MOST_HOTSPOTS, weighed) if product)


def needs(graph: ProjectGraph) -> list[list[int]]:
    """By the position of each project, the positions of those that it needs."""
    places = {name: at for at, name in enumerate(graph.names)}
    found: list[list[int]] = [[] for _ in graph.projects]
    for dependency in graph.dependencies:
        found[places[dependency.source]].append(places[dependency.target])
    return found
