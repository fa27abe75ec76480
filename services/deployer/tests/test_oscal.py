"""The assessment as OSCAL: every control is observed, and judged only where it was assessed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from beginning import ACCEPTED
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.deployment import Deployment, State, Step
from mesh_deployer.domain.oscal import assessment_results
from mesh_deployer.domain.security import Control, SecurityProfile, Status
from mesh_shared.testing import served

if TYPE_CHECKING:
    from pathlib import Path

    from security_gateway import Gateway

    from conftest import MakeApp, TenantOf

AT = datetime(2026, 1, 2, tzinfo=UTC)
TOKEN = re.compile(r"[a-z_][a-z0-9._-]*")
SECURITY = SecurityProfile(
    profile="zero-trust",
    framework="SOC2",
    data_residency="eu-west",
    policies=(),
    controls=(),
    security_endpoint="https://gateway.example/v1/proxy",
    audit_url="https://gateway.example/v1/audit?agent=d",
)
RUNS = Step(at=AT, state=State.ACTIVE, note="Runs.")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DEPLOYMENT = replace(ACCEPTED, version_hash="ab" * 32, created_at=BEGAN, state=State.ACTIVE, history=(RUNS,))
statuses = st.lists(st.sampled_from(["pass", "fail", "not_assessed"]), min_size=1, max_size=8)


def controls(given_statuses: list[Status]) -> list[Control]:
    """The gateway's and the deployer's in turn, two of which bear on one criterion."""
    return [
        Control(
            id=f"CC{n // 2}.1" + "/deployer-x" * (n % 2),
            title=f"Control {n}",
            status=status,
            evidence=f"What is known of {n}.",
            evidence_digest=f"sha256:{n:064}",
        )
        for n, status in enumerate(given_statuses)
    ]


def document(given_statuses: list[Status], deployment: Deployment = DEPLOYMENT) -> dict[str, Any]:
    return assessment_results(deployment, SECURITY, controls(given_statuses))["assessment-results"]


@given(statuses)
def test_every_control_is_observed_and_judged_only_where_it_was_assessed(given_statuses: list[Status]):
    (result,) = document(given_statuses)["results"]

    observed = [each["props"][0]["value"] for each in result["observations"]]
    assert observed == [status.replace("_", "-") for status in given_statuses]
    states = [finding["target"]["status"]["state"] for finding in result["findings"]]
    assert states == [
        {"pass": "satisfied", "fail": "not-satisfied"}[s] for s in given_statuses if s != "not_assessed"
    ]


@given(statuses)
def test_a_finding_leads_to_its_observation_and_that_to_its_evidence(given_statuses: list[Status]):
    (result,) = document(given_statuses)["results"]

    observations = {each["uuid"]: each for each in result["observations"]}
    for finding in result["findings"]:
        (related,) = finding["related-observations"]
        assert observations[related["observation-uuid"]]["title"] == finding["title"]
    for control, each in zip(controls(given_statuses), result["observations"], strict=True):
        (evidence,) = each["relevant-evidence"]
        assert evidence["props"][0]["value"] == control.evidence_digest
        assert each["props"][1]["value"] == ("deployer" if "deployer" in control.id else "security-gateway")


@given(statuses)
def test_ids_are_tokens_no_two_things_have_one_and_the_same_state_has_the_same(given_statuses: list[Status]):
    found = document(given_statuses)
    uuids = re.findall(r"'uuid': '([^']+)'", str(found))
    (result,) = found["results"]
    (selection,) = result["reviewed-controls"]["control-selections"]
    names = [control["control-id"] for control in selection["include-controls"]]

    assert len(uuids) == len(set(uuids))
    assert {UUID(id).version for id in uuids} == {5}
    targets = [finding["target"]["target-id"] for finding in result["findings"]]
    assert all(TOKEN.fullmatch(name) for name in (*names, *targets))
    assert len(names) == len(set(names)) == len({c.id.partition("/")[0] for c in controls(given_statuses)})
    assert document(given_statuses) == found
    assert document(given_statuses, replace(DEPLOYMENT, revision=2))["uuid"] != found["uuid"]


def test_it_is_dated_by_the_state_and_says_what_it_is_about():
    found = document(["pass"])

    (result,) = found["results"]
    assert (found["metadata"]["last-modified"], result["end"]) == (AT.isoformat(), AT.isoformat())
    assert result["start"] == BEGAN.isoformat()
    assert {prop["name"]: prop["value"] for prop in result["props"]} == {
        "data-residency": "eu-west",
        "deployment-state": "active",
        "manifest-digest": f"sha256:{'ab' * 32}",
    }
    assert "no attestation" in result["description"]


async def test_the_export_has_the_controls_of_the_report_and_changes_with_the_state(
    make_app: MakeApp, tenant_of: TenantOf, gateway: Gateway, tmp_path: Path
):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "service.key").write_text("the-deployers-key")
    async with served(gateway.app) as url:
        app = make_app(f"sqlite+aiosqlite:///{tmp_path}/o.db", gateway_url=url)
        async with tenant_of(app) as tenant:
            body = {
                "sdl": tenant.hello_web, "provider": "simulated", "cloud_provider": "akash",
                "profile": "zero-trust", "framework": "SOC2", "data_residency": "eu-west",
            }  # fmt: skip
            made = await tenant.http.post(
                "/v1/secure-deployments", json=body, headers={"Idempotency-Key": "k", "Prefer": "wait=20"}
            )
            path = f"/v1/secure-deployments/{made.json()['deploymentId']}/assessment-results"
            exported = await tenant.http.get(path)
            again = await tenant.http.get(path, headers={"If-None-Match": exported.headers["etag"]})
            plain = await tenant.deploy()
            nothing = await tenant.http.get(
                f"/v1/secure-deployments/{plain['deploymentId']}/assessment-results"
            )

    (result,) = exported.json()["assessment-results"]["results"]
    report = made.json()["complianceReport"]["controls"]
    assert [o["title"] for o in result["observations"]] == [control["title"] for control in report]
    assert len(result["findings"]) == sum(control["status"] != "not_assessed" for control in report)
    assert (again.status_code, nothing.status_code) == (304, 404)
