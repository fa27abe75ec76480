"""Projects and their dependencies, as they are told."""

from typing import Self

from mesh_shared.wire import WireModel
from pydantic import Field

from mesh_workspace_analyzer.domain.graph import Project, ProjectGraph
from mesh_workspace_analyzer.schemas.analyses import EdgeView


class ProjectView(WireModel):
    name: str = Field(examples=["web"])
    root: str = Field(description="Its folder, `.` for the workspace itself.", examples=["apps/web"])
    kind: str = Field(description="`app`, `lib` or `e2e`, as Nx has it.")
    tags: list[str]
    targets: list[str]

    @classmethod
    def of(cls, project: Project) -> Self:
        return cls(
            name=project.name,
            root=project.root,
            kind=project.kind,
            tags=list(project.tags),
            targets=[target.name for target in project.targets],
        )


class GraphView(WireModel):
    tool: str = Field(description="Whose projects these are.", examples=["nx", "turbo", "cargo"])
    projects: list[ProjectView] = Field(description="By name.")
    dependencies: list[EdgeView]

    @classmethod
    def of(cls, graph: ProjectGraph) -> Self:
        return cls(
            tool=graph.tool,
            projects=[ProjectView.of(project) for project in graph.projects],
            dependencies=[EdgeView.of(edge) for edge in graph.dependencies],
        )
