"""Which project may depend on which, by their tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mesh_workspace_analyzer.domain.graph import Dependency, Project, ProjectGraph

MOST_VIOLATIONS = 100


@dataclass(frozen=True, slots=True)
class Constraint:
    """Projects with all of the tags `sources` may only depend on projects with one of `only`, if there are
    any, and on none with one of `never`. Tags may be globs; `*` is every project, also one without tags.

    Source: `depConstraints` of Nx's ESLint rule `enforce-module-boundaries`, which looks for
    `notDependOnLibsWithTags` at any remove; here it is about direct dependencies.
    """

    sources: tuple[str, ...]
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """A dependency that constraint number `constraint` forbids, counted from 0."""

    dependency: Dependency
    constraint: int


def violations(graph: ProjectGraph, constraints: Sequence[Constraint]) -> tuple[Violation, ...]:
    """The first 100, in the order of the dependencies."""
    projects = {project.name: project for project in graph.projects}
    found: list[Violation] = []
    for dependency in graph.dependencies:
        source, target = projects[dependency.source], projects[dependency.target]
        for number, constraint in enumerate(constraints):
            if _concerns(constraint, source) and not _allows(constraint, target):
                found.append(Violation(dependency, number))
        if len(found) >= MOST_VIOLATIONS:
            break
    return tuple(found[:MOST_VIOLATIONS])


def _concerns(constraint: Constraint, source: Project) -> bool:
    return all(_has(source, tag) for tag in constraint.sources)


def _allows(constraint: Constraint, target: Project) -> bool:
    if any(_has(target, tag) for tag in constraint.never):
        return False
    return not constraint.only or any(_has(target, tag) for tag in constraint.only)


def _has(project: Project, tag: str) -> bool:
    return tag == "*" or any(fnmatchcase(own, tag) for own in project.tags)
