"""Security profiles."""

from typing import Any, Literal

from mesh_shared.wire import WireModel
from pydantic import BaseModel, ConfigDict, Field

from mesh_security_gateway.domain.profiles import EvidenceLevel, Status
from mesh_security_gateway.schemas.fields import Subject, View


class WorkloadModel(WireModel):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", examples=["web"])
    image: str = Field(
        pattern=r"^[\x21-\x7e]{1,300}$", examples=["registry.example/agent@sha256:" + "ab" * 32]
    )
    public: bool = Field(description="Reachable from outside the deployment.", examples=[True])


class DeploymentModel(WireModel):
    deployment_id: Subject
    services: list[WorkloadModel] = Field(min_length=1, max_length=100)


class CompileRequest(WireModel):
    framework: Literal["SOC2"] = Field(examples=["SOC2"])
    data_residency: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$", description="A region.", examples=["eu-west"]
    )
    deployment: DeploymentModel


class PolicyView(View):
    id: str
    rule: str
    applies_to: list[str] = Field(description="Names of services of the deployment.")
    enforced_by: Literal["security-gateway", "deployer", "provider"]
    evidence_level: EvidenceLevel


class ControlView(View):
    id: str = Field(examples=["CC6.1"])
    title: str
    status: Status
    evidence: str
    evidence_digest: str = Field(description="SHA-256 over the canonical JSON of id, status and evidence.")


class CompiledView(BaseModel):
    """Evidence for an auditor, and no attestation."""

    profile: Literal["zero-trust"]
    framework: Literal["SOC2"]
    policies: list[PolicyView]
    controls: list[ControlView]
    security_endpoint: str = Field(description="Where the deployment makes its calls.")
    audit_url: str = Field(description="The audit of those calls.")


class OscalView(BaseModel):
    """OSCAL 1.1.3 assessment results; see https://pages.nist.gov/OSCAL. Evidence, and no attestation."""

    model_config = ConfigDict(populate_by_name=True)

    results: dict[str, Any] = Field(alias="assessment-results")
