"""A workspace as its tool describes it: projects, and which of them needs which."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from graphlib import TopologicalSorter

import rustworkx as rx

from mesh_workspace_analyzer.domain.targets import Target

BUILD = "build"

Component = tuple[str, ...]
"""Names of projects that all need each other, in order; most often one."""


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
    gaps: tuple[str, ...] = ()
    """What the reader of the workspace could not know, one sentence each."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all projects, in order."""
        return tuple(project.name for project in self.projects)

    def fingerprint(self) -> str:
        """SHA-256 in hex; equal graphs have equal fingerprints."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def dependents(graph: ProjectGraph) -> Mapping[str, list[Dependency]]:
    """The dependencies by their target: who is affected when it changes."""
    by_target: dict[str, list[Dependency]] = defaultdict(list)
    for dependency in graph.dependencies:
        by_target[dependency.target].append(dependency)
    return by_target


def components(graph: ProjectGraph) -> list[Component]:
    """The strongly connected components: one project each, or several that need each other in a circle."""
    digraph = rx.PyDiGraph[str, None]()
    index = dict(zip(graph.names, digraph.add_nodes_from(graph.names), strict=True))
    digraph.add_edges_from_no_data([(index[d.source], index[d.target]) for d in graph.dependencies])
    found = rx.strongly_connected_components(digraph)
    return sorted(tuple(sorted(digraph[node] for node in nodes)) for nodes in found)


def cycles(graph: ProjectGraph) -> list[Component]:
    """The groups of projects that need each other in a circle, in order; Nx cannot run their tasks."""
    return [component for component in components(graph) if len(component) > 1]


def longest_build_chain(graph: ProjectGraph) -> tuple[str, ...]:
    """The projects of the longest chain in which each build waits for the one before it.

    Projects without a build take no place in it but pass the waiting on, as Nx's `^build` does. A cycle
    counts as one link with all its projects. Among equally long chains the first by name wins.
    """
    building = {project.name for project in graph.projects if project.builds}
    chains: dict[Component, tuple[str, ...]] = {}
    for component, needed in _in_order(graph):
        own = tuple(name for name in component if name in building)
        chains[component] = _longest(chains[other] for other in needed) + own
    return _longest(chains.values())


def blast_radius(graph: ProjectGraph) -> dict[str, int]:
    """How many projects are affected when this one changes, itself included."""
    # One bit per project: the union of two sets of ten thousand projects is one instruction of big integers.
    reached: dict[Component, int] = defaultdict(int)
    bits = {name: 1 << position for position, name in enumerate(graph.names)}
    for component, needed in reversed(_in_order(graph)):
        reached[component] |= sum(bits[name] for name in component)
        for other in needed:
            reached[other] |= reached[component]
    return {name: mask.bit_count() for component, mask in reached.items() for name in component}


def _in_order(graph: ProjectGraph) -> list[tuple[Component, set[Component]]]:
    """Every component with those that it needs, after all that it needs."""
    home = {name: component for component in components(graph) for name in component}
    needs: dict[Component, set[Component]] = {component: set() for component in home.values()}
    for dependency in graph.dependencies:
        source, target = home[dependency.source], home[dependency.target]
        if source is not target:
            needs[source].add(target)
    return [(component, needs[component]) for component in TopologicalSorter(needs).static_order()]


def _longest(chains: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return min(chains, key=lambda chain: (-len(chain), chain), default=())
