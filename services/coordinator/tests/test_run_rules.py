"""The reducer: whatever happens to attempts, a run keeps its order, its limits and its word, and ends."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from mesh_coordinator.domain.attempt import DECIDED, ENDED, Failure, State
from mesh_coordinator.domain.limits import Room
from mesh_coordinator.domain.run import (
    CLOSED_STEPS,
    DENIED,
    NO_AGENT,
    Approval,
    Ask,
    AttemptFacts,
    Close,
    End,
    Move,
    OnFailure,
    RunFacts,
    RunStatus,
    Start,
    StepFacts,
    StepStatus,
    Stop,
    Stopping,
    decide,
)

ROOM = Room(1_000, 1_000)
DONE = AttemptFacts(state=State.RATED)
POOR = AttemptFacts(state=State.RATED, failure=Failure.POOR_QUALITY)
WORKING = AttemptFacts(state=State.INVOKING)


def step(id: str, *needs: str, **more: Any) -> StepFacts:
    told: dict[str, Any] = {"status": StepStatus.PENDING, "is_optional": False, "agents": ("x", "y")}
    return StepFacts(id=id, needs=needs, **(told | more))


def running(id: str, *attempts: AttemptFacts, **more: Any) -> StepFacts:
    return step(id, status=StepStatus.RUNNING, attempts=attempts, **more)


def run(*steps: StepFacts, **more: Any) -> RunFacts:
    told: dict[str, Any] = {"on_failure": OnFailure.PARTIAL, "stopping": None, "parallel": 8}
    return RunFacts(steps=steps, **(told | more))


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


def test_a_late_run_stops_for_its_deadline():
    done = step("a", status=StepStatus.SUCCEEDED, attempts=(DONE,))

    assert moves(done, step("b"), is_late=True) == [Stop(Stopping.DEADLINE)]


def test_a_run_that_is_done_is_not_late():
    assert moves(step("a", status=StepStatus.SUCCEEDED, attempts=(DONE,)), is_late=True) == [
        End(RunStatus.SUCCEEDED)
    ]


def test_good_work_closes_its_step():
    assert moves(running("a", DONE)) == [Close("a", StepStatus.SUCCEEDED)]


def test_a_step_succeeds_as_soon_as_its_money_is_settled_and_before_it_is_rated():
    assert moves(running("a", AttemptFacts(state=State.RELEASED))) == [Close("a", StepStatus.SUCCEEDED)]


def test_after_a_failure_the_next_agent_is_tried():
    assert moves(running("a", POOR)) == [Start("a", 2)]


def test_a_step_fails_with_the_last_agent_s_failure_when_nobody_is_left():
    timed_out = AttemptFacts(state=State.CLOSED, failure=Failure.TIMED_OUT)

    assert moves(running("a", POOR, timed_out)) == [Close("a", StepStatus.FAILED, "timed-out")]


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
    assert moves(running("a", POOR), stopping=reason) == [Close("a", StepStatus.FAILED, "poor-quality")]


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


@dataclass
class Story:
    """A run carried out by `decide` alone, with agents, people and interruptions as the dice have it."""

    facts: RunFacts
    status: RunStatus = RunStatus.RUNNING
    started: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    steps: dict[str, StepFacts] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = {one.id: one for one in self.facts.steps}

    @property
    def now(self) -> RunFacts:
        return replace(self.facts, steps=tuple(self.steps.values()))

    def change(self, id: str, **changes: Any) -> None:
        self.steps[id] = replace(self.steps[id], **changes)

    def carry_out(self, move: Move) -> None:
        match move:
            case Start(id, number):
                one = self.steps[id]
                assert not self.facts.is_paused
                assert all(self.steps[need].status is StepStatus.SUCCEEDED for need in one.needs)
                assert one.approval in (None, Approval.APPROVED)
                assert number == len(one.attempts) + 1 <= len(one.agents)
                self.started.append((id, number))
                opened = AttemptFacts(state=State.SELECTED)
                self.change(id, status=StepStatus.RUNNING, attempts=(*one.attempts, opened))
            case Ask(id):
                assert self.steps[id].approval is Approval.NEEDED
                assert all(self.steps[need].status is StepStatus.SUCCEEDED for need in self.steps[id].needs)
                self.change(id, status=StepStatus.AWAITING_APPROVAL, approval=Approval.REQUESTED)
            case Close(id, status, reason):
                assert self.steps[id].status not in CLOSED_STEPS
                assert (reason is None) == (status is StepStatus.SUCCEEDED)
                self.change(id, status=status)
            case Stop(reason):
                assert self.facts.stopping is None
                self.facts = replace(self.facts, stopping=reason)
            case End(status):
                self.status = status

    def conduct(self) -> None:
        """Carries out all that is due."""
        while self.status is RunStatus.RUNNING and (due := decide(self.now, ROOM)):
            for move in due:
                self.carry_out(move)

    def go_on(self, dice: random.Random) -> None:
        """Something happens: an attempt moves, a person decides, or somebody interrupts."""
        attempts, asked = self.open_attempts, self.asked
        if not (attempts or asked):
            assert self.facts.is_paused
            self.facts = replace(self.facts, is_paused=False)
        elif dice.randrange(15) == 0:
            self.facts = replace(self.facts, is_paused=not self.facts.is_paused)
        elif dice.randrange(30) == 0:
            self.facts = replace(self.facts, stopping=self.facts.stopping or Stopping.CANCELLED)
        elif asked and (dice.random() < 0.5 or not attempts):
            self.change(asked[0], approval=dice.choice([Approval.APPROVED, Approval.DENIED]))
        else:
            self.move_on(*dice.choice(attempts), dice)

    def move_on(self, id: str, place: int, attempt: AttemptFacts, dice: random.Random) -> None:
        """An attempt goes some states further; what is decided stays so."""
        nexts = OUTCOMES[4:] if attempt.state in DECIDED else OUTCOMES
        kept = [o for o in nexts if attempt.state not in DECIDED or o.failure == attempt.failure]
        attempts = self.steps[id].attempts
        self.change(id, attempts=(*attempts[:place], dice.choice(kept), *attempts[place + 1 :]))

    @property
    def open_attempts(self) -> list[tuple[str, int, AttemptFacts]]:
        numbered = [
            (one.id, place, attempt)
            for one in self.steps.values()
            for place, attempt in enumerate(one.attempts)
        ]
        return [(id, place, attempt) for id, place, attempt in numbered if attempt.state not in ENDED]

    @property
    def asked(self) -> list[str]:
        return [one.id for one in self.steps.values() if one.approval is Approval.REQUESTED and is_open(one)]

    @property
    def at_work(self) -> int:
        return sum(
            one.status is StepStatus.RUNNING and one.attempts[-1].state not in DECIDED
            for one in self.steps.values()
        )


def is_open(one: StepFacts) -> bool:
    return one.status not in CLOSED_STEPS


OUTCOMES = [
    AttemptFacts(state=State.INVOKING),
    AttemptFacts(state=State.SETTLING, failure=Failure.TIMED_OUT),
    AttemptFacts(state=State.RELEASED),
    AttemptFacts(state=State.REFUNDED, failure=Failure.POOR_QUALITY),
    AttemptFacts(state=State.RATED),
    AttemptFacts(state=State.RATED, failure=Failure.POOR_QUALITY),
    AttemptFacts(state=State.CLOSED),
    AttemptFacts(state=State.CLOSED, failure=Failure.UNREACHABLE),
]


AGENTS = st.lists(st.sampled_from("xyz"), max_size=3, unique=True).map(tuple)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    steps: list[StepFacts] = []
    for n in range(draw(st.integers(1, 12))):
        needs = (
            draw(st.lists(st.sampled_from([one.id for one in steps]), unique=True, max_size=3))
            if steps
            else []
        )
        agents, is_optional = draw(AGENTS), draw(st.booleans())
        approval = draw(st.sampled_from([None, None, Approval.NEEDED]))
        steps.append(step(f"s{n}", *needs, agents=agents, is_optional=is_optional, approval=approval))
    on_failure, parallel = draw(st.sampled_from(OnFailure)), draw(st.integers(1, 4))
    quorum = draw(st.none() | st.integers(1, len(steps)))
    return Story(run(*steps, on_failure=on_failure, parallel=parallel, quorum=quorum))


@given(stories(), st.integers(0, 2**32))
@settings(max_examples=200)
def test_every_run_ends_and_keeps_its_order_and_limits_on_the_way(story: Story, seed: int):
    dice = random.Random(seed)  # noqa: S311 - the same story each time

    for _ in range(600):
        story.conduct()
        assert story.at_work <= story.facts.parallel
        if story.status is not RunStatus.RUNNING:
            break
        story.go_on(dice)

    event(f"ended {story.status}")
    assert story.status is not RunStatus.RUNNING
    assert not any(is_open(one) for one in story.steps.values())
    assert not story.open_attempts
    assert len(story.started) == len(set(story.started))


@given(st.integers(100, 500), st.integers(1, 32), st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_a_graph_of_up_to_five_hundred_steps_is_worked_through_in_its_order(
    count: int, parallel: int, seed: int
):
    dice = random.Random(seed)  # noqa: S311 - the same graph each time
    steps = [step(f"s{n}", *{f"s{dice.randrange(n)}" for _ in range(min(n, 3))}) for n in range(count)]
    story = Story(run(*dice.sample(steps, count), parallel=parallel))

    while story.status is RunStatus.RUNNING:
        story.conduct()
        assert story.at_work <= parallel
        for id, place, _ in story.open_attempts:
            attempts = story.steps[id].attempts
            story.change(id, attempts=(*attempts[:place], dice.choice([DONE, DONE, DONE, POOR])))

    done = sum(one.status is StepStatus.SUCCEEDED for one in story.steps.values())
    assert story.status is (RunStatus.SUCCEEDED if done == count else RunStatus.PARTIAL)
    assert not any(is_open(one) for one in story.steps.values())


@given(stories(), st.builds(Room, st.integers(-2, 20), st.integers(1, 3)))
def test_deciding_twice_from_one_record_gives_the_same_moves(story: Story, room: Room):
    assert list(decide(story.now, room)) == list(decide(story.now, room))


@given(stories(), st.integers(0, 5), st.integers(1, 3))
def test_never_more_starts_than_room(story: Story, total: int, per_agent: int):
    starts = [move for move in decide(story.now, Room(total, per_agent)) if isinstance(move, Start)]

    assert len(starts) <= total
    agents = Counter(story.steps[start.step].agents[start.number - 1] for start in starts)
    assert all(count <= per_agent for count in agents.values())


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
    assert moves(running("a", DONE), step("b"), is_paused=True) == [Close("a", StepStatus.SUCCEEDED)]


def test_a_paused_run_can_end_be_cancelled_and_be_late():
    assert moves(SUCCEEDED, is_paused=True) == [End(RunStatus.SUCCEEDED)]
    assert moves(step("a"), is_paused=True, is_late=True) == [Stop(Stopping.DEADLINE)]
    assert moves(step("a"), is_paused=True, stopping=Stopping.CANCELLED) == [
        Close("a", StepStatus.SKIPPED, "run-cancelled")
    ]
