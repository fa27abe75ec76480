"""One analysis: what was compared, and what follows from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from mesh_workspace_analyzer.domain.advice import Recommendation, recommend
from mesh_workspace_analyzer.domain.affected import Affected, Change, all_affected, find_affected
from mesh_workspace_analyzer.domain.boundaries import Violation, violations
from mesh_workspace_analyzer.domain.constraints import NO_BOUNDARIES, Boundaries, Constraint
from mesh_workspace_analyzer.domain.cost import CostImpact, Pipeline, cost_impact
from mesh_workspace_analyzer.domain.critical import CriticalPath, critical_path
from mesh_workspace_analyzer.domain.cuts import Circle, circles
from mesh_workspace_analyzer.domain.graph import Hotspot, ProjectGraph, hotspots
from mesh_workspace_analyzer.domain.history import History, Run, summarize
from mesh_workspace_analyzer.domain.tasks import derive


class Mode(StrEnum):
    """Who reads: `static` the files alone; `nx-core` our own Nx, in a copy without the workspace's plugins.

    In neither does any code of the workspace run. `nx-full` is the workspace's Nx with its plugins, in a
    sandbox.
    """

    STATIC = "static"
    NX_CORE = "nx-core"
    NX_FULL = "nx-full"


ARCHIVE = "archive://"
"""Stands before the name of a workspace that came as an archive."""
TOO_MANY_WAITS = "The tasks wait for each other in too many ways: some are left out of the critical path."


class AffectedStatus(StrEnum):
    """Whether the affected projects are known, or all of them were taken because the change is not."""

    EXACT = "exact"
    FALLBACK_ALL = "fallback_all"


class Fidelity(StrEnum):
    """Whether the graph is what the tool itself would see; `partial`: the warnings say what is missing."""

    COMPLETE = "complete"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Revision:
    """A name as the caller gave it and the commit behind it, None where git knows none."""

    ref: str
    sha: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What stands in a workspace, and how it got there from `base`."""

    workspace: str
    base: Revision
    head: Revision
    tree: str
    """Equal for equal contents, whatever the commits."""
    changes: tuple[Change, ...] | None
    """None when nobody can tell."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The stored answer. Durations are wall-clock milliseconds of this service, not of builds."""

    id: UUID
    workspace: str
    base: Revision
    head: Revision
    projects: int
    affected: tuple[Affected, ...]
    status: AffectedStatus
    critical_path: CriticalPath
    circles: tuple[Circle, ...]
    hotspots: tuple[Hotspot, ...]
    boundaries: Boundaries = NO_BOUNDARIES
    """What the violations are of: what a caller named, or the workspace's own."""
    violations: tuple[Violation, ...]
    history: History
    recommendations: tuple[Recommendation, ...]
    cost: CostImpact
    warnings: tuple[str, ...]
    graph_hash: str
    duration_ms: int
    tool_versions: dict[str, str]
    created_at: datetime
    mode: Mode = Mode.STATIC
    fidelity: Fidelity
    tool: str
    """Whose workspace it is: `nx`, `turbo`, `cargo` and so on."""

    @property
    def text(self) -> str:
        """The sentence that users of the first system know; its wording is part of the interface."""
        return (
            f"Workspace analysis complete. Found {self.projects} projects, "
            f"{len(self.affected)} affected by recent changes."
        )

    @property
    def affected_names(self) -> list[str]:
        """The affected projects, in order."""
        return [affected.project for affected in self.affected]


def conclude(
    graph: ProjectGraph,
    comparison: Comparison,
    *,
    id: UUID,
    mode: Mode = Mode.STATIC,
    tool_versions: dict[str, str],
    duration_ms: int,
    created_at: datetime,
    runs: Iterable[Run] = (),
    gaps: tuple[str, ...] = (),
    pipeline: Pipeline | None = None,
    constraints: Sequence[Constraint] = (),
) -> Analysis:
    """Everything that follows from the graph of the head, the changes since the base, and former runs."""
    is_exact = comparison.changes is not None
    affected = all_affected(graph) if comparison.changes is None else find_affected(graph, comparison.changes)
    known = {f"{project.name}:{target.name}" for project in graph.projects for target in project.targets}
    history = summarize(run for run in runs if run.task in known)
    tasks = derive(graph)
    path = critical_path(tasks, history.measured)
    around = circles(graph)
    boundaries = Boundaries(tuple(constraints)) if constraints else graph.boundaries
    return Analysis(
        id=id,
        workspace=comparison.workspace,
        base=comparison.base,
        head=comparison.head,
        projects=len(graph.projects),
        affected=affected,
        status=AffectedStatus.EXACT if is_exact else AffectedStatus.FALLBACK_ALL,
        critical_path=path,
        history=history,
        circles=around,
        hotspots=hotspots(graph),
        boundaries=boundaries,
        violations=violations(graph, boundaries.constraints),
        recommendations=recommend(graph, path, history, around),
        cost=cost_impact(
            graph,
            tasks,
            [found.project for found in affected],
            is_exact=is_exact,
            history=history,
            pipeline=pipeline,
        ),
        warnings=(*comparison.warnings, *graph.gaps, *gaps, *([] if tasks.is_whole else [TOO_MANY_WAITS])),
        graph_hash=graph.fingerprint(),
        duration_ms=duration_ms,
        tool_versions=tool_versions,
        created_at=created_at,
        mode=mode,
        fidelity=Fidelity.PARTIAL if graph.gaps else Fidelity.COMPLETE,
        tool=graph.tool,
    )
