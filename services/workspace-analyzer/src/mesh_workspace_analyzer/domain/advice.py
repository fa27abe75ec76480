"""What could be better in a workspace: advice with what was found, and without invented gains."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mesh_workspace_analyzer.domain.critical import CriticalPath
from mesh_workspace_analyzer.domain.cuts import Circle
from mesh_workspace_analyzer.domain.gains import Gain, gains
from mesh_workspace_analyzer.domain.graph import (
    BUILD,
    ProjectGraph,
    blast_radius,
)
from mesh_workspace_analyzer.domain.history import History
from mesh_workspace_analyzer.domain.whatif import Cut, EnableCache, Hire, Split

MOST_HUBS = 5
MOST_FLAKY = 20
MOST_CUTS = 10
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


@dataclass(frozen=True, slots=True)
class Estimate:
    """Milliseconds that a build of everything takes less when the action was taken; and how one knows."""

    saved_ms: int
    low_ms: int
    high_ms: int
    basis: str = "simulated with 3 workers on measured durations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One finding of a rule and what to do about it."""

    rule: str
    severity: Severity
    title: str
    evidence: Evidence
    action: str
    estimate: Estimate | None = None
    """None where nothing was simulated; never below a second, or a hundredth of a build."""


def recommend(
    graph: ProjectGraph, path: CriticalPath, history: History | None = None, found: Sequence[Circle] = ()
) -> tuple[Recommendation, ...]:
    """What the rules find, worst first: circles, flaky tasks, hubs; then gains, chains, missing builds."""
    history = history or History()
    return (
        *_circles(found, len(graph.projects)),
        *_flaky(history),
        *_hubs(graph),
        *map(_gain, gains(graph, path, history)),
        *_longest_chain(path),
        *_unbuilt(graph),
    )


def _circles(found: Sequence[Circle], total: int) -> Iterator[Recommendation]:
    for circle in found:
        cut = ", ".join(f"{d.source} > {d.target}" for d in circle.cut[:MOST_CUTS])
        yield Recommendation(
            rule="cycle",
            severity=Severity.ERROR,
            title=f"{len(circle.projects)} projects need each other in a circle",
            evidence=Evidence(circle.projects, len(circle.projects), total),
            action=f"Give up {cut}, or move what they share into a project that needs none of them: "
            "Nx cannot build a circle.",
        )


def _flaky(history: History) -> Iterator[Recommendation]:
    for flaky in history.flaky[:MOST_FLAKY]:
        yield Recommendation(
            rule="flaky-task",
            severity=Severity.WARNING,
            title=f"{flaky.task} failed {flaky.failures} of {flaky.runs} times on inputs that also succeeded",
            evidence=Evidence((flaky.task.rpartition(":")[0],), flaky.failures, flaky.runs),
            action="Find what it depends on beside its inputs; until then its failures say nothing.",
        )


def _gain(gain: Gain) -> Recommendation:
    seconds = f"{gain.saved_ms / 1000:.1f} of {gain.of_ms / 1000:.1f} s"
    task = gain.task
    match gain.change:
        case Split(id, parts):
            rule, action = "split-task", f"Split {id} into {parts} that can run at once."
        case EnableCache(id):
            rule, action = "enable-cache", f"Let {id} be cached: its inputs are the same as often as others'."
        case Hire(workers):
            rule, action = "more-workers", f"Run {workers} tasks at once."
        case Cut(source, target):
            rule, action = "cut-dependency", f"Give up {source} > {target}."
    return Recommendation(
        rule=rule,
        severity=Severity.INFO,
        title=f"{seconds} of a build would go",
        evidence=Evidence(() if task is None else (task.project,), gain.saved_ms, gain.of_ms),
        action=action,
        estimate=Estimate(gain.saved_ms, gain.low_ms, gain.high_ms),
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
