"""What the zero-trust profile asks of a deployment, and which SOC 2 criteria the facts at hand bear out.

A report of this kind is evidence for an auditor and no attestation: a criterion passes here when the facts
that the gateway was given or knows itself bear it out, and is not assessed when they cannot.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mesh_shared.canonical import canonical_json

Status = Literal["pass", "fail", "not_assessed"]
EvidenceLevel = Literal["enforced", "declared", "self-declared"]
"""`enforced` here, `declared` by whoever deploys, or `self-declared` by a provider about itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One service of a deployment, as its deployer describes it."""

    name: str
    image: str
    public: bool

    @property
    def is_pinned(self) -> bool:
        """True when the image is named by its content and not by a tag that may move."""
        return "@sha256:" in self.image


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is to be deployed; its id is the subject under which it calls the gateway."""

    id: str
    workloads: tuple[Workload, ...]
    data_residency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the gateway knows itself: the deployment's live grants, and whether the audit holds."""

    grants: int
    grants_without_expiry: int
    origins: tuple[str, ...]
    audit_entries: int
    audit_holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A rule of the profile, who has to keep it, and how good the evidence is that it is kept."""

    id: str
    rule: str
    applies_to: tuple[str, ...]
    enforced_by: Literal["security-gateway", "deployer", "provider"]
    evidence_level: EvidenceLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One criterion of the AICPA's Trust Services Criteria (2017) against the facts."""

    id: str
    title: str
    status: Status
    evidence: str

    @property
    def evidence_digest(self) -> str:
        """SHA-256 over the canonical JSON of id, status and evidence."""
        facts = {"id": self.id, "status": self.status, "evidence": self.evidence}
        return f"sha256:{hashlib.sha256(canonical_json(facts)).hexdigest()}"


def policies(deployment: Deployment) -> tuple[Policy, ...]:
    """The rules that zero trust means for this deployment."""
    everything = _names(deployment.workloads)
    public = _names(w for w in deployment.workloads if w.public)
    private = _names(w for w in deployment.workloads if not w.public)
    return (
        Policy(
            id="no-standing-credentials",
            rule="A credential leaves the gateway for its provider's origin alone.",
            applies_to=everything,
            enforced_by="security-gateway",
            evidence_level="enforced",
        ),
        Policy(
            id="default-deny",
            rule="A call needs a live grant for its connection, method and path.",
            applies_to=everything,
            enforced_by="security-gateway",
            evidence_level="enforced",
        ),
        Policy(
            id="pinned-images",
            rule="An image is named by its digest.",
            applies_to=everything,
            enforced_by="deployer",
            evidence_level="declared",
        ),
        Policy(
            id="no-exposure",
            rule="No port is reachable from outside the deployment.",
            applies_to=private,
            enforced_by="deployer",
            evidence_level="declared",
        ),
        Policy(
            id="authenticated-exposure",
            rule="Every request from outside is authenticated, over TLS.",
            applies_to=public,
            enforced_by="deployer",
            evidence_level="declared",
        ),
        Policy(
            id="data-residency",
            rule=f"Place only on providers in {deployment.data_residency}. A provider's attributes are its "
            "own word: they select, they do not prove.",
            applies_to=everything,
            enforced_by="provider",
            evidence_level="self-declared",
        ),
    )


def controls(deployment: Deployment, known: Known) -> tuple[Control, ...]:
    """Seven criteria, each with the facts that decided it."""
    return (
        _access(known),
        _boundary(deployment),
        _transmission(known),
        _software(deployment),
        _monitoring(known),
        _change(deployment),
        _availability(),
    )


def _access(known: Known) -> Control:
    return Control(
        id="CC6.1",
        title="Logical access to protected information",
        status="fail" if known.grants_without_expiry else "pass",
        evidence=f"Credentials stay in the gateway; access is denied by default. {known.grants} live grants, "
        f"{known.grants_without_expiry} of them without expiry.",
    )


def _boundary(deployment: Deployment) -> Control:
    public = _names(w for w in deployment.workloads if w.public)
    exposed = f"Exposed by declaration: {', '.join(public)}. What protects them is not known here."
    return Control(
        id="CC6.6",
        title="Protection against threats from outside the boundary",
        status="not_assessed" if public else "pass",
        evidence=exposed if public else "No service is exposed, by declaration.",
    )


def _transmission(known: Known) -> Control:
    plain = [origin for origin in known.origins if not origin.startswith("https://")]
    nothing = "No origin is granted, so nothing is transmitted through the gateway."
    return Control(
        id="CC6.7",
        title="Protection of information in transmission",
        status="fail" if plain else "pass" if known.origins else "not_assessed",
        evidence=f"{len(known.origins)} granted origins, {len(plain)} of them without TLS."
        if known.origins
        else nothing,
    )


def _software(deployment: Deployment) -> Control:
    moving = _names(w for w in deployment.workloads if not w.is_pinned)
    return Control(
        id="CC6.8",
        title="Prevention of unauthorised software",
        status="fail" if moving else "pass",
        evidence=f"Images not named by digest: {', '.join(moving)}."
        if moving
        else "Every image is named by digest.",
    )


def _monitoring(known: Known) -> Control:
    return Control(
        id="CC7.2",
        title="Monitoring for anomalies",
        status="pass" if known.audit_holds else "fail",
        evidence=f"Every credential use has an audit entry before it leaves; {known.audit_entries} entries, "
        f"the newest {'hold' if known.audit_holds else 'do not hold'} against the signed head.",
    )


def _change(deployment: Deployment) -> Control:
    return Control(
        id="CC8.1",
        title="Authorised and tested changes",
        status="not_assessed",
        evidence="Changes of credentials and grants are audited here. Who approved "
        f"{deployment.id} and how it was tested is not known here.",
    )


def _availability() -> Control:
    return Control(
        id="A1.2",
        title="Recovery and environmental protection",
        status="not_assessed",
        evidence="Back-up, redundancy and recovery of the provider are not known here.",
    )


def _names(workloads: Iterable[Workload]) -> tuple[str, ...]:
    return tuple(workload.name for workload in workloads)
