"""What others tell of repositories."""

import hashlib
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, HTTPException, Request, Response
from mesh_shared.web.route import MeshRoute, says_json

from mesh_workspace_analyzer.api.callers import Analyzer
from mesh_workspace_analyzer.api.jobs import place_of
from mesh_workspace_analyzer.domain.job import Job
from mesh_workspace_analyzer.schemas.webhooks import DeliveryView
from mesh_workspace_analyzer.service import id_for
from mesh_workspace_analyzer.service.webhooks import Delivery

PATH = "/v1/webhooks/github"
MOST_BYTES = 8 << 20
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "The push is analysed; follow `Location`", "model": DeliveryView},
    401: {"description": "Not signed with our secret"},
}
_TEXT = r"^[\x20-\x7e]+$"

router = APIRouter(tags=["workspaces"], route_class=MeshRoute)


@router.post(PATH, operation_id="receive_github_delivery", openapi_extra=_BODY, responses=_ANSWERS)
async def receive_github_delivery(
    request: Request,
    response: Response,
    analyzer: Analyzer,
    delivery_id: Annotated[UUID, Header(alias="X-GitHub-Delivery")],
    event: Annotated[str, Header(alias="X-GitHub-Event", max_length=60, pattern=_TEXT)],
    signature: Annotated[str, Header(alias="X-Hub-Signature-256", max_length=100, pattern=_TEXT)],
) -> DeliveryView:
    """Has what GitHub says was pushed analysed: the commit after it, compared with the one before.

    202 at once, and the analysis is made after it, also when this service is killed meanwhile. One that has
    failed is tried again when the same delivery comes again. 409 `webhooks-not-configured` until the operator
    has named a secret, with which GitHub signs. Whatever else GitHub tells is taken, and nothing is done.
    """
    if not says_json(request):
        raise HTTPException(415)
    body = await request.body()
    id = id_for("github", str(delivery_id), hashlib.sha256(body).hexdigest())
    found = await analyzer.webhooks.receive(Delivery(id, event, signature, body))
    if not isinstance(found, Job):
        return DeliveryView(job_id=None, text=found)
    response.status_code = 202
    response.headers["Location"] = place_of(found)
    return DeliveryView(job_id=found.id, text=f"The analysis is {found.status}.")
