"""An analysis as a report of tests, for servers that know no other.

Nobody has written the format down; this is what Jenkins, GitLab and GitHub's actions read of it.
"""

from itertools import groupby
from xml.etree.ElementTree import Element

from mesh_workspace_analyzer.domain.advice import Severity
from mesh_workspace_analyzer.domain.analysis import Analysis
from mesh_workspace_analyzer.domain.drawing import add, written
from mesh_workspace_analyzer.domain.findings import RULES, Finding, findings


def junit(analysis: Analysis) -> str:
    """A suite for each rule. What cannot stay as it is fails; of the rest a case says what was found."""
    found = sorted(findings(analysis), key=lambda finding: finding.rule)
    by_rule = {rule: list(group) for rule, group in groupby(found, key=lambda finding: finding.rule)}
    root = Element("testsuites")
    root.set("name", f"workspace-analyzer/{analysis.workspace}")
    for rule in RULES:
        _suite(root, rule, by_rule.get(rule, []))
    for total in ("tests", "failures"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    return written(root)


def _suite(root: Element, rule: str, found: list[Finding]) -> None:
    failures = sum(finding.severity is Severity.ERROR for finding in found)
    suite = add(root, "testsuite", name=rule, tests=max(len(found), 1), failures=failures, errors=0)
    if not found:
        add(suite, "testcase", name="Nothing was found", classname=rule)
    for finding in found:
        case = add(suite, "testcase", name=finding.title, classname=rule)
        if finding.severity is Severity.ERROR:
            add(case, "failure", finding.action, message=finding.title, type=rule)
        else:
            add(case, "system-out", finding.action)
