from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.controls import assess
from mesh_deployer.domain.deployment import (
    ENDED,
    Deadlines,
    Deployment,
    IllegalTransition,
    Lease,
    State,
)
from mesh_deployer.domain.market import Bid, Choice, ScoredBid, Terms
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Shape
from mesh_deployer.schemas.sdl import HELLO

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BID = Bid(
    provider="sim1a",
    uri="https://a.invalid",
    uact_per_block=Decimal(5),
    reputation=Decimal("0.9"),
    attributes={"region": "eu-west"},
)
CHOICE = Choice((ScoredBid(bid=BID, rank=1, reason="Cheapest of 1 that met the terms."),))
LEASE = Lease(lease_id="sim/1", provider_uri="https://a.invalid")


def accepted(**requirements: str) -> Deployment:
    terms = Terms(reputation_floor=Decimal(0), ceiling_uact_per_block=Decimal(100), requirements=requirements)
    return Deployment(
        id=UUID(int=1),
        owner="tester",
        request_digest="d",
        provider="simulated",
        provider_reason="asked for",
        sdl=HELLO,
        version_hash="h",
        shape=Shape(100, 2**27, 2**29),
        terms=terms,
        deposit_uact=500_000,
        deadlines=Deadlines(bids_until=NOW, bid_by=NOW + timedelta(seconds=300), manifest_s=300),
        created_at=NOW,
    )


def leased(**requirements: str) -> Deployment:
    chosen = accepted(**requirements).opened(NOW).saw(CHOICE, ()).chose(BID, NOW)
    return chosen.got_lease(LEASE, NOW)


def test_a_deployment_goes_from_order_to_lease_to_work_and_its_history_says_so():
    running = leased().running(("http://127.0.0.1:1",), "It runs.", NOW)

    assert [step.state for step in running.history] == ["open", "chosen", "leased", "active"]
    assert (running.chosen, running.lease, running.uris) == (BID, LEASE, ("http://127.0.0.1:1",))
    assert running.uact_per_block == 5
    assert running.explanation == "It runs."


def test_every_change_counts_and_no_change_does_not():
    opened = accepted().opened(NOW)
    seen = opened.saw(CHOICE, ())

    assert [accepted().revision, opened.revision, seen.revision] == [1, 2, 3]
    assert seen.saw(CHOICE, ()) is seen


def test_a_lost_bid_goes_back_to_the_others():
    chosen = accepted().opened(NOW).saw(CHOICE, ()).chose(BID, NOW)

    again = chosen.lost_bid("sim1a", NOW)

    assert (again.state, again.chosen, again.lost) == (State.OPEN, None, ("sim1a",))


def test_what_fails_is_closed_and_what_its_owner_closes_has_not_failed():
    failed = leased().failing("workload-exited", "It ended.", NOW).ended(499_000, NOW)
    closed = leased().closing(NOW).ended(498_000, NOW)

    assert (failed.state, failed.refunded_uact, failed.explanation) == (State.FAILED, 499_000, "It ended.")
    assert (closed.state, closed.refunded_uact) == (State.CLOSED, 498_000)
    assert failed.ending is not None
    assert failed.ending.code == "workload-exited"


def test_closing_twice_is_closing_once():
    closing = accepted().closing(NOW)
    ended = closing.ended(500_000, NOW)

    assert closing.closing(NOW) is closing
    assert ended.closing(NOW) is ended


def test_a_step_that_makes_no_sense_is_a_bug_and_says_so():
    with pytest.raises(IllegalTransition, match="created -> leased"):
        accepted().got_lease(LEASE, NOW)
    with pytest.raises(IllegalTransition, match="closed -> open"):
        accepted().closing(NOW).ended(0, NOW).opened(NOW)


MOVES = {
    "opened": lambda d: d.opened(NOW),
    "chose": lambda d: d.saw(CHOICE, ()).chose(BID, NOW),
    "lost": lambda d: d.lost_bid("sim1a", NOW),
    "leased": lambda d: d.got_lease(LEASE, NOW),
    "running": lambda d: d.running((), "", NOW),
    "failing": lambda d: d.failing("code", "text", NOW),
    "closing": lambda d: d.closing(NOW),
    "ended": lambda d: d.ended(1, NOW),
}


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=30))
def test_whatever_happens_an_end_is_an_end_and_a_lease_is_made_once(moves: list[str]):
    deployment, leases = accepted(), 0
    for move in moves:
        before = deployment
        try:
            deployment = MOVES[move](deployment)
        except IllegalTransition:
            continue
        leases += deployment.lease is not before.lease
        assert deployment.revision >= before.revision
        assert before.state not in ENDED or deployment is before
    assert leases <= 1


def test_the_residency_control_says_how_good_its_evidence_is():
    (group,) = compile_sdl(HELLO).groups

    before = {c.id: c for c in assess(accepted(region="eu-west"), group)}["C1.1/deployer-residency"]
    after = {c.id: c for c in assess(leased(region="eu-west"), group)}["C1.1/deployer-residency"]
    wrong = {c.id: c for c in assess(leased(region="us-east"), group)}["C1.1/deployer-residency"]

    assert (before.status, after.status, wrong.status) == ("not_assessed", "pass", "fail")
    assert "self-declared" in after.evidence
    assert len({before.evidence_digest, after.evidence_digest, wrong.evidence_digest}) == 3


@pytest.mark.parametrize(
    ("image", "status"), [("debian:trixie-slim", "fail"), ("debian@sha256:" + "0" * 64, "pass")]
)
def test_only_a_digest_pins_an_image(image: str, status: str):
    (group,) = compile_sdl(HELLO.replace("debian:trixie-slim", image)).groups

    controls = {control.id: control for control in assess(accepted(), group)}

    assert controls["CC8.1/deployer-image"].status == status
    assert controls["CC6.6/deployer-exposure"].status == "not_assessed"
    assert controls["A1.1/deployer-limits"].status == "pass"
