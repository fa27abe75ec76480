"""The report of a profile as OSCAL assessment results."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain.oscal import assessment_results
from mesh_security_gateway.domain.profiles import Control, Deployment, Status, Workload
from mesh_shared.oscal import VERSION

if TYPE_CHECKING:
    from conftest import Operator

AT = "2026-01-01T00:00:00+00:00"
AUDIT = "https://gateway.example/v1/audit?agent=d-1"
DEPLOYMENT = Deployment(
    id="d-1", workloads=(Workload(name="web", image="web:1", public=False),), data_residency="eu"
)
STATUSES: list[Status] = ["pass", "fail", "not_assessed"]
BODY: dict[str, Any] = {
    "framework": "SOC2",
    "data_residency": "eu-west",
    "deployment": {
        "deployment_id": "d-1",
        "services": [{"name": "web", "image": "registry.example/web:latest", "public": True}],
    },
}


def control(n: int, status: Status) -> Control:
    return Control(id=f"CC{n}.1", title=f"Criterion {n}", status=status, evidence=f"What is known of {n}.")


def result(controls: list[Control], at: str = AT) -> dict[str, Any]:
    document = assessment_results(DEPLOYMENT, controls, at=at, audit_url=AUDIT)
    return document["assessment-results"]["results"][0]


@given(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=9))
def test_every_control_is_observed_and_found_only_where_it_was_assessed(statuses: list[Status]):
    controls = [control(n, status) for n, status in enumerate(statuses)]

    found = result(controls)

    observed = [each["props"][0]["value"] for each in found["observations"]]
    states = [each["target"]["status"]["state"] for each in found["findings"]]
    assert observed == [status.replace("_", "-") for status in statuses]
    assert states == [
        {"pass": "satisfied", "fail": "not-satisfied"}[s] for s in statuses if s != "not_assessed"
    ]


@given(st.lists(st.sampled_from(STATUSES), min_size=1, max_size=9))
def test_a_finding_leads_to_its_observation_and_that_to_its_evidence(statuses: list[Status]):
    controls = [control(n, status) for n, status in enumerate(statuses)]

    found = result(controls)

    observations = {each["uuid"]: each for each in found["observations"]}
    for finding in found["findings"]:
        (related,) = finding["related-observations"]
        assert observations[related["observation-uuid"]]["title"] == finding["title"]
    for of, each in zip(controls, found["observations"], strict=True):
        (evidence,) = each["relevant-evidence"]
        assert (evidence["href"], evidence["props"][0]["value"]) == (AUDIT, of.evidence_digest)


def test_no_two_things_have_one_id_and_the_same_facts_have_the_same():
    controls = [control(n, "pass") for n in range(5)]
    ids = re.findall(r'"uuid": ?"([^"]+)"', orjson.dumps(result(controls)).decode())

    assert len(ids) == len(set(ids)) == 11
    assert {UUID(id).version for id in ids} == {5}
    assert result(controls) == result(controls)
    assert result(controls, "2026-01-02T00:00:00+00:00")["uuid"] != result(controls)["uuid"]


async def test_a_deployment_is_assessed_with_digests_that_anybody_can_take(operator_everywhere: Operator):
    operator = operator_everywhere
    deployer = await operator.agent("some-deployer", "gateway:compile")

    answer = await operator.http.post(
        "/v1/security-profiles/zero-trust/assessment-results", json=BODY, headers=deployer
    )
    compiled = await operator.http.post(
        "/v1/security-profiles/zero-trust/compile", json=BODY, headers=deployer
    )

    assert answer.status_code == 200, answer.text
    document = answer.json()["assessment-results"]
    assert document["metadata"]["oscal-version"] == VERSION
    assert datetime.fromisoformat(document["metadata"]["last-modified"]).tzinfo is not None
    controls = {control["title"]: control for control in compiled.json()["controls"]}
    places = set[str]()
    for each in document["results"][0]["observations"]:
        told = controls[each["title"]]
        facts = {"id": told["id"], "status": told["status"], "evidence": each["description"]}
        digest = hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()
        (evidence,) = each["relevant-evidence"]
        places.add(evidence["href"])
        if told["id"] != "CC7.2":  # the audit has grown between the two
            assert evidence["props"][0]["value"] == told["evidence_digest"] == f"sha256:{digest}"
    listed = await operator.http.get(places.pop(), headers=await operator.admin())
    assert (listed.status_code, places) == (200, set())


async def test_nobody_is_called_certified(operator: Operator):
    deployer = await operator.agent("some-deployer", "gateway:compile")

    answer = await operator.http.post(
        "/v1/security-profiles/zero-trust/assessment-results", json=BODY, headers=deployer
    )

    assert "certif" not in answer.text.lower()
    assert "no attestation" in answer.text
