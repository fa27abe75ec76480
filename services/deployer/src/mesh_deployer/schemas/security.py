"""Secure deployments on the wire."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, Self

from mesh_shared.wire import Uuid
from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from mesh_deployer.domain.controls import EVIDENCE_LEVEL
from mesh_deployer.domain.deployment import State
from mesh_deployer.domain.security import Control, Policy, SecurityProfile, Status
from mesh_deployer.schemas.deployments import ONE_OF, DeploymentOptions, DeploymentRequest, StepView
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.service.deployer import Assessed, Security

STATEMENT = "An assessment with evidence for an auditor to weigh; it is no attestation."
_EXAMPLE: dict[str, JsonValue] = {
    "sdl": HELLO,
    "provider": "simulated",
    "cloud_provider": "akash",
    "profile": "zero-trust",
    "framework": "SOC2",
    "data_residency": "eu-west",
}


class SecurityOptions(DeploymentOptions):
    """A deployment under a security profile."""

    cloud_provider: Literal["akash"] = Field(examples=["akash"])
    profile: Literal["zero-trust"] = Field(examples=["zero-trust"])
    framework: Literal["SOC2"] = Field(examples=["SOC2"])
    data_residency: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="A region; only providers that declare it are considered.",
        examples=["eu-west"],
    )

    def security(self) -> Security:
        """What is asked of the gateway."""
        return Security(profile=self.profile, framework=self.framework, data_residency=self.data_residency)


class SecureDeploymentRequest(SecurityOptions, DeploymentRequest):
    """Options whose schema says that there is exactly one thing to deploy."""

    model_config = ConfigDict(json_schema_extra={**ONE_OF, "examples": [_EXAMPLE]})


class PolicyView(BaseModel):
    id: str
    rule: str
    applies_to: list[str]
    enforced_by: str
    evidence_level: str


class ControlView(BaseModel):
    id: str = Field(examples=["CC6.6/deployer-exposure"])
    title: str
    status: Status
    evidence: str
    evidence_digest: str = Field(description="SHA-256 over id, status and evidence.")


class ComplianceReport(BaseModel):
    """What was found, with the evidence for it. Controls named `…/deployer-…` are the deployer's own."""

    profile: str
    framework: str
    data_residency: str
    evidence_level: str = Field(description="How good a provider's word is.", examples=[EVIDENCE_LEVEL])
    statement: str = Field(examples=[STATEMENT])
    summary: dict[Status, int]
    policies: list[PolicyView]
    controls: list[ControlView]

    @classmethod
    def of(cls, security: SecurityProfile, controls: Sequence[Control]) -> Self:
        found = Counter(control.status for control in controls)
        return cls(
            profile=security.profile,
            framework=security.framework,
            data_residency=security.data_residency,
            evidence_level=EVIDENCE_LEVEL,
            statement=STATEMENT,
            summary={"pass": found["pass"], "fail": found["fail"], "not_assessed": found["not_assessed"]},
            policies=[_policy_view(policy) for policy in security.policies],
            controls=[_control_view(control) for control in controls],
        )


class AuditLogs(BaseModel):
    url: str = Field(description="The gateway's audit of the deployment's calls.")
    entries: list[StepView] = Field(description="What the deployer did.")


class SecureDeploymentView(BaseModel):
    deploymentId: Uuid
    status: State
    explanation: str
    securityEndpoint: str = Field(description="Where the deployment makes its calls.")
    complianceReport: ComplianceReport
    auditLogs: AuditLogs

    @classmethod
    def of(cls, assessed: Assessed) -> Self:
        deployment, security = assessed.deployment, assessed.security
        return cls(
            deploymentId=deployment.id,
            status=deployment.state,
            explanation=deployment.explanation,
            securityEndpoint=security.security_endpoint,
            complianceReport=ComplianceReport.of(security, assessed.controls),
            auditLogs=AuditLogs(
                url=security.audit_url,
                entries=[StepView(at=s.at, status=s.state, note=s.note) for s in deployment.history],
            ),
        )


def _policy_view(policy: Policy) -> PolicyView:
    return PolicyView(
        id=policy.id,
        rule=policy.rule,
        applies_to=list(policy.applies_to),
        enforced_by=policy.enforced_by,
        evidence_level=policy.evidence_level,
    )


def _control_view(control: Control) -> ControlView:
    return ControlView(
        id=control.id,
        title=control.title,
        status=control.status,
        evidence=control.evidence,
        evidence_digest=control.evidence_digest,
    )


class OscalView(RootModel[dict[str, JsonValue]]):
    """OSCAL 1.1.3 assessment results."""
