"""A deployment in the place of another: more replicas, or another provider."""

from fastapi import APIRouter, Request, Response
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute

from mesh_deployer.api.deployments import Caller, DeploymentId, Prefer, deployer, owner, view, wait_s
from mesh_deployer.domain.deployment import Deployment
from mesh_deployer.schemas.deployments import DeploymentView
from mesh_deployer.schemas.running import ScaleRequest
from mesh_deployer.service.succeeding import Succeeding

router = APIRouter(prefix="/v1/deployments/{deployment_id}", tags=["deployments"], route_class=MeshRoute)


@router.post("/scale", status_code=202, operation_id="scale_deployment", summary="Change its replicas")
async def scale_deployment(
    request: Request,
    response: Response,
    deployment_id: DeploymentId,
    body: ScaleRequest,
    caller: Caller,
    *,
    key: RequiredIdempotencyKey,
    prefer: Prefer = None,
) -> DeploymentView:
    """Begins a deployment with other replicas; the one before is closed once that runs, and not earlier.

    An order is never changed, so this takes another lease, and `Location` names another deployment. It is
    the same one when nothing is different. 409 `not-running`, `being-replaced`, `service-unknown`,
    `too-many-replicas`.
    """
    succeeding = Succeeding(deployer(request))
    successor = await succeeding.scale(deployment_id, owner(caller), body.replicas, key)
    return await _shown(request, response, successor, prefer)


@router.post(
    "/fail-over", status_code=202, operation_id="fail_over_deployment", summary="Move to another provider"
)
async def fail_over_deployment(
    request: Request,
    response: Response,
    deployment_id: DeploymentId,
    caller: Caller,
    *,
    key: RequiredIdempotencyKey,
    prefer: Prefer = None,
) -> DeploymentView:
    """Begins the same at another provider; the one before is closed once that runs, and not earlier.

    `Location` names the other deployment. When nobody else takes it, the one before runs on. 409
    `not-running`, `being-replaced`.
    """
    successor = await Succeeding(deployer(request)).fail_over(deployment_id, owner(caller), key)
    return await _shown(request, response, successor, prefer)


async def _shown(
    request: Request, response: Response, successor: Deployment, prefer: str | None
) -> DeploymentView:
    service = deployer(request)
    deployment = await service.wait(successor, wait_s(prefer))
    response.headers["Location"] = f"/v1/deployments/{deployment.id}"
    return view(service, deployment)
