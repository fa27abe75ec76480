"""Workspaces that come with the request."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from mesh_shared.web.route import MeshRoute, media_type

from mesh_workspace_analyzer.api.callers import Analyst, Analyzer
from mesh_workspace_analyzer.domain.analysis import ARCHIVE
from mesh_workspace_analyzer.schemas.analyses import AnalysisView
from mesh_workspace_analyzer.schemas.requests import ArchiveName, ChangedFiles, ChangedIn
from mesh_workspace_analyzer.service import id_for
from mesh_workspace_analyzer.service.analyses import Asked

PATH = "/v1/archives"
FORMS = ("application/gzip", "application/x-tar")
_BODY = {form: {"schema": {"type": "string", "format": "binary"}} for form in FORMS}

router = APIRouter(tags=["workspaces"], route_class=MeshRoute)


@router.post(
    PATH,
    status_code=201,
    operation_id="analyze_archive",
    openapi_extra={"requestBody": {"required": True, "content": _BODY}},
)
async def analyze_archive(
    request: Request,
    response: Response,
    caller: Analyst,
    analyzer: Analyzer,
    name: ArchiveName = "workspace",
    *,
    changed: Annotated[ChangedFiles | None, Query()] = None,
    changed_in: Annotated[ChangedIn | None, Query()] = None,
) -> AnalysisView:
    """Analyses a tar archive, which is gone afterwards. The same archive again is the same analysis.

    An archive has no history: name the `changed` files, in the address or in a file of the archive, or all
    projects are taken. 409 for links, devices, repositories and paths that lead out of it, and for one that
    grows too large.
    """
    if media_type(request) not in FORMS:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    files = None if changed is None else tuple(changed)
    asked = Asked(workspace=f"{ARCHIVE}{name}", base="archive", changed=files, changed_in=changed_in)
    scope = ("archive", name, changed_in or "", len(files or ()), *(files or "?"))
    analysis = await analyzer.analyses.analyze_archive(
        request.stream(),
        asked,
        lambda digest: id_for(caller.subject, digest, *scope),
    )
    response.headers["Location"] = f"/v1/analyses/{analysis.id}"
    return AnalysisView.of(analysis)
