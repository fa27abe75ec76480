"""HTTP in and out: parse, call one use case, shape the reply."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import conditional, pages
from mesh_shared.web.idempotency import IdempotencyKey, RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_workspace_analyzer.domain.markdown import comment
from mesh_workspace_analyzer.domain.mermaid import diagram
from mesh_workspace_analyzer.schemas.analyses import AnalysisSummary, AnalysisView, BuildView
from mesh_workspace_analyzer.schemas.questions import DifferenceView, PointView, TrendView, WhatIf, WhatIfView
from mesh_workspace_analyzer.schemas.requests import AnalysisRequest, Workspace
from mesh_workspace_analyzer.service import ANALYZE, BUILD, WorkspaceAnalyzer, id_for
from mesh_workspace_analyzer.service.analyses import Asked

router = APIRouter(prefix="/v1", tags=["workspaces"], route_class=MeshRoute)

Analyst = Annotated[Principal, allow(ANALYZE)]
Builder = Annotated[Principal, allow(BUILD)]


async def analyzer(request: Request) -> WorkspaceAnalyzer:
    return request.app.state.service


Analyzer = Annotated[WorkspaceAnalyzer, Depends(analyzer)]


@router.post("/analyses", status_code=201, operation_id="create_analysis")
async def create_analysis(
    body: AnalysisRequest,
    response: Response,
    caller: Analyst,
    analyzer: Analyzer,
    key: IdempotencyKey = None,
) -> AnalysisView:
    """Finds what the commits between base and head affect. None of the workspace's code runs.

    404 names a workspace or a head that does not exist; 409 a workspace that cannot be analysed as it is.
    A base that git cannot resolve is no error: all projects are taken, and `affectedStatus` says so.
    """
    asked = Asked(
        workspace=body.workspace,
        base=body.base,
        head=body.head,
        mode=body.mode,
        runs=body.former_runs(),
        pipeline=body.ci.pipeline(),
        constraints=tuple(constraint.asked() for constraint in body.depConstraints),
    )
    analysis = await analyzer.analyses.analyze(asked, id_for(caller.subject, key, "analysis"))
    response.headers["Location"] = f"/v1/analyses/{analysis.id}"
    return AnalysisView.of(analysis)


@router.get("/analyses", operation_id="list_analyses")
async def list_analyses(
    request: Request,
    response: Response,
    caller: Analyst,
    analyzer: Analyzer,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> pages.Page[AnalysisSummary]:
    """The analyses, newest first."""
    before = pages.position(request, cursor)
    rows = await analyzer.analyses.newest(limit, before=before[0] if before else None)
    items = [AnalysisSummary.of(row) for row in rows]
    return pages.page(request, response, items, limit, [row.position for row in rows[-1:]])


@router.get("/analyses/{analysis_id}", operation_id="get_analysis")
async def get_analysis(
    analysis_id: UUID, request: Request, response: Response, caller: Analyst, analyzer: Analyzer
) -> AnalysisView:
    """The stored analysis; it never changes."""
    analysis = await analyzer.analyses.get(analysis_id)
    conditional.tag(request, response, analysis.id)
    return AnalysisView.of(analysis)


class MarkdownResponse(PlainTextResponse):
    media_type = "text/markdown"


class MermaidResponse(PlainTextResponse):
    media_type = "text/vnd.mermaid"


@router.get("/analyses/{analysis_id}/comment", operation_id="export_comment", response_class=MarkdownResponse)
async def export_comment(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> MarkdownResponse:
    """The analysis as a comment for a pull request, in GitHub Flavored Markdown."""
    return MarkdownResponse(comment(await analyzer.analyses.get(analysis_id)))


@router.get("/analyses/{analysis_id}/diagram", operation_id="export_diagram", response_class=MermaidResponse)
async def export_diagram(analysis_id: UUID, caller: Analyst, analyzer: Analyzer) -> MermaidResponse:
    """The ways from what changed to what is affected, as a Mermaid flow chart of at most 200 projects."""
    return MermaidResponse(diagram((await analyzer.analyses.get(analysis_id)).affected))


@router.post("/analyses/{analysis_id}/what-if", operation_id="simulate_analysis")
async def what_if(analysis_id: UUID, body: WhatIf, caller: Analyst, analyzer: Analyzer) -> WhatIfView:
    """How long a build would take with something changed, on the durations of that analysis; stores nothing.

    409 when the workspace has no such dependency or task, or its graph is no longer kept.
    """
    return WhatIfView.of(*await analyzer.questions.what_if(analysis_id, body.asked()))


@router.get("/analyses/{analysis_id}/comparison", operation_id="compare_analyses")
async def compare(
    analysis_id: UUID,
    caller: Analyst,
    analyzer: Analyzer,
    since: Annotated[UUID, Query(description="The analysis to compare with.")],
) -> DifferenceView:
    """What is different since another analysis, of the same workspace or not."""
    return DifferenceView.of(await analyzer.questions.compare(since, analysis_id))


@router.get("/trends", operation_id="get_trend")
async def trend(
    caller: Analyst,
    analyzer: Analyzer,
    workspace: Annotated[Workspace, Query()],
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> TrendView:
    """The newest analyses of a workspace as points in time, oldest first."""
    return TrendView(
        items=[PointView.of(found) for found in await analyzer.questions.trend(workspace, limit)]
    )


@router.post("/analyses/{analysis_id}/builds", status_code=202, operation_id="create_build")
async def create_build(
    analysis_id: UUID, response: Response, caller: Builder, analyzer: Analyzer, key: RequiredIdempotencyKey
) -> BuildView:
    """Builds what the analysis found affected, in a copy: `nx affected -t build --parallel=3`.

    This runs the workspace's own code: 409 unless the operator allows it. Follow `Location`.
    """
    build = await analyzer.builds.request(analysis_id, id_for(caller.subject, key, "build", analysis_id))
    response.headers["Location"] = f"/v1/builds/{build.id}"
    return BuildView.of(build)


@router.get("/builds/{build_id}", operation_id="get_build")
async def get_build(
    build_id: UUID, request: Request, response: Response, caller: Builder, analyzer: Analyzer
) -> BuildView:
    """Where the build stands."""
    build = await analyzer.builds.get(build_id)
    conditional.tag(request, response, f"{build.id}-{build.status}")
    return BuildView.of(build)
