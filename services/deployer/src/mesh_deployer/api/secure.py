"""Deployments under a security profile."""

from fastapi import APIRouter, Request, Response
from mesh_shared.web import conditional
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute

from mesh_deployer.api.deployments import Caller, DeploymentId, Prefer, deployer, owner, wait_s
from mesh_deployer.domain.oscal import assessment_results
from mesh_deployer.schemas.security import OscalView, SecureDeploymentRequest, SecureDeploymentView
from mesh_deployer.service.deployer import Wish

router = APIRouter(prefix="/v1/secure-deployments", tags=["deployments"], route_class=MeshRoute)


@router.post("", status_code=202, operation_id="create_secure_deployment", summary="Deploy with security")
async def create_secure_deployment(
    request: Request,
    response: Response,
    body: SecureDeploymentRequest,
    caller: Caller,
    key: RequiredIdempotencyKey,
    prefer: Prefer = None,
) -> SecureDeploymentView:
    """Has the security gateway compile the profile, then deploys, only to providers that declare the region.

    The report says what was found and what was not assessed. Refused like a deployment, and with 409
    `security-profile-refused`.
    """
    service = deployer(request)
    wish = Wish(
        owner=caller.subject,
        operation="secure-deployments",
        key=key,
        sdl=body.text(),
        provider=body.provider,
        reputation_floor=body.floor(),
        strategy=body.strategy,
        security=body.security(),
    )
    deployment = await service.wait(await service.submit(wish), wait_s(prefer))
    response.headers["Location"] = f"/v1/secure-deployments/{deployment.id}"
    return SecureDeploymentView.of(service.assess(deployment))


@router.get("/{deployment_id}", operation_id="get_secure_deployment", summary="Get a secure deployment")
async def get_secure_deployment(
    request: Request, response: Response, deployment_id: DeploymentId, caller: Caller
) -> SecureDeploymentView:
    """The report as it stands now; with an ETag."""
    service = deployer(request)
    deployment = await service.get(deployment_id, owner(caller))
    assessed = service.assess(deployment)
    conditional.tag(request, response, f"{deployment.id}-{deployment.revision}")
    return SecureDeploymentView.of(assessed)


@router.get(
    "/{deployment_id}/assessment-results",
    operation_id="export_assessment",
    summary="Get the assessment as OSCAL",
)
async def export_assessment(
    request: Request, response: Response, deployment_id: DeploymentId, caller: Caller
) -> OscalView:
    """The report as it stands now, as OSCAL 1.1.3 assessment results; with an ETag."""
    service = deployer(request)
    deployment = await service.get(deployment_id, owner(caller))
    assessed = service.assess(deployment)
    conditional.tag(request, response, f"{deployment.id}-{deployment.revision}")
    return OscalView(assessment_results(assessed.deployment, assessed.security, assessed.controls))
