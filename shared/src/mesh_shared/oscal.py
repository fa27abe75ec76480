"""A report of controls as NIST's OSCAL writes assessment results (version 1.1.3, JSON).

What OSCAL has no word for here is said in its own properties: a control that was not assessed is an
observation without a finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID, uuid5

VERSION = "1.1.3"
_STATES = {"pass": "satisfied", "fail": "not-satisfied"}
_CATALOG = "https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria"


class Assessed(Protocol):
    """A control with what was found; `status` is pass, fail or not_assessed."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def evidence(self) -> str: ...
    @property
    def evidence_digest(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How a control is spelled as one of OSCAL's tokens, and what else is said of its observation."""

    objective: str
    props: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`at` is an RFC 3339 instant. Ids follow from `namespace` and `subject`: the same has the same."""

    namespace: UUID
    subject: str
    issuer: str
    version: str
    at: str
    audit_url: str

    def document(
        self, told: Mapping[str, Any], criteria: Sequence[str], controls: Sequence[tuple[Assessed, Target]]
    ) -> dict[str, Any]:
        """The whole of it; `told` are the result's title, description and whatever else it says."""
        included = [{"control-id": criterion} for criterion in criteria]
        result = {
            "uuid": self._id("result"),
            "start": self.at,
            "end": self.at,
            **told,
            "reviewed-controls": {"control-selections": [{"include-controls": included}]},
            "observations": [self._observation(control, target) for control, target in controls],
            "findings": [self._finding(c, target) for c, target in controls if c.status in _STATES],
        }
        metadata = {
            "title": f"{self.issuer}: assessment results",
            "last-modified": self.at,
            "version": self.version,
            "oscal-version": VERSION,
        }
        return {
            "assessment-results": {
                "uuid": self._id("results"),
                "metadata": metadata,
                "import-ap": {"href": _CATALOG},
                "results": [result],
            }
        }

    def _observation(self, control: Assessed, target: Target) -> dict[str, Any]:
        props = {"status": control.status.replace("_", "-"), **target.props}
        return {
            "uuid": self._id(f"observation {control.id}"),
            "title": control.title,
            "description": control.evidence,
            "methods": ["EXAMINE"],
            "collected": self.at,
            "props": [{"name": name, "value": value} for name, value in props.items()],
            "relevant-evidence": [
                {
                    "href": self.audit_url,
                    "description": control.evidence,
                    "props": [{"name": "evidence-digest", "value": control.evidence_digest}],
                }
            ],
        }

    def _finding(self, control: Assessed, target: Target) -> dict[str, Any]:
        return {
            "uuid": self._id(f"finding {control.id}"),
            "title": control.title,
            "description": control.evidence,
            "target": {
                "type": "objective-id",
                "target-id": target.objective,
                "status": {"state": _STATES[control.status]},
            },
            "related-observations": [{"observation-uuid": self._id(f"observation {control.id}")}],
        }

    def _id(self, of: str) -> str:
        return str(uuid5(self.namespace, f"{self.subject}\n{of}"))
