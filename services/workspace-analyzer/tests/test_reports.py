"""Analyses for code scanners and test servers, and all exports over HTTP."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID
from xml.etree.ElementTree import Element, fromstring

import pytest
from httpx import AsyncClient
from mesh_workspace_analyzer.domain.constraints import Constraint
from mesh_workspace_analyzer.domain.findings import RULES, findings
from mesh_workspace_analyzer.domain.junit import junit
from mesh_workspace_analyzer.domain.sarif import MOST_PLACES, SCHEMA, sarif
from sqlalchemy import text

Make = Callable[..., Any]
CIRCLE = [("a", "b"), ("b", "a"), ("web", "a")]
ONLY_LIBS = Constraint(("type:lib",), only=("type:lib",))
FORBIDDEN = {"edges": [("money", "web")], "tags": {"money": "type:lib"}, "constraints": [ONLY_LIBS]}
EXPORTS = {
    "comment": "text/markdown; charset=utf-8",
    "diagram": "text/vnd.mermaid; charset=utf-8",
    "graph": "application/json",
    "junit": "application/xml",
    "picture": "image/svg+xml",
    "sarif": "application/sarif+json",
    "timeline": "image/svg+xml",
}


def log_of(made: Any) -> dict[str, Any]:
    return sarif(made.graph, made.analysis)


def results(made: Any) -> list[dict[str, Any]]:
    return log_of(made)["runs"][0]["results"]


def complaints(log: dict[str, Any]) -> list[str]:
    """What the schema of SARIF 2.1.0 and GitHub ask for of what is used here, and is not there."""
    missing: list[str] = []

    def expect(condition: bool, what: str) -> None:
        if not condition:
            missing.append(what)

    expect(log["version"] == "2.1.0" and log["$schema"] == SCHEMA, "version")
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        expect(bool(driver["name"]), "driver.name")
        ids = [rule["id"] for rule in driver["rules"]]
        expect(len(ids) == len(set(ids)), "rules are unique")
        expect(run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints"), "columnKind")
        expect(all(type(one["executionSuccessful"]) is bool for one in run["invocations"]), "invocations")
        for result in run["results"]:
            expect(ids[result["ruleIndex"]] == result["ruleId"], "ruleIndex")
            expect(result["level"] in ("none", "note", "warning", "error"), "level")
            expect(bool(result["message"]["text"]), "message.text")
            expect(all(type(one) is str for one in result["partialFingerprints"].values()), "fingerprints")
            for place in result["locations"]:
                uri = place["physicalLocation"]["artifactLocation"]["uri"]
                expect(uri.isascii() and " " not in uri and not uri.startswith("/"), "uri")
                expect(all(one["kind"] == "module" for one in place["logicalLocations"]), "logicalLocations")
    return missing


@pytest.mark.parametrize("edges", [[], CIRCLE, [("a b", "naïve")], [("\0", "web")]])
def test_a_sarif_log_has_what_its_schema_asks_for(found: Make, edges: list[tuple[str, str]]):
    assert complaints(json.loads(json.dumps(log_of(found(edges))))) == []


def test_a_circle_is_an_error_in_the_folders_of_its_projects(found: Make):
    first = results(found(CIRCLE))[0]

    assert (first["ruleId"], first["level"]) == ("cycle", "error")
    uris = [place["physicalLocation"]["artifactLocation"]["uri"] for place in first["locations"]]
    assert uris == ["libs/a/", "libs/b/"]
    assert first["message"]["text"].startswith("2 projects need each other in a circle. Give up ")


def test_a_forbidden_dependency_is_an_error_at_both_ends(found: Make):
    first = results(found(**FORBIDDEN))[0]

    assert (first["ruleId"], first["level"]) == ("boundary", "error")
    names = [place["logicalLocations"][0]["fullyQualifiedName"] for place in first["locations"]]
    assert names == ["money", "web"]


def test_a_folder_with_any_name_is_a_uri(found: Make):
    places = results(found([("a b", "#ü?"), ("#ü?", "a b")]))[0]["locations"]

    uris = [place["physicalLocation"]["artifactLocation"]["uri"] for place in places]
    assert [unquote(uri) for uri in uris] == ["libs/#ü?/", "libs/a b/"]
    assert all(mark not in uri for uri in uris for mark in "#? ")


def test_the_same_finding_has_the_same_fingerprint_and_others_have_others(found: Make):
    def prints(made: Any) -> list[str]:
        return [result["partialFingerprints"]["ruleAndProjects/v1"] for result in results(made)]

    once, again = prints(found(CIRCLE)), prints(found(CIRCLE, "a"))

    assert once == again
    assert len(set(once)) == len(once)


def test_a_circle_of_hundreds_names_the_first_hundred(found: Make):
    ring = [(f"p{number:03}", f"p{(number + 1) % 150:03}") for number in range(150)]

    assert len(results(found(ring))[0]["locations"]) == MOST_PLACES


def test_warnings_of_the_analysis_are_notifications_of_the_tool(found: Make):
    made = found(CIRCLE)
    object.__setattr__(made.analysis, "warnings", ("The clone is shallow.",))

    (invocation,) = log_of(made)["runs"][0]["invocations"]

    assert invocation["toolExecutionNotifications"] == [
        {"level": "warning", "message": {"text": "The clone is shallow."}}
    ]


def test_every_rule_that_finds_something_is_a_rule_that_is_told(found: Make):
    slow = found([*CIRCLE, ("web", "x")], took={"a": 60_000, "b": 1000, "web": 1000, "x": 90_000})

    assert {finding.rule for finding in findings(slow.analysis)} <= RULES.keys()


def test_every_rule_is_described_for_whoever_reads_the_log(found: Make):
    rules = log_of(found([]))["runs"][0]["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == list(RULES)
    assert all(rule["shortDescription"]["text"].endswith(".") for rule in rules)


def test_a_finding_of_the_whole_workspace_has_no_place(found: Make):
    free = found([], alone=[f"p{number}" for number in range(9)])

    advice = next(result for result in results(free) if result["ruleId"] == "more-workers")

    assert advice["locations"] == []
    assert advice["level"] == "note"


def test_a_log_names_its_workspace_so_that_others_of_a_repository_stand_beside_it(found: Make):
    assert log_of(found([]))["runs"][0]["automationDetails"] == {"id": "workspace-analyzer/shop/"}


def test_what_is_forbidden_is_reported_before_advice(found: Make):
    made = found([("money", "web"), ("web", "money")], **{k: FORBIDDEN[k] for k in ("tags", "constraints")})

    assert [finding.rule for finding in findings(made.analysis)][:2] == ["boundary", "cycle"]


def parsed(text: str) -> Element:
    return fromstring(text)  # noqa: S314 - we wrote it


def suites(made: Any) -> dict[str, Element]:
    return {suite.get("name", ""): suite for suite in parsed(junit(made.analysis))}


def test_a_test_server_sees_a_suite_for_each_rule(found: Make):
    assert list(suites(found([]))) == list(RULES)


def test_a_suite_counts_every_case_that_it_has(found: Make):
    two = found([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")])

    suite = suites(two)["cycle"]

    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("2", "2", 2)
    assert {case.get("classname") for case in suite} == {"cycle"}


def test_a_report_is_named_after_its_workspace(found: Make):
    assert parsed(junit(found([]).analysis)).get("name") == "workspace-analyzer/shop"


def test_a_rule_that_finds_nothing_passes(found: Make):
    (case,) = suites(found([]))["cycle"]

    assert (case.get("name"), len(case)) == ("Nothing was found", 0)


def test_a_circle_fails(found: Make):
    suite = suites(found(CIRCLE))["cycle"]

    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "2 projects need each other in a circle"
    assert "Give up " in (failure.text or "")


def test_a_forbidden_dependency_fails(found: Make):
    assert suites(found(**FORBIDDEN))["boundary"].get("failures") == "1"


def test_advice_passes_and_says_what_it_says(found: Make):
    star = [(f"p{number}", "core") for number in range(9)]

    suite = suites(found(star))["hub"]

    assert suite.get("failures") == "0"
    assert suite.findtext("testcase/system-out", "").startswith("Split off what changes often")


def test_the_totals_are_those_of_the_suites(found: Make):
    root = parsed(junit(found(CIRCLE).analysis))

    for total in ("tests", "failures"):
        assert int(root.get(total, "")) == sum(int(suite.get(total, "")) for suite in root)


@pytest.mark.parametrize("name", ['"/><testcase name="x', "a\0b", "]]>", "\x1b[31m"])
def test_no_name_gets_out_of_a_report(found: Make, name: str):
    suite = suites(found([(name, "b"), ("b", name)]))["cycle"]

    assert [element.tag for element in suite.iter()] == ["testsuite", "testcase", "failure"]


async def made(http: AsyncClient) -> str:
    response = await http.post("/v1/analyses", json={"workspace": "storefront", "head": "change"})
    return f"/v1/analyses/{response.json()['id']}"


async def test_every_export_is_there_for_every_analysis(http: AsyncClient, storefront: Path):
    analysis = await made(http)

    answers = {name: await http.get(f"{analysis}/{name}") for name in EXPORTS}

    assert {name: answer.headers["content-type"] for name, answer in answers.items()} == EXPORTS
    assert "storefront: 6 of 10 projects are affected" in answers["picture"].text
    assert "storefront: the longest wait is 6 tasks" in answers["timeline"].text
    assert complaints(answers["sarif"].json()) == []
    assert parsed(answers["junit"].text).get("failures") == "0"
    assert "sandbox" in answers["picture"].headers["content-security-policy"]


async def test_the_graph_names_projects_and_who_needs_whom(http: AsyncClient, storefront: Path):
    graph = (await http.get(f"{await made(http)}/graph")).json()

    assert graph["tool"] == "nx"
    cart = next(project for project in graph["projects"] if project["name"] == "cart")
    assert (cart["root"], cart["kind"], "build" in cart["targets"]) == ("libs/cart", "lib", True)
    assert {"source": "cart", "target": "pricing", "kind": "static"} in graph["dependencies"]


async def test_what_needs_a_graph_says_when_it_is_no_longer_kept(
    http: AsyncClient, app: Any, storefront: Path
):
    analysis = await made(http)
    async with app.state.platform.database.write() as session:
        await session.execute(text("DELETE FROM graphs"))

    codes = {name: (await http.get(f"{analysis}/{name}")).status_code for name in EXPORTS}

    assert {name for name, code in codes.items() if code == 409} == {"graph", "picture", "sarif"}
    assert {code for code in codes.values()} == {200, 409}


async def test_what_was_never_analysed_is_exported_as_nothing(http: AsyncClient):
    nowhere = f"/v1/analyses/{UUID(int=7)}"

    assert {(await http.get(f"{nowhere}/{name}")).status_code for name in EXPORTS} == {404}
