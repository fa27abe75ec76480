"""The reducer on whole runs: whatever happens, a run keeps its order, its limits and its word, and ends."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from mesh_coordinator.domain.attempt import DECIDED, ENDED, Failure, State
from mesh_coordinator.domain.limits import Room
from mesh_coordinator.domain.run import (
    CLOSED_STEPS,
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
    RunFacts,
    RunStatus,
    Start,
    StepFacts,
    StepStatus,
    Stop,
    Stopping,
    Undo,
    decide,
    is_open,
)
from run_facts import DONE, POOR, ROOM, run, step


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
            case Start():
                self.start(move)
            case Invite() | Award() | Ask():
                self.wait_for_others(move)
            case Expand(id):
                self.expand(id)
            case Undo(id):
                self.take_back(id)
            case Close(id, status, reason, number):
                assert self.steps[id].status not in CLOSED_STEPS
                assert (reason is None) == (status is StepStatus.SUCCEEDED)
                counted = self.steps[id].attempts[number - 1] if number else None
                assert counted is None or (counted.failure is None) == (status is StepStatus.SUCCEEDED)
                self.change(id, status=status)
            case Stop(reason):
                assert self.facts.stopping is None
                self.facts = replace(self.facts, stopping=reason)
            case End(status):
                self.status = status

    def start(self, move: Start) -> None:
        one = self.steps[move.step]
        assert not self.facts.is_paused
        assert all(self.steps[need].status is StepStatus.SUCCEEDED for need in one.needs)
        assert self.facts.stopping is None or one.is_undo
        assert one.approval in (None, Approval.APPROVED)
        assert one.auction in (None, Auction.AWARDED)
        assert move.number == len(one.attempts) + 1 <= len(one.agents)
        self.started.append((move.step, move.number))
        opened = AttemptFacts(state=State.RESERVING)
        self.change(move.step, status=StepStatus.RUNNING, attempts=(*one.attempts, opened))

    def wait_for_others(self, move: Invite | Award | Ask) -> None:
        """Bids are taken, then awarded; a person is asked."""
        match move:
            case Invite(id):
                assert self.steps[id].auction is Auction.NEEDED
                self.change(id, status=StepStatus.TAKING_BIDS, auction=Auction.OPEN)
            case Award(id):
                assert self.steps[id].auction is Auction.OVER
                told = Auction.AWARDED if self.steps[id].needs else Auction.IN_VAIN
                self.change(id, status=StepStatus.PENDING, auction=told)
            case Ask(id):
                assert self.steps[id].approval is Approval.NEEDED
                assert all(self.steps[need].status is StepStatus.SUCCEEDED for need in self.steps[id].needs)
                self.change(id, status=StepStatus.AWAITING_APPROVAL, approval=Approval.REQUESTED)

    def expand(self, id: str) -> None:
        assert all(self.steps[need].status is StepStatus.SUCCEEDED for need in self.steps[id].needs)
        self.change(id, status=StepStatus.RUNNING)
        for n in range(1, 1 + len(self.steps[id].agents)):
            item = replace(
                self.steps[id],
                id=f"{id}.{n}",
                parent=id,
                is_mapped=False,
                approval=None,
                auction=None,
                status=StepStatus.PENDING,
            )
            self.steps[item.id] = item

    def take_back(self, id: str) -> None:
        """A step is made that undoes another, after all that were undone of those that needed it."""
        assert self.steps[id].is_undoable
        assert self.steps[id].status is StepStatus.SUCCEEDED
        assert not any(id in self.steps[other].needs for other in self.undoable_left if other != id)
        undo = step(f"{id}.undo", id, parent=id, is_undo=True, is_optional=True, agents=("x",))
        self.steps[undo.id] = undo

    @property
    def undoable_left(self) -> list[str]:
        """Steps that succeeded and were not taken back."""
        undone = {one.parent for one in self.steps.values() if one.is_undo}
        return [
            one.id
            for one in self.steps.values()
            if one.is_undoable
            and not one.is_mapped
            and one.status is StepStatus.SUCCEEDED
            and one.id not in undone
        ]

    def conduct(self) -> None:
        """Carries out all that is due."""
        while self.status is RunStatus.RUNNING and (due := decide(self.now, ROOM)):
            for move in due:
                self.carry_out(move)

    def go_on(self, dice: random.Random) -> None:
        """Something happens: an attempt moves, a person decides, or somebody interrupts."""
        attempts, asked, bid_for = self.open_attempts, self.asked, self.bid_for
        if bid_for and not self.facts.is_paused:
            self.change(bid_for[0], auction=Auction.OVER)
        elif not (attempts or asked):
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
    def undone(self) -> list[str]:
        return [one.id for one in self.steps.values() if one.is_undo]

    @property
    def open_attempts(self) -> list[tuple[str, int, AttemptFacts]]:
        numbered = [
            (one.id, place, attempt)
            for one in self.steps.values()
            for place, attempt in enumerate(one.attempts)
        ]
        return [(id, place, attempt) for id, place, attempt in numbered if attempt.state not in ENDED]

    @property
    def bid_for(self) -> list[str]:
        return [one.id for one in self.steps.values() if one.auction is Auction.OPEN and is_open(one)]

    @property
    def asked(self) -> list[str]:
        return [one.id for one in self.steps.values() if one.approval is Approval.REQUESTED and is_open(one)]

    @property
    def at_work(self) -> int:
        return sum(
            one.status is StepStatus.RUNNING
            and not one.is_mapped
            and any(attempt.state not in DECIDED for attempt in one.attempts)
            for one in self.steps.values()
        )


OUTCOMES = [
    AttemptFacts(state=State.INVOKING, is_slow=True),
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
        more = {
            "is_optional": is_optional,
            "approval": approval,
            "auction": draw(st.sampled_from([None, None, Auction.NEEDED])),
            "is_mapped": draw(st.integers(0, 3)) == 0,
            "is_undoable": draw(st.booleans()),
        }
        steps.append(step(f"s{n}", *needs, agents=agents, **more))
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
    assert (story.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL)) or not story.undoable_left
    assert story.status not in (RunStatus.SUCCEEDED, RunStatus.PARTIAL) or not story.undone
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
    some = RunStatus.PARTIAL if done else RunStatus.FAILED
    assert story.status is (RunStatus.SUCCEEDED if done == count else some)
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
