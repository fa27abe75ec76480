"""Analyses, and questions about them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from mesh_shared.web import conditional, pages
from mesh_shared.web.idempotency import IdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import authorize

from mesh_workspace_analyzer.api.callers import Analyst, Analyzer
from mesh_workspace_analyzer.api.jobs import place_of
from mesh_workspace_analyzer.domain.analysis import Mode
from mesh_workspace_analyzer.domain.job import Job
from mesh_workspace_analyzer.schemas.analyses import AnalysisSummary, AnalysisView
from mesh_workspace_analyzer.schemas.jobs import JobView
from mesh_workspace_analyzer.schemas.questions import DifferenceView, PointView, TrendView, WhatIf, WhatIfView
from mesh_workspace_analyzer.schemas.requests import AnalysisRequest, Workspace
from mesh_workspace_analyzer.service import PLUGINS, id_for
from mesh_workspace_analyzer.service.analyses import Asked

router = APIRouter(prefix="/v1", tags=["workspaces"], route_class=MeshRoute)


_LATER: dict[int | str, dict[str, Any]] = {
    202: {"description": "`nx-full` is being read; follow `Location`", "model": JobView}
}


@router.post(
    "/analyses",
    status_code=201,
    operation_id="create_analysis",
    response_model=AnalysisView,
    responses=_LATER,
)
async def create_analysis(
    body: AnalysisRequest,
    request: Request,
    response: Response,
    caller: Analyst,
    analyzer: Analyzer,
    key: IdempotencyKey = None,
) -> AnalysisView | JSONResponse:
    """Finds what the commits between base and head affect. Only in `nx-full` code of the workspace runs.

    That needs the scope `workspace:plugins`, is 409 `plugins-not-allowed` unless the operator allows it, and
    answers 202 with a job to follow. Else 404 names a workspace or a head that does not exist; 409 a
    workspace that cannot be analysed as it is.
    A base that git cannot resolve is no error: all projects are taken, and `affectedStatus` says so.
    """
    id = id_for(caller.subject, key, "analysis")
    if body.mode is Mode.NX_FULL:
        await authorize(request, PLUGINS)
        return _accepted(await analyzer.jobs.request(_asked(body), id))
    analysis = await analyzer.analyses.analyze(_asked(body), id)
    response.headers["Location"] = f"/v1/analyses/{analysis.id}"
    return AnalysisView.of(analysis)


def _asked(body: AnalysisRequest) -> Asked:
    return Asked(
        workspace=body.workspace,
        base=body.base,
        head=body.head,
        mode=body.mode,
        runs=body.former_runs(),
        pipeline=body.ci.pipeline(),
        constraints=tuple(constraint.asked() for constraint in body.depConstraints),
    )


def _accepted(job: Job) -> JSONResponse:
    headers = {"Location": place_of(job)}
    return JSONResponse(JobView.of(job).model_dump(mode="json"), 202, headers)


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
