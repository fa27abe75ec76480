"""Which dependencies are forbidden by the tags of projects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from mesh_workspace_analyzer.domain.constraints import Constraint, has
from mesh_workspace_analyzer.domain.graph import Dependency, ProjectGraph, dependents

MOST_VIOLATIONS = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """A dependency that constraint number `constraint` forbids, counted from 0."""

    dependency: Dependency
    constraint: int


def violations(graph: ProjectGraph, constraints: Sequence[Constraint]) -> tuple[Violation, ...]:
    """The first 100, in the order of the dependencies. Raises `ValueError` for a tag that is no pattern."""
    sides = [_sides(graph, constraint) for constraint in constraints]
    found: list[Violation] = []
    for dependency in graph.dependencies:
        for number, (concerned, forbidden) in enumerate(sides):
            if dependency.source in concerned and dependency.target in forbidden:
                found.append(Violation(dependency, number))
        if len(found) >= MOST_VIOLATIONS:
            break
    return tuple(found[:MOST_VIOLATIONS])


def _sides(graph: ProjectGraph, constraint: Constraint) -> tuple[set[str], set[str]]:
    """The projects that a constraint is about, and those that they must not depend on."""
    concerned = {p.name for p in graph.projects if all(has(p.tags, tag) for tag in constraint.sources)}
    if constraint.only is None:
        allowed = set(graph.names)
    elif constraint.only:
        allowed = _with_one_of(graph, constraint.only)
    else:
        allowed = {project.name for project in graph.projects if not project.tags}
    banned = _needing(graph, _with_one_of(graph, constraint.never)) if constraint.never else set[str]()
    return concerned, set(graph.names) - allowed | banned


def _with_one_of(graph: ProjectGraph, tags: Iterable[str]) -> set[str]:
    return {project.name for project in graph.projects if any(has(project.tags, tag) for tag in tags)}


def _needing(graph: ProjectGraph, names: set[str]) -> set[str]:
    """These projects and all that need one of them, at any remove."""
    found, by_target = set[str](), dependents(graph)
    newest = names
    while newest:
        found |= newest
        newest = {d.source for d in chain.from_iterable(by_target.get(n, ()) for n in newest)} - found
    return found
