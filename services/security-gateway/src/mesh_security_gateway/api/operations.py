"""Secure operations and security profiles."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.idempotency import IdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_security_gateway.domain.oscal import assessment_results
from mesh_security_gateway.domain.profiles import Deployment, Workload
from mesh_security_gateway.schemas.operations import OperationRequest, PerformedView
from mesh_security_gateway.schemas.profiles import (
    CompiledView,
    CompileRequest,
    ControlView,
    OscalView,
    PolicyView,
)
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
    return CompiledView(
        profile=profile,
        framework=body.framework,
        policies=[PolicyView.model_validate(policy) for policy in compiled.policies],
        controls=[ControlView.model_validate(control) for control in compiled.controls],
        security_endpoint=f"{request.app.state.platform.public_url}/v1/proxy",
        audit_url=_audit_url(request, body),
    )


@router.post(
    "/security-profiles/{profile}/assessment-results",
    operation_id="assess_security_profile",
    summary="Assess a deployment, as OSCAL",
    tags=["profiles"],
)
async def assess_security_profile(
    request: Request,
    profile: Annotated[Literal["zero-trust"], Path(examples=["zero-trust"])],
    body: CompileRequest,
    caller: Annotated[Principal, allow("gateway:compile")],
) -> OscalView:
    """The same criteria against the same facts as OSCAL assessment results, with the digests of evidence."""
    gateway: Gateway = request.app.state.service
    deployment = _deployment(body)
    compiled = await gateway.profiles.compile(deployment)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    document = assessment_results(deployment, compiled.controls, at=at, audit_url=_audit_url(request, body))
    return OscalView.model_validate(document)


def _audit_url(request: Request, body: CompileRequest) -> str:
    """Where the audit of the deployment's own calls is."""
    subject = quote(body.deployment.deployment_id, safe="")
    return f"{request.app.state.platform.public_url}/v1/audit?agent={subject}"


def _deployment(body: CompileRequest) -> Deployment:
    workloads = (Workload(name=s.name, image=s.image, public=s.public) for s in body.deployment.services)
    return Deployment(
        id=body.deployment.deployment_id, workloads=tuple(workloads), data_residency=body.data_residency
    )
