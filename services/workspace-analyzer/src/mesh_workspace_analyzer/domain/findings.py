"""What is wrong in a workspace, in one form for every report."""

from collections.abc import Iterator
from dataclasses import dataclass

from mesh_workspace_analyzer.domain.advice import Severity
from mesh_workspace_analyzer.domain.analysis import Analysis

RULES = {
    "cycle": "Projects need each other in a circle",
    "boundary": "A dependency is forbidden by tags",
    "flaky-task": "A task failed and succeeded on the same inputs",
    "hub": "A change of one project affects most others",
    "split-task": "A long task could be several",
    "enable-cache": "A task is run again for the same inputs",
    "more-workers": "More tasks could run at once",
    "cut-dependency": "A build would be shorter without a dependency",
    "longest-chain": "Most builds wait for each other in a row",
    "missing-build-target": "A project has no build target",
}
"""Every rule, and what it is about in a few words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found, the projects it is about, and what to do."""

    rule: str
    severity: Severity
    title: str
    projects: tuple[str, ...]
    action: str


def findings(analysis: Analysis) -> tuple[Finding, ...]:
    """Forbidden dependencies, then the recommendations in their order."""
    advice = (
        Finding(found.rule, found.severity, found.title, found.evidence.projects, found.action)
        for found in analysis.recommendations
    )
    return (*_boundaries(analysis), *advice)


def _boundaries(analysis: Analysis) -> Iterator[Finding]:
    for violation in analysis.violations:
        edge = violation.dependency
        yield Finding(
            "boundary",
            Severity.ERROR,
            f"{edge.source} needs {edge.target}, which constraint {violation.constraint} forbids",
            (edge.source, edge.target),
            "Give up the dependency, or change the tags or the constraint.",
        )
