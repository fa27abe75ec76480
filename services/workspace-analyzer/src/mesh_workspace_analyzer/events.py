"""The facts that this service publishes."""

from typing import ClassVar, Self

from mesh_shared.events.event import Event
from mesh_shared.wire import Uuid

from mesh_workspace_analyzer.domain.analysis import AffectedStatus, Analysis
from mesh_workspace_analyzer.domain.build import Build, BuildStatus


class AnalysisCompleted(Event):
    """A workspace was analysed."""

    topic: ClassVar[str] = "workspace-analyzer.analysis-completed.v1"

    analysis_id: Uuid
    workspace: str
    head_sha: str | None
    total_projects: int
    affected_projects: int
    affected_status: AffectedStatus
    graph_hash: str

    def subject(self) -> str:
        return str(self.analysis_id)

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        return cls(
            analysis_id=analysis.id,
            workspace=analysis.workspace,
            head_sha=analysis.head.sha,
            total_projects=analysis.projects,
            affected_projects=len(analysis.affected),
            affected_status=analysis.status,
            graph_hash=analysis.graph_hash,
        )


class BuildFinished(Event):
    """A build ended, however it ended."""

    topic: ClassVar[str] = "workspace-analyzer.build-finished.v1"

    build_id: Uuid
    analysis_id: Uuid
    status: BuildStatus
    duration_s: float | None

    def subject(self) -> str:
        return str(self.build_id)

    @classmethod
    def of(cls, build: Build) -> Self:
        return cls(
            build_id=build.id,
            analysis_id=build.analysis_id,
            status=build.status,
            duration_s=build.duration_s,
        )
