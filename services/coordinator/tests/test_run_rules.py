"""The reducer, move by move: what is due, what waits, and how a run ends."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain.attempt import Failure, State
from mesh_coordinator.domain.limits import Room
from mesh_coordinator.domain.run import (
    DENIED,
    ITEM_FAILED,
    NO_AGENT,
    NO_BID,
    Approval,
    Ask,
    AttemptFacts,
    Auction,
    Award,
    Close,
    End,
    Expand,
    Invite,
    Move,
    OnFailure,
    RunStatus,
    Start,
    StepFacts,
    StepStatus,
    Stop,
    Stopping,
    Undo,
    closed,
    decide,
    waited_for,
)
from run_facts import DONE, POOR, ROOM, run, step

WORKING = AttemptFacts(state=State.INVOKING)


def running(id: str, *attempts: AttemptFacts, **more: Any) -> StepFacts:
    return step(id, status=StepStatus.RUNNING, attempts=attempts, **more)


def moves(*steps: StepFacts, room: Room = ROOM, **more: Any) -> list[Move]:
    return list(decide(run(*steps, **more), room))


def test_every_step_whose_needs_are_met_starts_at_once():
    assert moves(step("a"), step("b"), step("c", "a")) == [Start("a", 1), Start("b", 1)]


def test_a_step_waits_until_all_that_it_needs_has_succeeded():
    done = step("a", status=StepStatus.SUCCEEDED, attempts=(DONE,))

    assert moves(done, running("b", WORKING), step("c", "a", "b")) == []


def test_no_more_steps_run_at_once_than_the_run_allows():
    assert moves(running("a", WORKING), step("b"), step("c"), parallel=2) == [Start("b", 1)]


def test_no_more_attempts_are_opened_than_there_is_room():
    assert moves(step("a"), step("b"), room=Room(1, 9)) == [Start("a", 1)]


@pytest.mark.parametrize("room", [Room(0, 9), Room(-3, 9), Room(9, 2, {"x": 2})])
def test_without_room_a_run_waits_and_does_not_end(room: Room):
    assert moves(step("a"), room=room) == []


def test_a_step_whose_agent_is_busy_lets_others_pass():
    steps = step("a"), step("b", agents=("y",)), step("c", agents=("y",)), step("d", agents=("z",))

    assert moves(*steps, room=Room(9, 1, {"x": 1})) == [Start("b", 1), Start("d", 1)]


def test_a_run_without_room_knows_for_whom_it_waits():
    steps = running("a", POOR), step("b", agents=("z",)), step("c", "b")

    assert waited_for(run(*steps)) == ["y", "z"]
    assert waited_for(run(*steps, parallel=1)) == ["y"]
    assert waited_for(run(*steps, is_paused=True)) == []


def test_a_late_run_stops_for_its_deadline():
    done = step("a", status=StepStatus.SUCCEEDED, attempts=(DONE,))

    assert moves(done, step("b"), is_late=True) == [Stop(Stopping.DEADLINE)]


def test_a_run_that_is_done_is_not_late():
    assert moves(step("a", status=StepStatus.SUCCEEDED, attempts=(DONE,)), is_late=True) == [
        End(RunStatus.SUCCEEDED)
    ]


def test_good_work_closes_its_step():
    assert moves(running("a", DONE)) == [Close("a", StepStatus.SUCCEEDED, attempt=1)]


def test_a_step_succeeds_as_soon_as_its_money_is_settled_and_before_it_is_rated():
    released = AttemptFacts(state=State.RELEASED)

    assert moves(running("a", released)) == [Close("a", StepStatus.SUCCEEDED, attempt=1)]


def test_after_a_failure_the_next_agent_is_tried():
    assert moves(running("a", POOR)) == [Start("a", 2)]


def test_a_step_fails_with_the_last_agent_s_failure_when_nobody_is_left():
    timed_out = AttemptFacts(state=State.CLOSED, failure=Failure.TIMED_OUT)

    assert moves(running("a", POOR, timed_out)) == [Close("a", StepStatus.FAILED, "timed-out", 2)]


def test_a_step_for_which_nobody_can_be_hired_fails_by_itself():
    assert moves(step("a", agents=()), step("b")) == [Close("a", StepStatus.FAILED, NO_AGENT)]


def test_what_needs_a_failed_step_is_skipped():
    failed = step("a", status=StepStatus.FAILED, attempts=(POOR,))

    assert moves(failed, step("b", "a")) == [Close("b", StepStatus.SKIPPED, "need-not-met")]


def test_fail_fast_stops_the_run_at_the_first_failure_of_a_required_step():
    failed = step("a", status=StepStatus.FAILED)

    assert moves(failed, running("b", WORKING), step("c"), on_failure=OnFailure.FAIL_FAST) == [
        Stop(Stopping.FAILED)
    ]


def test_fail_fast_goes_on_when_an_optional_step_fails():
    failed = step("a", status=StepStatus.FAILED, is_optional=True)

    assert moves(failed, step("b"), on_failure=OnFailure.FAIL_FAST) == [Start("b", 1)]


@pytest.mark.parametrize("reason", list(Stopping))
def test_a_stopping_run_starts_nothing_and_waits_for_what_runs(reason: Stopping):
    assert moves(running("a", WORKING), step("b"), stopping=reason) == [
        Close("b", StepStatus.SKIPPED, f"run-{reason}")
    ]
    assert moves(running("a", WORKING), stopping=reason) == []
    closing = Close("a", StepStatus.FAILED, "poor-quality", 1)
    assert moves(running("a", POOR), stopping=reason) == [closing]


def test_a_run_ends_only_when_its_ratings_are_given():
    settled = step("a", status=StepStatus.SUCCEEDED, attempts=(AttemptFacts(state=State.RELEASED),))

    assert moves(settled) == []
    assert moves(replace(settled, attempts=(DONE,))) == [End(RunStatus.SUCCEEDED)]


SUCCEEDED = step("ok", status=StepStatus.SUCCEEDED, attempts=(DONE,))
FAILED = step("no", status=StepStatus.FAILED, attempts=(POOR, POOR))
SKIPPED = step("skipped", status=StepStatus.SKIPPED)


@pytest.mark.parametrize(
    ("steps", "stopping", "status"),
    [
        ([SUCCEEDED], None, RunStatus.SUCCEEDED),
        ([SUCCEEDED, replace(FAILED, is_optional=True)], None, RunStatus.SUCCEEDED),
        ([SUCCEEDED], Stopping.CANCELLED, RunStatus.SUCCEEDED),
        ([SUCCEEDED, FAILED], None, RunStatus.PARTIAL),
        ([SUCCEEDED, FAILED], Stopping.FAILED, RunStatus.FAILED),
        ([SUCCEEDED, SKIPPED], Stopping.CANCELLED, RunStatus.CANCELLED),
        ([SUCCEEDED, SKIPPED], Stopping.DEADLINE, RunStatus.CANCELLED),
        ([FAILED], None, RunStatus.FAILED),
        ([FAILED, SKIPPED], None, RunStatus.FAILED),
        ([FAILED], Stopping.CANCELLED, RunStatus.CANCELLED),
        ([replace(FAILED, is_optional=True)], None, RunStatus.SUCCEEDED),
    ],
)
def test_how_a_run_ends(steps: list[StepFacts], stopping: Stopping | None, status: RunStatus):
    assert moves(*steps, stopping=stopping) == [End(status)]


@pytest.mark.parametrize(
    ("steps", "due"),
    [
        ([SUCCEEDED, FAILED], End(RunStatus.SUCCEEDED)),
        ([SUCCEEDED, FAILED, step("a")], Start("a", 1)),
        ([SUCCEEDED, replace(SUCCEEDED, is_optional=True), step("a")], Start("a", 1)),
        ([FAILED, SKIPPED], Stop(Stopping.FAILED)),
        ([FAILED, replace(SUCCEEDED, is_optional=True)], Stop(Stopping.FAILED)),
    ],
)
def test_a_quorum_is_enough_and_a_run_stops_when_it_is_out_of_reach(steps: list[StepFacts], due: Move):
    assert moves(*steps, quorum=1) == [due]


def test_a_run_that_missed_its_quorum_has_failed():
    assert moves(SUCCEEDED, FAILED, FAILED, quorum=2, stopping=Stopping.FAILED) == [End(RunStatus.FAILED)]


@given(st.lists(st.sampled_from([SUCCEEDED, FAILED, SKIPPED]), min_size=1, max_size=6), st.integers(1, 6))
def test_a_run_ends_well_exactly_when_its_quorum_succeeded(steps: list[StepFacts], quorum: int):
    quorum = min(quorum, len(steps))
    done = sum(one.status is StepStatus.SUCCEEDED for one in steps)
    stopping = Stopping.FAILED if done < quorum else None

    assert moves(*steps, quorum=quorum, stopping=stopping) == [
        End(RunStatus.SUCCEEDED if done >= quorum else RunStatus.FAILED)
    ]


def awaiting(id: str, approval: Approval, **more: Any) -> StepFacts:
    return step(id, status=StepStatus.AWAITING_APPROVAL, approval=approval, **more)


def test_a_person_is_asked_once_all_that_a_step_needs_has_succeeded_whether_there_is_room_or_not():
    asking = step("b", "ok", approval=Approval.NEEDED)

    assert moves(SUCCEEDED, asking, room=Room(0, 0)) == [Ask("b")]
    assert moves(step("a"), step("b", "a", approval=Approval.NEEDED)) == [Start("a", 1)]


def test_a_step_waits_for_its_approval_and_lets_others_pass():
    assert moves(awaiting("a", Approval.REQUESTED), step("b")) == [Start("b", 1)]
    assert moves(awaiting("a", Approval.REQUESTED)) == []


def test_an_approved_step_starts_and_a_denied_one_fails():
    assert moves(awaiting("a", Approval.APPROVED)) == [Start("a", 1)]
    assert moves(awaiting("a", Approval.DENIED)) == [Close("a", StepStatus.FAILED, DENIED)]


@pytest.mark.parametrize("approval", [Approval.REQUESTED, Approval.APPROVED])
def test_a_stopping_run_waits_for_nobody(approval: Approval):
    assert moves(awaiting("a", approval), stopping=Stopping.DEADLINE) == [
        Close("a", StepStatus.SKIPPED, "run-deadline")
    ]


def test_nobody_is_asked_about_a_step_that_nobody_can_do():
    assert moves(step("a", agents=(), approval=Approval.NEEDED)) == [Close("a", StepStatus.FAILED, NO_AGENT)]


def test_a_paused_run_starts_nothing_and_asks_nobody_but_finishes_what_is_under_way():
    asking = step("c", approval=Approval.NEEDED)

    assert moves(step("a"), running("b", POOR), asking, is_paused=True) == []
    closing = Close("a", StepStatus.SUCCEEDED, attempt=1)
    assert moves(running("a", DONE), step("b"), is_paused=True) == [closing]


def test_a_paused_run_can_end_be_cancelled_and_be_late():
    assert moves(SUCCEEDED, is_paused=True) == [End(RunStatus.SUCCEEDED)]
    assert moves(step("a"), is_paused=True, is_late=True) == [Stop(Stopping.DEADLINE)]
    assert moves(step("a"), is_paused=True, stopping=Stopping.CANCELLED) == [
        Close("a", StepStatus.SKIPPED, "run-cancelled")
    ]


def item(id: str, status: StepStatus = StepStatus.PENDING, **more: Any) -> StepFacts:
    return step(id, parent="m", status=status, **more)


MAPPED = step("m", is_mapped=True, status=StepStatus.RUNNING)


def test_a_mapped_step_is_expanded_without_room_once_its_needs_are_met_and_it_is_approved():
    assert moves(SUCCEEDED, step("m", "ok", is_mapped=True), room=Room(0, 0)) == [Expand("m")]
    assert moves(step("m", is_mapped=True, approval=Approval.NEEDED)) == [Ask("m")]
    assert moves(awaiting("m", Approval.APPROVED, is_mapped=True)) == [Expand("m")]


def test_items_start_like_steps_and_their_parent_takes_no_place_of_theirs():
    assert moves(MAPPED, item("m.1"), item("m.2"), item("m.3"), parallel=2) == [
        Start("m.1", 1),
        Start("m.2", 1),
    ]


def test_a_mapped_step_succeeds_with_all_of_its_items_and_without_any():
    done = item("m.1", StepStatus.SUCCEEDED)

    assert moves(MAPPED, done, replace(done, id="m.2")) == [Close("m", StepStatus.SUCCEEDED)]
    assert moves(MAPPED) == [Close("m", StepStatus.SUCCEEDED)]


def test_a_mapped_step_fails_with_the_first_of_its_items_and_the_others_are_not_begun():
    failed = item("m.1", StepStatus.FAILED)

    assert moves(MAPPED, failed, item("m.2")) == [Close("m", StepStatus.FAILED, ITEM_FAILED)]
    assert moves(replace(MAPPED, status=StepStatus.FAILED), failed, item("m.2"), step("z", "m")) == [
        Close("m.2", StepStatus.SKIPPED, "need-not-met"),
        Close("z", StepStatus.SKIPPED, "need-not-met"),
    ]


def test_a_mapped_step_of_a_stopping_run_is_skipped_with_its_items():
    skipped = item("m.1", StepStatus.SKIPPED)

    assert moves(MAPPED, skipped, stopping=Stopping.CANCELLED) == [
        Close("m", StepStatus.SKIPPED, "run-cancelled")
    ]


def test_items_count_as_a_part_of_their_parent():
    failed = [replace(MAPPED, status=StepStatus.FAILED), item("m.1", StepStatus.FAILED)]

    assert moves(*failed, SUCCEEDED, quorum=1) == [End(RunStatus.SUCCEEDED)]
    assert moves(*failed, item("m.2", StepStatus.SUCCEEDED)) == [End(RunStatus.FAILED)]


def done(id: str, *needs: str, **more: Any) -> StepFacts:
    return step(id, *needs, status=StepStatus.SUCCEEDED, attempts=(DONE,), is_undoable=True, **more)


def undo(id: str, **more: Any) -> StepFacts:
    return step(f"{id}.undo", id, parent=id, is_undo=True, is_optional=True, agents=("x",), **more)


def test_a_failed_run_takes_back_what_succeeded_last_needed_first():
    steps = done("a"), step("b", "a", status=StepStatus.SUCCEEDED), done("c", "b"), done("d"), FAILED
    stopping = Stopping.FAILED

    assert moves(*steps, stopping=stopping) == [Undo("c"), Undo("d")]
    assert moves(*steps, undo("c"), undo("d"), stopping=stopping) == [
        Start("c.undo", 1),
        Start("d.undo", 1),
    ]
    undone = [undo(id, status=StepStatus.SUCCEEDED, attempts=(DONE,)) for id in "cd"]
    assert moves(*steps, *undone, stopping=stopping) == [Undo("a")]


def test_what_cannot_be_taken_back_keeps_nothing_else_from_being():
    failed = undo("c", status=StepStatus.FAILED, attempts=(POOR,))

    assert moves(done("a"), done("c", "a"), failed, FAILED, stopping=Stopping.FAILED) == [Undo("a")]


def test_a_run_that_goes_well_enough_takes_nothing_back():
    assert moves(done("a")) == [End(RunStatus.SUCCEEDED)]
    assert moves(done("a"), FAILED) == [End(RunStatus.PARTIAL)]
    assert moves(done("a"), FAILED, quorum=1) == [End(RunStatus.SUCCEEDED)]


def test_items_are_taken_back_one_by_one_before_what_their_parent_needs():
    parent = step("m", "a", is_mapped=True, is_undoable=True, status=StepStatus.SUCCEEDED)
    items = [done(f"m.{n}", "a", parent="m") for n in (1, 2)]

    assert moves(done("a"), parent, *items, FAILED, stopping=Stopping.FAILED) == [
        Undo("m.1"),
        Undo("m.2"),
    ]


def test_a_cancelled_run_ends_as_cancelled_when_all_is_taken_back():
    undone = undo("a", status=StepStatus.SUCCEEDED, attempts=(DONE,))

    assert moves(done("a"), SKIPPED, undone, stopping=Stopping.CANCELLED) == [End(RunStatus.CANCELLED)]


SLOW = AttemptFacts(state=State.INVOKING, is_slow=True)


def test_beside_a_slow_agent_the_next_is_tried_and_takes_no_place_of_another_step():
    slow = running("a", SLOW)

    assert moves(slow, step("b"), parallel=1) == [Start("a", 2, is_hedge=True)]
    assert moves(slow, step("b"), parallel=2) == [Start("a", 2, is_hedge=True), Start("b", 1)]


def test_no_more_agents_are_tried_than_there_are_and_than_there_is_room_for():
    assert moves(running("a", SLOW, SLOW)) == []
    assert moves(running("a", SLOW), room=Room(0, 9)) == []
    assert moves(running("a", SLOW), stopping=Stopping.CANCELLED) == []


@pytest.mark.parametrize(
    ("attempts", "winner"),
    [((SLOW, DONE), 2), ((DONE, SLOW), 1), ((POOR, DONE), 2), ((DONE, DONE), 1)],
)
def test_the_first_good_result_closes_a_step_whoever_gave_it(attempts: tuple[AttemptFacts, ...], winner: int):
    assert moves(running("a", *attempts)) == [Close("a", StepStatus.SUCCEEDED, attempt=winner)]


def test_steps_that_ended_are_all_that_is_new_in_a_run():
    before = run(running("a", DONE), step("b", "a"), parallel=3)

    after = closed(before, {"a": StepStatus.SUCCEEDED})

    assert after == run(replace(before.steps[0], status=StepStatus.SUCCEEDED), step("b", "a"), parallel=3)


def test_a_step_fails_when_all_of_its_agents_did():
    assert moves(running("a", SLOW, POOR)) == []
    assert moves(running("a", POOR, POOR)) == [Close("a", StepStatus.FAILED, "poor-quality", 2)]


def test_a_run_ends_only_when_those_who_were_slower_are_paid_or_refunded():
    late = step("a", status=StepStatus.SUCCEEDED, attempts=(WORKING, DONE))

    assert moves(late) == []


def test_bids_are_taken_once_all_that_a_step_needs_has_succeeded_and_awarded_when_time_is_over():
    assert moves(SUCCEEDED, step("a", "ok", auction=Auction.NEEDED), room=Room(0, 0)) == [Invite("a")]
    assert moves(step("a", status=StepStatus.TAKING_BIDS, auction=Auction.OPEN)) == []
    assert moves(step("a", status=StepStatus.TAKING_BIDS, auction=Auction.OVER)) == [Award("a")]
    assert moves(step("a", auction=Auction.AWARDED)) == [Start("a", 1)]


def test_a_person_is_asked_when_the_price_is_known():
    asking = step("a", auction=Auction.NEEDED, approval=Approval.NEEDED)

    assert moves(asking) == [Invite("a")]
    assert moves(replace(asking, auction=Auction.AWARDED)) == [Ask("a")]


def test_a_step_for_which_nobody_bids_fails():
    assert moves(step("a", auction=Auction.IN_VAIN)) == [Close("a", StepStatus.FAILED, NO_BID)]


def test_a_stopping_run_takes_no_bids():
    open_step = step("a", status=StepStatus.TAKING_BIDS, auction=Auction.OVER)

    assert moves(open_step, stopping=Stopping.CANCELLED) == [Close("a", StepStatus.SKIPPED, "run-cancelled")]
