"""What the deployer itself can show about a deployment's security: findings with their evidence, no more."""

import json
from hashlib import sha256

from mesh_deployer.domain import secrecy
from mesh_deployer.domain.deployment import Deployment
from mesh_deployer.domain.images import is_pinned
from mesh_deployer.domain.security import Control, Status
from mesh_deployer.domain.workload import Service, Workload

RESIDENCY_ATTRIBUTE = "region"
EVIDENCE_LEVEL = "self-declared"
"""Providers state their region themselves; nobody audited it."""


def assess(deployment: Deployment, workload: Workload) -> tuple[Control, ...]:
    """The deployer's own controls, named after SOC 2's common criteria where they bear on one."""
    return (
        _image_pinned(workload),
        _exposure(deployment, workload),
        _limits(workload),
        _secrets(workload),
        _residency(deployment),
    )


def _control(id: str, title: str, status: Status, evidence: str) -> Control:
    facts = json.dumps(
        {"id": id, "status": status, "evidence": evidence},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    digest = f"sha256:{sha256(facts.encode()).hexdigest()}"
    return Control(id=id, title=title, status=status, evidence=evidence, evidence_digest=digest)


def _image_pinned(workload: Workload) -> Control:
    loose = [image for image in workload.images if not is_pinned(image)]
    evidence = f"Not pinned: {', '.join(loose)}." if loose else f"Pinned: {', '.join(workload.images)}."
    title = "Images are pinned to a digest"
    return _control("CC8.1/deployer-image", title, "fail" if loose else "pass", evidence)


def _exposure(deployment: Deployment, workload: Workload) -> Control:
    """Akash wants one global port; it is harmless only where nothing outside can reach it."""
    title = "Nothing is public except through the gateway"
    ports = ", ".join(_ports(service) for service in workload.services if service.is_public)
    if deployment.provider == "docker":
        evidence = f"Published on the loopback interface of this machine only: {ports}."
        return _control("CC6.6/deployer-exposure", title, "pass", evidence)
    evidence = f"Global in the SDL: {ports}. The provider is simulated, so nothing was really exposed."
    return _control("CC6.6/deployer-exposure", title, "not_assessed", evidence)


def _ports(service: Service) -> str:
    ports = sorted({expose.port for expose in service.exposes if expose.is_global})
    return f"{service.name}:{','.join(str(port) for port in ports)}"


def _limits(workload: Workload) -> Control:
    evidence = "; ".join(
        f"{s.name}: {s.resources.cpu_millis}m CPU, {s.resources.memory_bytes} bytes of memory"
        for s in workload.services
    )
    return _control("A1.1/deployer-limits", "CPU and memory are limited", "pass", f"{evidence}.")


def _secrets(workload: Workload) -> Control:
    shown = secrecy.exposed(workload)
    found = f"These look like secrets: {', '.join(shown)}." if shown else "None looks like a secret."
    evidence = f"Variables and command lines were searched by name and by form. {found}"
    return _control(
        "CC6.1/deployer-secrets", "No secret is in the SDL", "fail" if shown else "pass", evidence
    )


def _residency(deployment: Deployment) -> Control:
    id, title = "C1.1/deployer-residency", "The provider is in the required region"
    wanted = deployment.terms.requirements.get(RESIDENCY_ATTRIBUTE)
    if deployment.provider == "docker":
        evidence = f"It runs on this machine, and nobody says where that is; {wanted} is required."
        return _control(id, title, "not_assessed", evidence)
    if len(deployment.leases) < len(deployment.terms.placements):
        return _control(id, title, "not_assessed", f"No provider is bound yet; {wanted} is required.")
    own = {bid.provider: bid.attributes.get(RESIDENCY_ATTRIBUTE) for bid in deployment.chosen}
    told = ", ".join(f"{provider} declares {region}" for provider, region in own.items())
    evidence = f"{told}, {wanted} is required ({EVIDENCE_LEVEL})."
    return _control(id, title, "pass" if set(own.values()) == {wanted} else "fail", evidence)
