"""The public wire models. The names in camelCase are the ones that users of the first system know."""

from typing import Annotated, Any, Literal, Self

from mesh_shared.wire import Timestamp, Uuid, WireModel
from pydantic import Field, StringConstraints

from mesh_workspace_analyzer.domain.advice import Recommendation, Severity
from mesh_workspace_analyzer.domain.affected import Affected, Reason
from mesh_workspace_analyzer.domain.analysis import AffectedStatus, Analysis, Fidelity, Mode, Revision
from mesh_workspace_analyzer.domain.build import Build, BuildStatus
from mesh_workspace_analyzer.domain.cost import CostImpact
from mesh_workspace_analyzer.domain.graph import Dependency, DependencyKind
from mesh_workspace_analyzer.repository import AnalysisRow

_SEGMENT = r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,59}"

Workspace = Annotated[
    str,
    StringConstraints(max_length=512, pattern=rf"^(\.|{_SEGMENT}(/{_SEGMENT}){{0,15}})$"),
    Field(
        description="Folder of a workspace, relative to one of the configured roots; `.` for a root "
        "itself. No other part of it starts with a dot.",
        examples=["storefront"],
    ),
]
Ref = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9._/][A-Za-z0-9._/-]*$"),
    Field(description="Branch, tag or commit."),
]


class AnalysisRequest(WireModel):
    workspace: Workspace
    base: Annotated[Ref, Field(examples=["main"])] = "main"
    head: Annotated[Ref, Field(examples=["HEAD"])] = "HEAD"
    mode: Mode = Field(
        default=Mode.STATIC,
        strict=False,
        description="Who reads: `static` our readers of files, for every tool; `nx-core` the real Nx.",
    )


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


class CriticalPath(WireModel):
    """The builds that wait for each other; without measured durations its length is a number of builds."""

    unit: Literal["hops"] = "hops"
    tasks: list[str] = Field(description="Projects, first to build first.")
    length: int = Field(ge=0)
    totalMs: None = None


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
    criticalPath: CriticalPath
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
        "criticalPath": CriticalPath(tasks=list(analysis.longest_chain), length=len(analysis.longest_chain)),
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
