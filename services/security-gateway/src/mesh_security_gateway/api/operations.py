"""Secure operations and security profiles."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.idempotency import IdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_security_gateway.domain.profiles import Deployment, Workload
from mesh_security_gateway.schemas.operations import OperationRequest, PerformedView
from mesh_security_gateway.schemas.profiles import CompiledView, CompileRequest, ControlView, PolicyView
from mesh_security_gateway.service.gateway import Gateway

router = APIRouter(prefix="/v1", route_class=MeshRoute)


@router.post(
    "/secure-operations",
    operation_id="perform_secure_operation",
    summary="Perform a secure operation",
    tags=["proxy"],
    responses={
        502: {"description": "The upstream failed"},
        504: {"description": "The upstream took too long"},
    },
)
async def perform_secure_operation(
    request: Request,
    body: OperationRequest,
    caller: Annotated[Principal, allow("gateway:proxy")],
    key: IdempotencyKey = None,
) -> PerformedView:
    """One call through a connection: the whole answer, what the caller may do here, and its audit entries.

    The idempotency key goes to the upstream as well.
    """
    gateway: Gateway = request.app.state.service
    return PerformedView.of(await gateway.operations.perform(caller, body.operation(), key))


@router.post(
    "/security-profiles/{profile}/compile",
    operation_id="compile_security_profile",
    summary="Compile a security profile",
    tags=["profiles"],
)
async def compile_security_profile(
    request: Request,
    profile: Annotated[Literal["zero-trust"], Path(examples=["zero-trust"])],
    body: CompileRequest,
    caller: Annotated[Principal, allow("gateway:compile")],
) -> CompiledView:
    """The profile's policies for a deployment, and each criterion against the facts at hand."""
    gateway: Gateway = request.app.state.service
    compiled = await gateway.profiles.compile(_deployment(body))
    public_url: str = request.app.state.platform.public_url
    return CompiledView(
        profile=profile,
        framework=body.framework,
        policies=[PolicyView.model_validate(policy) for policy in compiled.policies],
        controls=[ControlView.model_validate(control) for control in compiled.controls],
        security_endpoint=f"{public_url}/v1/proxy",
        audit_url=f"{public_url}/v1/audit?agent={quote(body.deployment.deployment_id, safe='')}",
    )


def _deployment(body: CompileRequest) -> Deployment:
    workloads = (Workload(name=s.name, image=s.image, public=s.public) for s in body.deployment.services)
    return Deployment(
        id=body.deployment.deployment_id, workloads=tuple(workloads), data_residency=body.data_residency
    )
