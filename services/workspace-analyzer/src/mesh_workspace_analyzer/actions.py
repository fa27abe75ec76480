"""What this service offers as an agent."""

from mesh_shared.agents.plugin import Action, Callback, Message, Plugin, Runtime, State, Turn, succeeded
from mesh_shared.wire import WireModel
from pydantic import Field

from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.build import Build
from mesh_workspace_analyzer.schemas.analyses import AffectedView, WorkspaceResult
from mesh_workspace_analyzer.schemas.requests import Ref, Workspace
from mesh_workspace_analyzer.service import ANALYZE, BUILD, WorkspaceAnalyzer, id_for
from mesh_workspace_analyzer.service.analyses import Asked


class Subject(WireModel):
    """The workspace that an action is about."""

    workspace: Workspace
    base: Ref = Field(default="main", examples=["main"])


class Patience(Subject):
    """The workspace to build, and how long to wait for the end."""

    wait_s: int = Field(default=60, ge=0, le=300, description="Seconds to wait for the end.", examples=[5])


async def analyze_workspace(
    runtime: Runtime[WorkspaceAnalyzer],
    message: Message,
    state: State,
    options: Subject,
    callback: Callback,
) -> bool:
    analysis = await _analysis(runtime, options)
    result = WorkspaceResult.of(analysis).model_dump(mode="json")
    await callback(succeeded(analysis.text, result | {"analysisId": str(analysis.id)}))
    return True


async def find_affected_projects(
    runtime: Runtime[WorkspaceAnalyzer],
    message: Message,
    state: State,
    options: Subject,
    callback: Callback,
) -> bool:
    analysis = await _analysis(runtime, options)
    data = {
        "affectedProjects": analysis.affected_names,
        "affectedStatus": analysis.status,
        "affectedDetail": [AffectedView.of(found).model_dump(mode="json") for found in analysis.affected],
        "warnings": list(analysis.warnings),
        "analysisId": str(analysis.id),
    }
    await callback(succeeded(f"{len(analysis.affected)} of {analysis.projects} projects are affected.", data))
    return True


async def build_affected(
    runtime: Runtime[WorkspaceAnalyzer],
    message: Message,
    state: State,
    options: Patience,
    callback: Callback,
) -> bool:
    analysis = await _analysis(runtime, options)
    builds = runtime.service.builds
    id = id_for(runtime.caller.subject, runtime.idempotency_key, "build", analysis.id)
    await builds.request(analysis.id, id)
    build = await builds.settled(id, options.wait_s)
    data = {
        "success": build.success,
        "duration": build.duration_s,
        "status": build.status,
        "buildId": str(build.id),
        "analysisId": str(analysis.id),
    }
    await callback(succeeded(_spoken(build), data))
    return True


async def _analysis(runtime: Runtime[WorkspaceAnalyzer], options: Subject) -> Analysis:
    id = id_for(runtime.caller.subject, runtime.idempotency_key, "analysis")
    return await runtime.service.analyses.analyze(Asked(workspace=options.workspace, base=options.base), id)


def _spoken(build: Build) -> str:
    if build.is_open:
        return f"The build is {build.status}; follow it at /v1/builds/{build.id}."
    if build.duration_s is None:
        return f"The build was {build.status}."
    return f"The build {build.status} after {build.duration_s:.1f} s."


def _example(asked: str, answered: str, action: str) -> tuple[Turn, Turn]:
    return Turn(role="user", text=asked), Turn(role="agent", text=answered, action=action)


PLUGIN = Plugin(
    name="workspace-analyzer",
    description="Says what a change in a monorepo affects and what it costs.",
    actions=[
        Action(
            name="ANALYZE_WORKSPACE",
            description="Reads a monorepo without running its code: its projects, what a change affects "
            "and why, the longest chain of builds, recommendations, the share that needs no work.",
            parameters=Subject,
            handler=analyze_workspace,
            examples=[
                _example(
                    "Analyze the storefront workspace.",
                    "Workspace analysis complete. Found 10 projects, 6 affected by recent changes.",
                    "ANALYZE_WORKSPACE",
                ),
                _example(
                    "What could be better in our monorepo?",
                    "Workspace analysis complete. Found 214 projects, 0 affected by recent changes.",
                    "ANALYZE_WORKSPACE",
                ),
            ],
            scope=ANALYZE,
            capabilities=("workspace.analyze", "workspace-optimization"),
        ),
        Action(
            name="FIND_AFFECTED_PROJECTS",
            description="Which projects a change affects, each with the files and dependencies that say why.",
            parameters=Subject,
            handler=find_affected_projects,
            examples=[
                _example(
                    "Which projects does my branch of storefront affect?",
                    "6 of 10 projects are affected.",
                    "FIND_AFFECTED_PROJECTS",
                )
            ],
            scope=ANALYZE,
            capabilities=("workspace.affected",),
        ),
        Action(
            name="BUILD_AFFECTED",
            description="Builds what a change affects in a copy of the workspace. Runs the workspace's code, "
            "so the operator has to allow it.",
            parameters=Patience,
            handler=build_affected,
            examples=[
                _example(
                    "Build what my branch of storefront affects.",
                    "The build succeeded after 8.4 s.",
                    "BUILD_AFFECTED",
                )
            ],
            scope=BUILD,
            capabilities=("workspace.build",),
        ),
    ],
)
