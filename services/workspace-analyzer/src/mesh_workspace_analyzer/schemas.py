"""The public wire models. The names in camelCase are the ones that users of the first system know."""

from typing import Annotated, Any, Self

from mesh_shared.wire import Timestamp, Uuid, WireModel
from pydantic import Field, StringConstraints

from mesh_workspace_analyzer.domain.advice import Recommendation, Severity
from mesh_workspace_analyzer.domain.affected import Affected, Reason
from mesh_workspace_analyzer.domain.analysis import AffectedStatus, Analysis, Fidelity, Revision
from mesh_workspace_analyzer.domain.build import Build, BuildStatus
from mesh_workspace_analyzer.domain.cost import CostImpact
from mesh_workspace_analyzer.domain.critical import Basis, CriticalPath, TimedTask, Unit
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind
from mesh_workspace_analyzer.domain.history import Run
from mesh_workspace_analyzer.domain.run_files import RunFile
from mesh_workspace_analyzer.repository import AnalysisRow

MOST_RUN_FILES = 50
MOST_DURATIONS = 10_000
MAX_DURATION_MS = 7 * 24 * 3_600_000

_SEGMENT = r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,59}"

Workspace = Annotated[
    str,
    StringConstraints(max_length=512, pattern=rf"^(\.|{_SEGMENT}(/{_SEGMENT}){{0,15}})$"),
    Field(
        description="Folder of an Nx workspace, relative to one of the configured roots; `.` for a root "
        "itself. No other part of it starts with a dot.",
        examples=["storefront"],
    ),
]
Ref = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9._/][A-Za-z0-9._/-]*$"),
    Field(description="Branch, tag or commit."),
]


class Duration(WireModel):
    task: str = Field(max_length=300, examples=["web:build"])
    durationMs: int = Field(ge=0, le=MAX_DURATION_MS, examples=[8400])


class AnalysisRequest(WireModel):
    workspace: Workspace
    base: Annotated[Ref, Field(examples=["main"])] = "main"
    head: Annotated[Ref, Field(examples=["HEAD"])] = "HEAD"

    runs: Annotated[list[RunFile], Field(max_length=MOST_RUN_FILES)] = Field(
        default=[],
        description="Nx's `run.json` and Turborepo's summaries, as they stand.",
    )
    durations: Annotated[list[Duration], Field(max_length=MOST_DURATIONS)] = Field(
        default=[], description="How long tasks took when they really ran, once for each run."
    )

    def former_runs(self) -> tuple[Run, ...]:
        """All runs that the request tells of."""
        told = (Run(task=one.task, duration_ms=one.durationMs) for one in self.durations)
        return (*told, *(run for file in self.runs for run in file.runs()))


class RevisionView(WireModel):
    ref: str = Field(examples=["main"])
    sha: str | None = Field(description="The commit; null when git knows none.")

    @classmethod
    def of(cls, revision: Revision) -> Self:
        return cls(ref=revision.ref, sha=revision.sha)


class EdgeView(WireModel):
    source: str = Field(description="Needs `target`.")
    target: str
    kind: DependencyKind

    @classmethod
    def of(cls, dependency: Dependency) -> Self:
        return cls(source=dependency.source, target=dependency.target, kind=dependency.kind)


class AffectedView(WireModel):
    project: str
    reason: Reason
    files: list[str] = Field(description="The changed files that it starts from, 100 at most.")
    via: list[EdgeView] = Field(description="From this project to the one whose files changed.")

    @classmethod
    def of(cls, affected: Affected) -> Self:
        via = [EdgeView.of(dependency) for dependency in affected.via]
        return cls(project=affected.project, reason=affected.reason, files=list(affected.files), via=via)


class TaskView(WireModel):
    id: str = Field(examples=["web:build"])
    project: str
    durationMs: int | None = Field(description="The median; null when nothing was measured.")
    p90Ms: int | None
    source: Basis = Field(description="`estimate`: the median of the tasks that were measured.")
    samples: int = Field(ge=0)
    slackMs: int | None = Field(description="How much longer it may take without delaying the end of all.")

    @classmethod
    def of(cls, task: TimedTask, unit: Unit) -> Self:
        is_timed = unit is Unit.MS
        return cls(
            id=task.id,
            project=task.project,
            durationMs=task.length if is_timed else None,
            p90Ms=task.p90_ms,
            source=task.basis,
            samples=task.samples,
            slackMs=task.slack if is_timed else None,
        )


class CriticalPathView(WireModel):
    """The builds that decide how long all of them take; without measured durations, their number."""

    unit: Unit
    tasks: list[TaskView] = Field(description="In their order.")
    length: int = Field(ge=0, description="How many tasks.")
    near: list[TaskView] = Field(description="Tasks beside the path with the least slack, 10 at most.")
    totalMs: int | None = Field(description="No number of workers is faster; null without durations.")
    makespanMs: dict[str, int] = Field(description="How long so many workers take; empty without durations.")
    lowerBoundMs: dict[str, int] = Field(
        description="The longer of the path and an equal share of all work, by workers."
    )
    coverage: float = Field(ge=0, le=1, description="The share of tasks whose duration was measured.")

    @classmethod
    def of(cls, path: CriticalPath) -> Self:
        spans = path.makespans if path.unit is Unit.MS else ()
        return cls(
            unit=path.unit,
            tasks=[TaskView.of(task, path.unit) for task in path.tasks],
            length=len(path.tasks),
            near=[TaskView.of(task, path.unit) for task in path.near],
            totalMs=path.total if path.unit is Unit.MS else None,
            makespanMs={str(span.workers): span.length for span in spans},
            lowerBoundMs={str(span.workers): span.lower_bound for span in spans},
            coverage=path.coverage,
        )


class EvidenceView(WireModel):
    projects: list[str]
    count: int = Field(ge=0)
    of: int = Field(ge=0, description="`count` of how many.")


class RecommendationView(WireModel):
    rule: str = Field(examples=["hub"])
    severity: Severity
    title: str
    evidence: EvidenceView
    action: str

    @classmethod
    def of(cls, found: Recommendation) -> Self:
        evidence = EvidenceView(
            projects=list(found.evidence.projects), count=found.evidence.count, of=found.evidence.of
        )
        return cls(
            rule=found.rule,
            severity=found.severity,
            title=found.title,
            evidence=evidence,
            action=found.action,
        )


class CostImpactView(WireModel):
    """What need not be built. `currency` and `avoided` stay null until durations and rates are known."""

    projectsSkippedPct: int = Field(ge=0, le=100, description="Percent of the projects; no money.")
    method: str = Field(examples=["project-count"])
    assumptions: list[str]
    currency: None = None
    avoided: None = None

    @classmethod
    def of(cls, cost: CostImpact) -> Self:
        return cls(
            projectsSkippedPct=cost.skipped_pct, method=cost.method, assumptions=list(cost.assumptions)
        )


class WorkspaceResult(WireModel):
    """The six names of ANALYZE_WORKSPACE."""

    workspaceRoot: str = Field(description="The workspace, as the request named it.", examples=["storefront"])
    totalProjects: int = Field(ge=0)
    affectedProjects: list[str] = Field(description="In order.")
    criticalPath: CriticalPathView
    recommendations: list[RecommendationView]
    costImpact: CostImpactView

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        return cls(**_result(analysis))


class AnalysisView(WorkspaceResult):
    """The six names, and beside them how the answer was found."""

    id: Uuid
    text: str
    affectedStatus: AffectedStatus = Field(
        description="`fallback_all`: what changed is not known; all projects are taken and nothing is saved."
    )
    warnings: list[str]
    base: RevisionView = Field(description="`sha` is what the head was compared with: their merge base.")
    head: RevisionView
    analysisMode: str = Field(examples=["nx-core"])
    fidelity: Fidelity = Field(description="`partial`: the workspace has more than was read; see `warnings`.")
    affectedDetail: list[AffectedView]
    graphHash: str = Field(description="Equal for equal graphs.")
    durationMs: int = Field(ge=0, description="How long the analysis took.")
    tool_versions: dict[str, str]
    created_at: Timestamp

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        return cls(
            **_result(analysis),
            id=analysis.id,
            text=analysis.text,
            affectedStatus=analysis.status,
            warnings=list(analysis.warnings),
            base=RevisionView.of(analysis.base),
            head=RevisionView.of(analysis.head),
            analysisMode=analysis.mode,
            fidelity=analysis.fidelity,
            affectedDetail=[AffectedView.of(affected) for affected in analysis.affected],
            graphHash=analysis.graph_hash,
            durationMs=analysis.duration_ms,
            tool_versions=analysis.tool_versions,
            created_at=analysis.created_at,
        )


def _result(analysis: Analysis) -> dict[str, Any]:
    return {
        "workspaceRoot": analysis.workspace,
        "totalProjects": analysis.projects,
        "affectedProjects": analysis.affected_names,
        "criticalPath": CriticalPathView.of(analysis.critical_path),
        "recommendations": [RecommendationView.of(found) for found in analysis.recommendations],
        "costImpact": CostImpactView.of(analysis.cost),
    }


class AnalysisSummary(WireModel):
    id: Uuid
    workspaceRoot: str
    totalProjects: int
    affectedProjects: int = Field(description="How many; the analysis itself names them.")
    affectedStatus: AffectedStatus
    created_at: Timestamp

    @classmethod
    def of(cls, row: AnalysisRow) -> Self:
        return cls(
            id=row.id,
            workspaceRoot=row.workspace,
            totalProjects=row.projects,
            affectedProjects=row.affected,
            affectedStatus=AffectedStatus(row.status),
            created_at=row.created_at,
        )


class BuildView(WireModel):
    id: Uuid
    analysis_id: Uuid
    status: BuildStatus
    success: bool | None = Field(description="Null while it is open.")
    duration: float | None = Field(description="Seconds; null while it is open, or when nobody saw its end.")
    log_tail: str = Field(description="The end of what it wrote.")

    @classmethod
    def of(cls, build: Build) -> Self:
        return cls(
            id=build.id,
            analysis_id=build.analysis_id,
            status=build.status,
            success=build.success,
            duration=build.duration_s,
            log_tail=build.log_tail,
        )
