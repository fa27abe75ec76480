"""What a security profile asks of a deployment, and what can be shown for it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "fail", "not_assessed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control of an assessment; `evidence_digest` is a SHA-256 over id, status and evidence."""

    id: str
    title: str
    status: Status
    evidence: str
    evidence_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A rule of a security profile, who keeps it, and how good the evidence is that it is kept."""

    id: str
    rule: str
    applies_to: tuple[str, ...]
    enforced_by: str
    evidence_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityProfile:
    """What the security gateway compiled for this deployment."""

    profile: str
    framework: str
    data_residency: str
    policies: tuple[Policy, ...]
    controls: tuple[Control, ...]
    security_endpoint: str
    audit_url: str
