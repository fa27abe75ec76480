"""Row H, the gateway's half: a profile becomes policies, and criteria are held against facts."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from mesh_security_gateway.domain.profiles import (
    Control,
    Deployment,
    Known,
    Workload,
    controls,
    policies,
)
from sqlalchemy import text

if TYPE_CHECKING:
    from conftest import Operator

PINNED = "registry.example/agent@sha256:" + "ab" * 32
WEB = Workload(name="web", image=PINNED, public=True)
JOB = Workload(name="job", image=PINNED, public=False)
DEPLOYMENT = Deployment(id="d-1", workloads=(WEB, JOB), data_residency="eu-west")
KNOWN = Known(
    grants=2,
    grants_without_expiry=0,
    origins=("https://api.example",),
    audit_entries=40,
    audit_holds=True,
)
BODY: dict[str, Any] = {
    "framework": "SOC2",
    "data_residency": "eu-west",
    "deployment": {
        "deployment_id": "d-1",
        "services": [
            {"name": "web", "image": PINNED, "public": True},
            {"name": "job", "image": "registry.example/job:latest", "public": False},
        ],
    },
}
COMPILE = "/v1/security-profiles/zero-trust/compile"


def status(id: str, deployment: Deployment = DEPLOYMENT, known: Known = KNOWN) -> str:
    return control(id, deployment, known).status


def control(id: str, deployment: Deployment = DEPLOYMENT, known: Known = KNOWN) -> Control:
    return next(c for c in controls(deployment, known) if c.id == id)


def test_zero_trust_asks_of_each_service_what_concerns_it():
    asked = {policy.id: policy.applies_to for policy in policies(DEPLOYMENT)}

    assert asked == {
        "no-standing-credentials": ("web", "job"),
        "default-deny": ("web", "job"),
        "pinned-images": ("web", "job"),
        "no-exposure": ("job",),
        "authenticated-exposure": ("web",),
        "data-residency": ("web", "job"),
    }


def test_a_policy_says_who_keeps_it_and_how_good_the_evidence_is():
    kept = {(p.id, p.enforced_by, p.evidence_level) for p in policies(DEPLOYMENT)}

    assert ("default-deny", "security-gateway", "enforced") in kept
    assert ("pinned-images", "deployer", "declared") in kept
    assert ("data-residency", "provider", "self-declared") in kept


def test_a_region_is_asked_for_by_name_and_never_proved():
    (rule,) = [policy.rule for policy in policies(DEPLOYMENT) if policy.id == "data-residency"]

    assert "eu-west" in rule
    assert "they do not prove" in rule


@pytest.mark.parametrize(
    ("id", "deployment", "known", "expected"),
    [
        ("CC6.1", {}, {}, "pass"),
        ("CC6.1", {}, {"grants": 0}, "pass"),
        ("CC6.1", {}, {"grants_without_expiry": 1}, "fail"),
        ("CC6.6", {"workloads": (JOB,)}, {}, "pass"),
        ("CC6.6", {}, {}, "not_assessed"),
        ("CC6.7", {}, {}, "pass"),
        ("CC6.7", {}, {"origins": ()}, "not_assessed"),
        ("CC6.7", {}, {"origins": ("https://a.example", "http://10.0.0.1")}, "fail"),
        ("CC6.8", {}, {}, "pass"),
        ("CC6.8", {"workloads": (replace(WEB, image="web:latest"), JOB)}, {}, "fail"),
        ("CC7.2", {}, {}, "pass"),
        ("CC7.2", {}, {"audit_holds": False}, "fail"),
        ("CC8.1", {}, {}, "not_assessed"),
        ("A1.2", {}, {}, "not_assessed"),
    ],
)
def test_a_criterion_passes_only_when_the_facts_bear_it_out(
    id: str, deployment: dict[str, Any], known: dict[str, Any], expected: str
):
    assert status(id, replace(DEPLOYMENT, **deployment), replace(KNOWN, **known)) == expected


def test_a_failure_names_what_failed():
    moving = replace(DEPLOYMENT, workloads=(WEB, replace(JOB, image="job:latest")))

    assert control("CC6.8", moving).evidence == "Images not named by digest: job."


def test_evidence_is_known_by_a_digest_that_anybody_can_take():
    one = control("CC6.8")
    facts = {"id": one.id, "status": one.status, "evidence": one.evidence}
    digest = hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()

    assert one.evidence_digest == f"sha256:{digest}"
    assert control("CC6.8", replace(DEPLOYMENT, workloads=(JOB,))).evidence_digest == one.evidence_digest
    assert control("CC7.2").evidence_digest != one.evidence_digest


def test_nobody_is_called_certified():
    said = [p.rule for p in policies(DEPLOYMENT)] + [c.evidence for c in controls(DEPLOYMENT, KNOWN)]

    assert "certif" not in " ".join(said).lower()


async def compiled(operator: Operator, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    response = await operator.http.post(COMPILE, json=BODY | body, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_deployer_gets_policies_criteria_and_where_to_look(operator_everywhere: Operator):
    operator = operator_everywhere
    deployer = await operator.agent("some-deployer", "gateway:compile")

    report = await compiled(operator, deployer)

    assert (report["profile"], report["framework"]) == ("zero-trust", "SOC2")
    assert report["security_endpoint"] == "http://127.0.0.1:8374/v1/proxy"
    assert report["audit_url"] == "http://127.0.0.1:8374/v1/audit?agent=d-1"
    found = {control["id"]: control["status"] for control in report["controls"]}
    assert found == {
        "CC6.1": "pass",
        "CC6.6": "not_assessed",
        "CC6.7": "not_assessed",
        "CC6.8": "fail",
        "CC7.2": "pass",
        "CC8.1": "not_assessed",
        "A1.2": "not_assessed",
    }
    assert {policy["id"]: policy["applies_to"] for policy in report["policies"]}["no-exposure"] == ["job"]


async def test_the_deployments_own_live_grants_decide(operator_everywhere: Operator):
    operator = operator_everywhere
    deployer = await operator.agent("some-deployer", "gateway:compile")
    await operator.connect("https://api.example", allow_private=False)
    await operator.grant("another")
    ended = await operator.grant("d-1")
    await operator.post(f"/v1/grants/{ended['id']}/revoke", {})
    await operator.grant("d-1", expires_at=int(time.time()) + 600)

    bounded = await compiled(operator, deployer)
    await operator.grant("d-1")
    unbounded = await compiled(operator, deployer)

    def access(report: dict[str, Any]) -> tuple[str, str]:
        (found,) = [c for c in report["controls"] if c["id"] == "CC6.1"]
        return found["status"], found["evidence"].partition("default. ")[2]

    assert access(bounded) == ("pass", "1 live grants, 0 of them without expiry.")
    assert access(unbounded) == ("fail", "2 live grants, 1 of them without expiry.")


async def test_an_audit_that_does_not_hold_fails_its_criterion(operator: Operator):
    deployer = await operator.agent("some-deployer", "gateway:compile")
    async with operator.app.state.platform.database.write() as session:
        await session.execute(text("UPDATE audit_head SET note = 'forged'"))

    report = await compiled(operator, deployer)

    (monitoring,) = [control for control in report["controls"] if control["id"] == "CC7.2"]
    assert monitoring["status"] == "fail"
    assert "do not hold" in monitoring["evidence"]


async def test_an_audit_url_is_one_that_works(operator: Operator):
    deployer = await operator.agent("some-deployer", "gateway:compile")
    id = "mesh/a@b:1"
    deployment = BODY["deployment"] | {"deployment_id": id}

    report = await compiled(operator, deployer, deployment=deployment)
    listed = await operator.http.get(report["audit_url"], headers=await operator.admin())

    assert (listed.status_code, listed.json()["items"]) == (200, [])


UNFIT: list[dict[str, Any]] = [
    {"framework": "ISO27001"},
    {"data_residency": ""},
    {"data_residency": "eu\nwest"},
    {"deployment": {"deployment_id": "d-1", "services": []}},
    {"deployment": BODY["deployment"] | {"certified": True}},
]


async def test_what_cannot_be_compiled_is_outside_the_schema(operator: Operator):
    deployer = await operator.agent("some-deployer", "gateway:compile")

    for fault in UNFIT:
        response = await operator.http.post(COMPILE, json=BODY | fault, headers=deployer)
        assert response.status_code == 422, fault
    unknown = await operator.http.post(COMPILE.replace("zero-trust", "any"), json=BODY, headers=deployer)

    assert unknown.status_code == 422
