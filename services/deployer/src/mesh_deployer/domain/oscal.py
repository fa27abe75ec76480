"""The assessment of a secure deployment as OSCAL assessment results.

The gateway's controls and the deployer's are told apart by the tool that observed them.
"""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mesh_shared.oscal import Report, Target

from mesh_deployer.domain.deployment import Deployment
from mesh_deployer.domain.security import Control, SecurityProfile

_NAMESPACE = UUID("0c1f5c0e-3c52-5d0a-9b1a-7a4be5b0d371")
_OWN = "/deployer-"
_NO_TOKEN = re.compile(r"[^a-z0-9._-]+")


def assessment_results(
    deployment: Deployment, security: SecurityProfile, controls: Sequence[Control]
) -> dict[str, Any]:
    """The document as of the deployment's present state, since when nothing of it has changed.

    Its ids follow from what it says, so the same state is the same document.
    """
    report = Report(
        namespace=_NAMESPACE,
        subject=f"{deployment.id}\n{deployment.revision}",
        issuer="371 Mesh deployer",
        version=str(deployment.revision),
        at=deployment.since.isoformat(),
        audit_url=security.audit_url,
    )
    told = {
        "title": f"{security.profile} profile of {deployment.id} against {security.framework} criteria",
        "description": "Evidence for an auditor to weigh; it is no attestation.",
        "start": deployment.created_at.isoformat(),
        "props": [
            {"name": "data-residency", "value": security.data_residency},
            {"name": "deployment-state", "value": deployment.state.value},
            {"name": "manifest-digest", "value": f"sha256:{deployment.version_hash}"},
        ],
    }
    criteria = sorted({_criterion(control) for control in controls})
    return report.document(told, criteria, [(control, _target(control)) for control in controls])


def _criterion(control: Control) -> str:
    """The criterion that the control bears on: that of `CC6.6/deployer-exposure` is `cc6.6`."""
    return _token(control.id.partition("/")[0])


def _target(control: Control) -> Target:
    observer = "deployer" if _OWN in control.id else "security-gateway"
    return Target(objective=_token(control.id), props={"observed-by": observer})


def _token(text: str) -> str:
    return _NO_TOKEN.sub("_", text.lower())
