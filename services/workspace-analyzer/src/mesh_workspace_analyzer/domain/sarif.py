"""An analysis in the form that code scanners report in.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) 2.1.0, and what GitHub reads of it.
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mesh_workspace_analyzer.domain.advice import Severity
from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.findings import RULES, Finding, findings
from mesh_workspace_analyzer.domain.graph import ProjectGraph

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
MOST_PLACES = 100
"""So many projects are named for a finding; a circle of thousands has as many."""


def sarif(graph: ProjectGraph, analysis: Analysis) -> dict[str, Any]:
    """A log with one run. A finding is in the folders of its projects; lines are not known."""
    roots = {project.name: project.root for project in graph.projects}
    numbers = {rule: number for number, rule in enumerate(RULES)}
    warnings = [{"level": "warning", "message": {"text": said}} for said in analysis.warnings]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver()},
                "automationDetails": {"id": f"workspace-analyzer/{analysis.workspace}/"},
                "columnKind": "unicodeCodePoints",
                "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": warnings}],
                "results": [_result(found, numbers, roots) for found in findings(analysis)],
            }
        ],
    }


def _driver() -> dict[str, Any]:
    rules = [{"id": rule, "shortDescription": {"text": f"{said}."}} for rule, said in RULES.items()]
    return {"name": "371 Mesh workspace analyzer", "rules": rules}


def _result(found: Finding, numbers: Mapping[str, int], roots: Mapping[str, str]) -> dict[str, Any]:
    identity = hashlib.sha256("\0".join((found.rule, *found.projects)).encode()).hexdigest()
    return {
        "ruleId": found.rule,
        "ruleIndex": numbers[found.rule],
        "level": LEVELS[found.severity],
        "message": {"text": f"{found.title}. {found.action}"},
        "locations": [_location(name, roots.get(name, ".")) for name in found.projects[:MOST_PLACES]],
        "partialFingerprints": {"ruleAndProjects/v1": identity},
    }


def _location(project: str, root: str) -> dict[str, Any]:
    folder = quote(root.strip("/") + "/")
    return {
        "physicalLocation": {"artifactLocation": {"uri": folder}},
        "logicalLocations": [{"fullyQualifiedName": project, "kind": "module"}],
    }
