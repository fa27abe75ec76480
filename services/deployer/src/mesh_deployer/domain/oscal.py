"""The assessment of a secure deployment as NIST's OSCAL writes assessment results (version 1.1.3, JSON).

A control that was not assessed is an observation without a finding. The gateway's controls and the deployer's
are told apart by the tool that observed them.
"""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from mesh_deployer.domain.deployment import Control, Deployment, SecurityProfile

VERSION = "1.1.3"
_NAMESPACE = UUID("0c1f5c0e-3c52-5d0a-9b1a-7a4be5b0d371")
_STATES = {"pass": "satisfied", "fail": "not-satisfied"}
_CATALOG = "https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria"
_OWN = "/deployer-"
_NO_TOKEN = re.compile(r"[^a-z0-9._-]+")


def assessment_results(
    deployment: Deployment, security: SecurityProfile, controls: Sequence[Control]
) -> dict[str, Any]:
    """The document as of the deployment's present state, since when nothing of it has changed.

    Its ids follow from what it says, so the same state is the same document.
    """
    subject, at = f"{deployment.id}\n{deployment.revision}", deployment.since.isoformat()
    result = {
        "uuid": _id(subject, "result"),
        "title": f"{security.profile} profile of {deployment.id} against {security.framework} criteria",
        "description": "Evidence for an auditor to weigh; it is no attestation.",
        "start": deployment.created_at.isoformat(),
        "end": at,
        "props": [
            {"name": "data-residency", "value": security.data_residency},
            {"name": "deployment-state", "value": deployment.state.value},
            {"name": "manifest-digest", "value": f"sha256:{deployment.version_hash}"},
        ],
        "reviewed-controls": {
            "control-selections": [
                {"include-controls": [{"control-id": id} for id in sorted({_criterion(c) for c in controls})]}
            ]
        },
        "observations": [_observation(c, subject, at, security.audit_url) for c in controls],
        "findings": [_finding(c, subject) for c in controls if c.status in _STATES],
    }
    return {
        "assessment-results": {
            "uuid": _id(subject, "results"),
            "metadata": {
                "title": "371 Mesh deployer: assessment results",
                "last-modified": at,
                "version": str(deployment.revision),
                "oscal-version": VERSION,
            },
            "import-ap": {"href": _CATALOG},
            "results": [result],
        }
    }


def _observation(control: Control, subject: str, at: str, audit_url: str) -> dict[str, Any]:
    observer = "deployer" if _OWN in control.id else "security-gateway"
    return {
        "uuid": _id(subject, f"observation {control.id}"),
        "title": control.title,
        "description": control.evidence,
        "methods": ["EXAMINE"],
        "collected": at,
        "props": [
            {"name": "status", "value": control.status.replace("_", "-")},
            {"name": "observed-by", "value": observer},
        ],
        "relevant-evidence": [
            {
                "href": audit_url,
                "description": control.evidence,
                "props": [{"name": "evidence-digest", "value": control.evidence_digest}],
            }
        ],
    }


def _finding(control: Control, subject: str) -> dict[str, Any]:
    return {
        "uuid": _id(subject, f"finding {control.id}"),
        "title": control.title,
        "description": control.evidence,
        "target": {
            "type": "objective-id",
            "target-id": _NO_TOKEN.sub("_", control.id.lower()),
            "status": {"state": _STATES[control.status]},
        },
        "related-observations": [{"observation-uuid": _id(subject, f"observation {control.id}")}],
    }


def _criterion(control: Control) -> str:
    """The criterion that the control bears on: that of `CC6.6/deployer-exposure` is `cc6.6`."""
    return _NO_TOKEN.sub("_", control.id.partition("/")[0].lower())


def _id(subject: str, of: str) -> str:
    return str(uuid5(_NAMESPACE, f"{subject}\n{of}"))
