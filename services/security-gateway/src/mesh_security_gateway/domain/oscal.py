"""A report of controls as NIST's OSCAL writes assessment results (version 1.1.3, JSON).

What OSCAL has no word for here is said in its own properties: a control that was not assessed is an
observation without a finding.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from mesh_security_gateway.domain.profiles import Control, Deployment

VERSION = "1.1.3"
_NAMESPACE = UUID("5f0d1b36-6f6e-5b0e-9b6b-371371371371")
_STATES = {"pass": "satisfied", "fail": "not-satisfied"}
_CATALOG = "https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria"


def assessment_results(
    deployment: Deployment, controls: Sequence[Control], *, at: str, audit_url: str
) -> dict[str, Any]:
    """The document. `at` is an RFC 3339 instant; its ids follow from what it says, so the same facts of the
    same moment are the same document.
    """
    subject = f"{deployment.id}\n{at}"
    result = {
        "uuid": _id(subject, "result"),
        "title": f"Zero-trust profile of {deployment.id} against SOC 2 criteria",
        "description": "Evidence for an auditor, and no attestation.",
        "start": at,
        "end": at,
        "reviewed-controls": {
            "control-selections": [{"include-controls": [{"control-id": _control_id(c)} for c in controls]}]
        },
        "observations": [_observation(control, subject, at, audit_url) for control in controls],
        "findings": [_finding(control, subject) for control in controls if control.status in _STATES],
    }
    return {
        "assessment-results": {
            "uuid": _id(subject, "results"),
            "metadata": {
                "title": "371 Mesh security gateway: assessment results",
                "last-modified": at,
                "version": at,
                "oscal-version": VERSION,
            },
            "import-ap": {"href": _CATALOG},
            "results": [result],
        }
    }


def _observation(control: Control, subject: str, at: str, audit_url: str) -> dict[str, Any]:
    return {
        "uuid": _id(subject, f"observation {control.id}"),
        "title": control.title,
        "description": control.evidence,
        "methods": ["EXAMINE"],
        "collected": at,
        "props": [{"name": "status", "value": control.status.replace("_", "-")}],
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
            "target-id": _control_id(control),
            "status": {"state": _STATES[control.status]},
        },
        "related-observations": [{"observation-uuid": _id(subject, f"observation {control.id}")}],
    }


def _control_id(control: Control) -> str:
    return control.id.lower()


def _id(subject: str, of: str) -> str:
    return str(uuid5(_NAMESPACE, f"{subject}\n{of}"))
