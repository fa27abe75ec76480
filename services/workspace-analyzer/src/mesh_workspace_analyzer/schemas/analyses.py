"""Analyses and builds, as they are told."""

from typing import Any, Self

from mesh_shared.wire import Timestamp, Uuid, WireModel
from pydantic import Field

from mesh_workspace_analyzer.domain.advice import MOST_FLAKY, Estimate, Recommendation, Severity
from mesh_workspace_analyzer.domain.affected import Affected, Reason
from mesh_workspace_analyzer.domain.analysis import AffectedStatus, Analysis, Fidelity, Mode, Revision
from mesh_workspace_analyzer.domain.boundaries import Violation
from mesh_workspace_analyzer.domain.build import Build, BuildStatus
from mesh_workspace_analyzer.domain.build_log import Piece
from mesh_workspace_analyzer.domain.constraints import Boundaries, Constraint
from mesh_workspace_analyzer.domain.cuts import Circle
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind, Hotspot
from mesh_workspace_analyzer.domain.history import History
from mesh_workspace_analyzer.repository import AnalysisRow
from mesh_workspace_analyzer.schemas.figures import CostImpactView, CriticalPathView


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


class CircleView(WireModel):
    projects: list[str] = Field(description="Each needs every other.")
    way: list[str] = Field(description="A shortest way around; the last needs the first.")
    cut: list[EdgeView] = Field(description="Without these there is no circle; none of them can be spared.")

    @classmethod
    def of(cls, circle: Circle) -> Self:
        return cls(
            projects=list(circle.projects),
            way=list(circle.way),
            cut=[EdgeView.of(edge) for edge in circle.cut],
        )


class HotspotView(WireModel):
    project: str
    dependents: int = Field(description="Projects that a change of it affects, beside itself.")
    dependencies: int = Field(description="Projects whose change affects it, beside itself.")

    @classmethod
    def of(cls, spot: Hotspot) -> Self:
        return cls(project=spot.project, dependents=spot.dependents, dependencies=spot.dependencies)


class ConstraintView(WireModel):
    sourceTags: list[str] = Field(description="Of projects that have all of them.")
    onlyDependOnLibsWithTags: list[str] | None = Field(description="Null for any.")
    notDependOnLibsWithTags: list[str]

    @classmethod
    def of(cls, constraint: Constraint) -> Self:
        return cls(
            sourceTags=list(constraint.sources),
            onlyDependOnLibsWithTags=None if constraint.only is None else list(constraint.only),
            notDependOnLibsWithTags=list(constraint.never),
        )


class BoundariesView(WireModel):
    depConstraints: list[ConstraintView]
    file: str | None = Field(description="The ESLint configuration that they are from, if they are from one.")

    @classmethod
    def of(cls, boundaries: Boundaries) -> Self:
        constraints = [ConstraintView.of(constraint) for constraint in boundaries.constraints]
        return cls(depConstraints=constraints, file=boundaries.file or None)


class ViolationView(WireModel):
    dependency: EdgeView
    constraint: int = Field(ge=0, description="Which of `boundaries.depConstraints`, counted from 0.")

    @classmethod
    def of(cls, violation: Violation) -> Self:
        return cls(dependency=EdgeView.of(violation.dependency), constraint=violation.constraint)


class FlakyView(WireModel):
    """A task that failed and succeeded on the very same inputs."""

    task: str
    failures: int
    runs: int


class CacheView(WireModel):
    """What former runs say of the cache."""

    runs: int = Field(ge=0, description="Those that did not fail.")
    hits: int = Field(ge=0)
    hitRate: float | None = Field(description="0 to 1; null without runs.")
    flaky: list[FlakyView] = Field(description="The first 20.")

    @classmethod
    def of(cls, history: History) -> Self:
        flaky = [FlakyView(task=f.task, failures=f.failures, runs=f.runs) for f in history.flaky[:MOST_FLAKY]]
        rate = round(history.hit_rate, 4) if history.runs else None
        return cls(runs=history.runs, hits=history.hits, hitRate=rate, flaky=flaky)


class AffectedView(WireModel):
    project: str
    reason: Reason
    files: list[str] = Field(description="The changed files that it starts from, 100 at most.")
    via: list[EdgeView] = Field(description="From this project to the one whose files changed, 50 at most.")
    distance: int = Field(ge=0, description="How many dependencies away that one is.")

    @classmethod
    def of(cls, affected: Affected) -> Self:
        via = [EdgeView.of(dependency) for dependency in affected.via]
        return cls(
            project=affected.project,
            reason=affected.reason,
            files=list(affected.files),
            via=via,
            distance=affected.distance,
        )


class EvidenceView(WireModel):
    projects: list[str]
    count: int = Field(ge=0)
    of: int = Field(ge=0, description="`count` of how many.")


class EstimateView(WireModel):
    savedMs: int = Field(description="Of a build of everything; a second and 1 % of it at least.")
    lowMs: int
    highMs: int
    basis: str

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        return cls(
            savedMs=estimate.saved_ms, lowMs=estimate.low_ms, highMs=estimate.high_ms, basis=estimate.basis
        )


class RecommendationView(WireModel):
    rule: str = Field(examples=["hub"])
    severity: Severity
    title: str
    evidence: EvidenceView
    action: str
    estimate: EstimateView | None = Field(description="Null where nothing was simulated.")

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
            estimate=None if found.estimate is None else EstimateView.of(found.estimate),
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
    analysisMode: Mode
    fidelity: Fidelity = Field(description="`partial`: the workspace has more than was read; see `warnings`.")
    tool: str = Field(description="Whose workspace it is.", examples=["nx", "turbo", "cargo"])
    affectedDetail: list[AffectedView]
    cycles: list[CircleView]
    hotspots: list[HotspotView] = Field(description="What most connections between projects go through.")
    boundaries: BoundariesView = Field(description="Those of the request, else those of the workspace.")
    boundaryViolations: list[ViolationView] = Field(description="The first 100.")
    cache: CacheView
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
            tool=analysis.tool,
            affectedDetail=[AffectedView.of(affected) for affected in analysis.affected],
            cycles=[CircleView.of(circle) for circle in analysis.circles],
            hotspots=[HotspotView.of(spot) for spot in analysis.hotspots],
            boundaries=BoundariesView.of(analysis.boundaries),
            boundaryViolations=[ViolationView.of(found) for found in analysis.violations],
            cache=CacheView.of(analysis.history),
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


class PieceView(WireModel):
    """A part of what a build wrote."""

    starts_at: int = Field(ge=0, description="How many characters it had written before.")
    text: str

    @classmethod
    def of(cls, piece: Piece) -> Self:
        return cls(starts_at=piece.starts_at, text=piece.text)


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
