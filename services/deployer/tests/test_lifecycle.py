"""The states of a deployment, apart from everything that moves it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from beginning import ACCEPTED, NOW
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.choice import Choice
from mesh_deployer.domain.deployment import (
    ENDED,
    MAX_ORDERS,
    Deployment,
    IllegalTransition,
    Lease,
    State,
)
from mesh_deployer.domain.market import Bid, Cause, CloseReason, Declined, ScoredBid

BID = Bid(provider="sim1a", uri="https://a.invalid", uact_per_block=Decimal(5), reputation=Decimal("0.9"))
CHOICE = Choice((ScoredBid(bid=BID, rank=1, reason="Cheapest of 1 that met the terms."),), (1,))
LEASE = Lease(lease_id="sim/1", provider_uri="https://a.invalid")
OPEN = ACCEPTED.opened(NOW)
CHOSEN = OPEN.saw(CHOICE, ()).chose([BID], NOW)
LEASED = CHOSEN.got_leases([LEASE], NOW)
ACTIVE = LEASED.running(("http://127.0.0.1:1",), "It runs.", NOW)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_deployment_goes_from_order_to_lease_to_work_and_its_history_says_so():
    assert [step.state for step in ACTIVE.history] == ["open", "chosen", "leased", "active"]
    assert (ACTIVE.chosen, ACTIVE.leases, ACTIVE.uris) == ((BID,), (LEASE,), ("http://127.0.0.1:1",))
    assert ACTIVE.uact_per_block == 5
    assert ACTIVE.explanation == "It runs."


def test_before_anything_has_happened_it_is_accepted_and_costs_nothing():
    assert (ACCEPTED.explanation, ACCEPTED.uact_per_block, ACCEPTED.since) == ("Accepted.", None, NOW)


def test_every_change_counts_and_no_change_does_not():
    seen = OPEN.saw(CHOICE, ())

    assert [ACCEPTED.revision, OPEN.revision, seen.revision] == [1, 2, 3]
    assert seen.saw(CHOICE, ()) is seen


def test_a_lost_bid_goes_back_to_the_others():
    again = CHOSEN.lost_bid(BID.id, NOW)

    assert (again.state, again.chosen, again.lost) == (State.OPEN, (), (BID.id,))


def test_what_fails_is_closed_and_what_its_owner_closes_has_not_failed():
    failed = LEASED.failing("workload-exited", "It ended.", NOW).ended(1_000, NOW)
    closed = LEASED.closing(NOW).ended(2_000, NOW)

    assert (failed.state, failed.refunded_uact, failed.explanation) == (State.FAILED, 499_000, "It ended.")
    assert (closed.state, closed.refunded_uact) == (State.CLOSED, 498_000)
    assert failed.ending is not None
    assert failed.ending.code == "workload-exited"


def test_at_its_end_a_workload_has_no_address_any_more():
    assert ACTIVE.closing(NOW).ended(0, NOW).uris == ()


def test_closing_twice_is_closing_once():
    closing = ACCEPTED.closing(NOW)
    ended = closing.ended(0, NOW)

    assert closing.closing(NOW) is closing
    assert ended.closing(NOW) is ended


def test_bids_are_gathered_for_as_long_as_their_window():
    assert not OPEN.has_gathered(after(4.9))
    assert OPEN.has_gathered(after(5))


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        (None, "Closed by its owner."),
        (CloseReason.OWNER, "Closed by its owner."),
        (
            CloseReason.INSUFFICIENT_FUNDS,
            "Closed by its owner. The market had closed it before: insufficient_funds.",
        ),
        (CloseReason.UNSTABLE, "Closed by its owner. The market had closed it before: unstable."),
    ],
)
def test_it_is_closed_for_what_came_first(reason: CloseReason | None, note: str):
    ended = ACTIVE.closing(NOW).ended(0, NOW, reason)

    assert (ended.state, ended.close_reason, ended.explanation) == (State.CLOSED, reason, note)


def test_what_failed_keeps_its_own_reason_beside_the_markets():
    ended = ACTIVE.failing("insufficient-funds", "Used up.", NOW).ended(
        5, NOW, CloseReason.INSUFFICIENT_FUNDS
    )

    assert (ended.state, ended.explanation) == (State.FAILED, "Used up.")
    assert ended.close_reason is CloseReason.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(
    ("deployment", "limit_s", "code"),
    [
        (ACCEPTED, 300, "market-timeout"),
        (OPEN, 300, "no-acceptable-bid"),
        (CHOSEN, 300, "market-timeout"),
        (LEASED, 200, "manifest-timeout"),
    ],
    ids=["created", "open", "chosen", "leased"],
)
def test_no_state_on_the_way_lasts_longer_than_its_deadline(
    deployment: Deployment, limit_s: float, code: str
):
    assert deployment.in_time(after(limit_s - 0.1)) is deployment

    late = deployment.in_time(after(limit_s))

    assert late.state is State.CLOSING
    assert late.ending is not None
    assert late.ending.code == code


@pytest.mark.parametrize(
    "deployment", [ACTIVE, ACTIVE.closing(NOW), ACTIVE.closing(NOW).ended(0, NOW)], ids=lambda d: str(d.state)
)
def test_what_runs_or_is_being_closed_has_no_deadline(deployment: Deployment):
    assert deployment.in_time(after(10**9)) is deployment


def test_a_deadline_counts_from_the_state_and_not_from_the_request():
    late_order = ACCEPTED.opened(after(1000))

    assert late_order.in_time(after(1299)) is late_order


def test_without_an_acceptable_bid_the_ending_says_how_many_there_were():
    declined = (Declined(provider="sim1b", reason="Too busy.", cause=Cause.CAPACITY),)

    failing = OPEN.saw(
        Choice((ScoredBid(bid=BID, rank=None, reason="Too dear.", cause=Cause.PRICE),), (1,)), declined
    ).without_bid(NOW)

    assert failing.explanation == "None of 1 bid(s) met the terms; 1 did not bid: 1 capacity, 1 price."


@pytest.mark.parametrize("deployment", [LEASED, ACTIVE], ids=lambda d: str(d.state))
def test_a_lost_lease_leads_to_a_new_order_without_the_provider_that_closed_it(deployment: Deployment):
    relisted = deployment.lost_leases("lease-lost", "The provider has closed the lease.", [BID.id], [1], NOW)

    assert (relisted.state, relisted.order_number) == (State.CREATED, 2)
    assert (relisted.leases, relisted.chosen, relisted.uris) == ((), (), ())
    assert relisted.lost == (BID.id,)
    assert relisted.explanation == "The provider has closed the lease. Asking for bids once more."


def test_a_deployment_whose_leases_are_closed_again_and_again_gives_up():
    deployment = ACTIVE
    for _ in range(MAX_ORDERS - 1):
        relisted = deployment.lost_leases("lease-lost", "Closed.", [BID.id], [1], NOW)
        deployment = relisted.opened(NOW).saw(CHOICE, ()).chose([BID], NOW).got_leases([LEASE], NOW)

    given_up = deployment.lost_leases("lease-lost", "Closed.", [BID.id], [1], NOW)

    assert given_up.state is State.CLOSING
    assert given_up.ending is not None
    assert given_up.ending.code == "lease-lost"


def test_a_step_that_makes_no_sense_is_a_bug_and_says_so():
    with pytest.raises(IllegalTransition, match="created -> leased"):
        ACCEPTED.got_leases([LEASE], NOW)
    with pytest.raises(IllegalTransition, match="closed -> open"):
        ACCEPTED.closing(NOW).ended(0, NOW).opened(NOW)


Move = Callable[[Deployment], Deployment]
MOVES: dict[str, Move] = {
    "opened": lambda d: d.opened(NOW),
    "chose": lambda d: d.saw(CHOICE, ()).chose([BID], NOW),
    "lost": lambda d: d.lost_bid(BID.id, NOW),
    "leased": lambda d: d.got_leases([LEASE], NOW),
    "running": lambda d: d.running((), "", NOW),
    "lease lost": lambda d: d.lost_leases("lease-lost", "Closed.", [BID.id], [1], NOW),
    "failing": lambda d: d.failing("code", "text", NOW),
    "late": lambda d: d.in_time(after(1000)),
    "closing": lambda d: d.closing(NOW),
    "ended": lambda d: d.ended(1, NOW),
}


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=30))
def test_whatever_happens_an_end_is_an_end_and_an_order_is_leased_once(moves: list[str]):
    deployment, leases = ACCEPTED, 0
    for move in moves:
        before = deployment
        try:
            deployment = MOVES[move](deployment)
        except IllegalTransition:
            continue
        leases += deployment.leases is not before.leases and deployment.leases != ()
        assert deployment.revision >= before.revision
        assert before.state not in ENDED or deployment is before
    assert leases <= deployment.order_number <= MAX_ORDERS
    assert (deployment.refunded_uact is not None) == (deployment.state in ENDED)


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=10))
def test_from_wherever_it_is_a_deployment_can_be_brought_to_an_end(moves: list[str]):
    deployment = ACCEPTED
    for move in moves:
        try:
            deployment = MOVES[move](deployment)
        except IllegalTransition:
            continue

    closing = deployment.closing(NOW)

    assert closing.state in ENDED or closing.ended(0, NOW).state in ENDED
