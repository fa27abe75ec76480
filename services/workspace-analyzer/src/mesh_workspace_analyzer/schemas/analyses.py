"""Analyses and builds, as they are told."""

from typing import Any, Self

from mesh_shared.wire import Timestamp, Uuid, WireModel
from pydantic import Field

from mesh_workspace_analyzer.domain.advice import Recommendation, Severity
from mesh_workspace_analyzer.domain.affected import Affected, Reason
from mesh_workspace_analyzer.domain.analysis import AffectedStatus, Analysis, Fidelity, Mode, Revision
from mesh_workspace_analyzer.domain.build import Build, BuildStatus
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind
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


class AffectedView(WireModel):
    project: str
    reason: Reason
    files: list[str] = Field(description="The changed files that it starts from, 100 at most.")
    via: list[EdgeView] = Field(description="From this project to the one whose files changed.")

    @classmethod
    def of(cls, affected: Affected) -> Self:
        via = [EdgeView.of(dependency) for dependency in affected.via]
        return cls(project=affected.project, reason=affected.reason, files=list(affected.files), via=via)


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
