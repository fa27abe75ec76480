"""Builds of what an analysis found affected."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from mesh_shared.web import conditional
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute

from mesh_workspace_analyzer.api.callers import Analyzer, Builder
from mesh_workspace_analyzer.schemas.analyses import BuildView
from mesh_workspace_analyzer.service import id_for

router = APIRouter(prefix="/v1", tags=["workspaces"], route_class=MeshRoute)


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


@router.post("/builds/{build_id}/cancel", status_code=202, operation_id="cancel_build")
async def cancel_build(build_id: UUID, response: Response, caller: Builder, analyzer: Analyzer) -> BuildView:
    """Ends the build and kills everything that it has started; one that has ended stays as it is."""
    build = await analyzer.builds.cancel(build_id)
    response.headers["Location"] = f"/v1/builds/{build.id}"
    return BuildView.of(build)
