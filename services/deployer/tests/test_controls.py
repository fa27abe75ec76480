"""What the deployer itself can show about a deployment's security."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from beginning import ACCEPTED, NOW
from mesh_deployer.domain.choice import Choice
from mesh_deployer.domain.controls import assess
from mesh_deployer.domain.deployment import Backend, Deployment, Lease
from mesh_deployer.domain.market import Bid, ScoredBid
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.security import Control
from mesh_deployer.domain.workload import Workload
from mesh_deployer.schemas.sdl import HELLO

BID = Bid(
    provider="sim1a",
    uri="https://a.invalid",
    uact_per_block=Decimal(5),
    reputation=Decimal("0.9"),
    attributes={"region": "eu-west"},
)


def accepted(region: str = "eu-west", provider: Backend = "simulated") -> Deployment:
    terms = replace(ACCEPTED.terms, requirements={"region": region})
    return replace(ACCEPTED, provider=provider, terms=terms)


def leased(region: str = "eu-west", provider: Backend = "simulated") -> Deployment:
    choice = Choice((ScoredBid(bid=BID, rank=1, reason="Cheapest of 1 that met the terms."),), (1,))
    chosen = accepted(region, provider).opened(NOW).saw(choice, ()).chose([BID], NOW)
    return chosen.got_leases([Lease(lease_id="sim/1", provider_uri="https://a.invalid")], NOW)


def controls(deployment: Deployment, sdl: str = HELLO) -> dict[str, Control]:
    workload = Workload(compile_sdl(sdl).groups)
    return {control.id.partition("-")[2]: control for control in assess(deployment, workload)}


def test_residency_is_shown_by_what_the_provider_says_of_itself_and_the_control_says_so():
    before, kept, broken = (
        controls(deployment)["residency"] for deployment in (accepted(), leased(), leased("us-east"))
    )

    assert (before.status, kept.status, broken.status) == ("not_assessed", "pass", "fail")
    assert "sim1a declares eu-west, eu-west is required (self-declared)." in kept.evidence


def test_what_runs_on_this_machine_runs_nobody_knows_where():
    residency = controls(leased(provider="docker"))["residency"]

    assert residency.status == "not_assessed"
    assert "eu-west is required" in residency.evidence


@pytest.mark.parametrize(
    ("image", "status"), [("debian:trixie-slim", "fail"), ("debian@sha256:" + "0" * 64, "pass")]
)
def test_only_a_digest_pins_an_image(image: str, status: str):
    found = controls(accepted(), HELLO.replace("debian:trixie-slim", image))["image"]

    assert found.status == status
    assert image in found.evidence


def test_exposure_is_harmless_where_only_this_machine_can_reach_it():
    simulated = controls(accepted())["exposure"]
    docker = controls(accepted(provider="docker"))["exposure"]

    assert (simulated.status, docker.status) == ("not_assessed", "pass")
    assert "web:80" in docker.evidence


def test_limits_are_shown_by_naming_them():
    limits = controls(accepted())["limits"]

    assert (limits.status, limits.evidence) == ("pass", "web: 100m CPU, 134217728 bytes of memory.")


def test_a_secret_in_the_sdl_would_fail_the_control_that_says_there_is_none():
    clean = controls(accepted())["secrets"]
    leaky = controls(accepted(), HELLO.replace("    expose:", "    env: [A_TOKEN=x]\n    expose:"))["secrets"]

    assert (clean.status, leaky.status) == ("pass", "fail")
    assert "A_TOKEN" in leaky.evidence


def test_equal_findings_have_equal_digests_and_others_have_others():
    first, again = controls(leased()), controls(replace(leased(), id=UUID(int=2)))
    other = controls(leased("us-east"))

    assert {c.evidence_digest for c in first.values()} == {c.evidence_digest for c in again.values()}
    assert first["residency"].evidence_digest != other["residency"].evidence_digest
    assert len({control.evidence_digest for control in first.values()}) == len(first) == 5
