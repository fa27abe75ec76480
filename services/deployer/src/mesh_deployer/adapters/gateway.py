"""The security gateway, as compiler of security profiles."""

from uuid import UUID

import httpx
from mesh_shared.errors import Unavailable
from mesh_shared.http import asking
from mesh_shared.wire import ReadModel
from pydantic import ValidationError

from mesh_deployer.domain.security import Control, Policy, SecurityProfile, Status
from mesh_deployer.domain.workload import Workload
from mesh_deployer.errors import SecurityProfileRefused


class _PolicyBody(ReadModel):
    id: str
    rule: str
    applies_to: tuple[str, ...]
    enforced_by: str
    evidence_level: str


class _ControlBody(ReadModel):
    id: str
    title: str
    status: Status
    evidence: str
    evidence_digest: str


class _ProfileBody(ReadModel):
    """What we read of the gateway's answer."""

    profile: str
    framework: str
    policies: tuple[_PolicyBody, ...]
    controls: tuple[_ControlBody, ...]
    security_endpoint: str
    audit_url: str


class _RefusalBody(ReadModel):
    detail: str


class GatewayProfiles:
    """Implements `ports.SecurityProfiles` over the gateway's REST API."""

    def __init__(self, http: httpx.AsyncClient, url: str, auth: httpx.Auth) -> None:
        self._http = http
        self._url = url
        self._auth = auth

    async def compile(
        self, profile: str, framework: str, data_residency: str, deployment_id: UUID, workload: Workload
    ) -> SecurityProfile:
        named = {s.name: s for s in workload.services}
        services = [{"name": s.name, "image": s.image, "public": s.is_public} for s in named.values()]
        body = {
            "framework": framework,
            "data_residency": data_residency,
            "deployment": {"deployment_id": str(deployment_id), "services": services},
        }
        async with asking("security-gateway"):
            response = await self._http.post(
                f"{self._url}/v1/security-profiles/{profile}/compile", json=body, auth=self._auth
            )
        if response.is_client_error:
            raise SecurityProfileRefused(_detail(response))
        if not response.is_success:
            raise Unavailable("security-gateway")
        try:
            return _profile(_ProfileBody.model_validate_json(response.content), data_residency)
        except ValidationError:
            raise Unavailable("security-gateway") from None


def _detail(response: httpx.Response) -> str:
    try:
        return _RefusalBody.model_validate_json(response.content).detail
    except ValidationError:
        return f"status {response.status_code}, without a reason"


def _profile(body: _ProfileBody, data_residency: str) -> SecurityProfile:
    return SecurityProfile(
        profile=body.profile,
        framework=body.framework,
        data_residency=data_residency,
        policies=tuple(Policy(**policy.model_dump()) for policy in body.policies),
        controls=tuple(Control(**control.model_dump()) for control in body.controls),
        security_endpoint=body.security_endpoint,
        audit_url=body.audit_url,
    )
