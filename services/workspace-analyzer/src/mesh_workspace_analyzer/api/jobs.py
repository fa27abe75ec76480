"""Analyses that are made when nobody waits for them."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from mesh_shared.web import conditional
from mesh_shared.web.route import MeshRoute

from mesh_workspace_analyzer.api.callers import Analyst, Analyzer, PluginRunner
from mesh_workspace_analyzer.domain.job import Job
from mesh_workspace_analyzer.schemas.jobs import JobView

router = APIRouter(prefix="/v1/analysis-jobs", tags=["workspaces"], route_class=MeshRoute)


def place_of(job: Job) -> str:
    """Where a caller can follow it."""
    return f"{router.prefix}/{job.id}"


@router.get("/{job_id}", operation_id="get_analysis_job")
async def get_analysis_job(
    job_id: UUID, request: Request, response: Response, caller: Analyst, analyzer: Analyzer
) -> JobView:
    """Where the analysis stands; `analysis_id` once it is there, or the problem instead of it."""
    job = await analyzer.jobs.get(job_id)
    conditional.tag(request, response, f"{job.id}-{job.status}")
    return JobView.of(job)


@router.post("/{job_id}/cancel", status_code=202, operation_id="cancel_analysis_job")
async def cancel_analysis_job(
    job_id: UUID, response: Response, caller: PluginRunner, analyzer: Analyzer
) -> JobView:
    """Ends it and kills every plugin that it has started; one that has ended stays as it is."""
    job = await analyzer.jobs.cancel(job_id)
    response.headers["Location"] = place_of(job)
    return JobView.of(job)
