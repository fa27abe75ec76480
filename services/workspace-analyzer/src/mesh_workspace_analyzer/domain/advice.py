"""What could be better in a workspace: advice with what was found, and without invented gains."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mesh_workspace_analyzer.domain.critical import CriticalPath
from mesh_workspace_analyzer.domain.graph import (
    BUILD,
    ProjectGraph,
    blast_radius,
    cycles,
)

MOST_HUBS = 5
FEWEST_PROJECTS = 4
"""With fewer projects, half of them is no news."""
SHORTEST_CHAIN = 3
"""A chain of fewer builds is no chain worth a word."""


class Severity(StrEnum):
    """`error`: something cannot work; `warning`: every change pays for it; `info`: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found: the projects, and that they are `count` of `of`, in the unit that the title names."""

    projects: tuple[str, ...]
    count: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One finding of a rule and what to do about it."""

    rule: str
    severity: Severity
    title: str
    evidence: Evidence
    action: str


def recommend(graph: ProjectGraph, path: CriticalPath) -> tuple[Recommendation, ...]:
    """What the rules find, worst first: cycles, hubs, the longest chain, projects without a build."""
    return (*_cycles(graph), *_hubs(graph), *_longest_chain(path), *_unbuilt(graph))


def _cycles(graph: ProjectGraph) -> Iterator[Recommendation]:
    for cycle in cycles(graph):
        yield Recommendation(
            rule="cycle",
            severity=Severity.ERROR,
            title=f"{len(cycle)} projects need each other in a circle",
            evidence=Evidence(cycle, len(cycle), len(graph.projects)),
            action="Move what they share into a project that needs none of them: Nx cannot build a circle.",
        )


def _hubs(graph: ProjectGraph) -> Iterator[Recommendation]:
    total = len(graph.projects)
    radius = blast_radius(graph)
    hubs = sorted(
        (name for name in radius if 2 * radius[name] > total >= FEWEST_PROJECTS),
        key=lambda n: (-radius[n], n),
    )
    for name in hubs[:MOST_HUBS]:
        yield Recommendation(
            rule="hub",
            severity=Severity.WARNING,
            title=f"A change in {name} affects {radius[name]} of {total} projects",
            evidence=Evidence((name,), radius[name], total),
            action="Split off what changes often, so that its changes reach only the projects that use it.",
        )


def _longest_chain(path: CriticalPath) -> Iterator[Recommendation]:
    chain = tuple(dict.fromkeys(task.project for task in path.tasks))
    if len(chain) >= SHORTEST_CHAIN and 2 * len(chain) > path.count:
        yield Recommendation(
            rule="longest-chain",
            severity=Severity.INFO,
            title=f"{len(chain)} of {path.count} builds wait for each other in a row",
            evidence=Evidence(chain, len(chain), path.count),
            action="More workers cannot shorten this chain; fewer links can.",
        )


def _unbuilt(graph: ProjectGraph) -> Iterator[Recommendation]:
    candidates = [project for project in graph.projects if project.kind != "e2e"]
    unbuilt = tuple(project.name for project in candidates if not project.builds)
    if unbuilt and len(unbuilt) < len(candidates):
        yield Recommendation(
            rule="missing-build-target",
            severity=Severity.INFO,
            title=f"{len(unbuilt)} of {len(candidates)} apps and libraries have no {BUILD} target",
            evidence=Evidence(unbuilt, len(unbuilt), len(candidates)),
            action=f"Add a {BUILD} target where building what is affected should notice a broken change.",
        )
