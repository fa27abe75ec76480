"""What may happen next in a run, from what is on record: a pure reducer.

The loop in `service.conductor` carries out what `decide` says and asks again. Deciding twice from the same
record gives the same moves, so that a loop that was killed in between loses nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mesh_coordinator.domain.attempt import DECIDED, ENDED, Failure, State
from mesh_coordinator.domain.limits import ENDLESS, Room


class RunStatus(StrEnum):
    """Running, and the four ways to end."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    """Pending, waiting for bids or for a person, running, and the three ways to end."""

    PENDING = "pending"
    TAKING_BIDS = "taking_bids"
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Approval(StrEnum):
    """What a person has to say before a step starts, and has said."""

    NEEDED = "needed"
    REQUESTED = "requested"
    APPROVED = "approved"
    DENIED = "denied"


class Auction(StrEnum):
    """How a step's agents and prices are found by bids: open for a time, over, then awarded or in vain."""

    NEEDED = "needed"
    OPEN = "open"
    OVER = "over"
    AWARDED = "awarded"
    IN_VAIN = "in_vain"


class OnFailure(StrEnum):
    """What the failure of a required step means: the end of the run, or a gap in it."""

    FAIL_FAST = "fail_fast"
    PARTIAL = "partial"


class Stopping(StrEnum):
    """Why nothing new is started any more."""

    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    FAILED = "failed"


NOT_STARTED = frozenset({StepStatus.PENDING, StepStatus.TAKING_BIDS, StepStatus.AWAITING_APPROVAL})
CLOSED_STEPS = frozenset({StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """What the reducer has to know of an attempt; `failure` is None for a success, and before the end.

    One that `is_slow` has been called for so long that the next agent may be called beside it.
    """

    state: State
    failure: Failure | None = None
    is_slow: bool = False

    @property
    def is_decided(self) -> bool:
        """True when it is known whether it was a success."""
        return self.state in DECIDED


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFacts:
    """A step and its attempts so far, oldest first; `agents` may be tried, in that order.

    `auction` is None for a step at listed prices, `approval` for one about which nobody is asked. A step that
    `is_mapped` is done by its items, steps whose `parent` it is. One that `is_undoable` is taken back when
    the run fails, by a step that `is_undo`.
    """

    id: str
    needs: tuple[str, ...]
    status: StepStatus
    is_optional: bool
    agents: tuple[str, ...]
    attempts: tuple[AttemptFacts, ...] = ()
    auction: Auction | None = None
    approval: Approval | None = None
    is_mapped: bool = False
    parent: str | None = None
    is_undoable: bool = False
    is_undo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A run as it is on record; at most `parallel` of its steps run at once.

    `owner` is who asked for it, `version` counts what happened to it; `is_late` says that its deadline has
    passed; a paused run starts nothing. With a `quorum` it is a success when so many required steps succeed,
    and stops when they cannot any more.
    """

    steps: tuple[StepFacts, ...]
    on_failure: OnFailure
    stopping: Stopping | None
    parallel: int
    owner: str = ""
    version: int = 0
    is_late: bool = False
    is_paused: bool = False
    quorum: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Try the next agent for a step; a hedge is tried beside one that is slow."""

    step: str
    number: int
    is_hedge: bool = False


@dataclass(frozen=True, slots=True)
class Invite:
    """Take bids for a step."""

    step: str


@dataclass(frozen=True, slots=True)
class Award:
    """Take no more bids for a step, and the best of them."""

    step: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a person whether a step may start."""

    step: str


@dataclass(frozen=True, slots=True)
class Expand:
    """Make a step for each element of the array that a mapped step refers to."""

    step: str


@dataclass(frozen=True, slots=True)
class Undo:
    """Make a step that takes back what a step did."""

    step: str


@dataclass(frozen=True, slots=True)
class Close:
    """A step has ended; `reason` is the failure's name, or what it waited for in vain.

    `attempt` is the number of the one that counts: the first success, or the last failure; 0 without any.
    """

    step: str
    status: StepStatus
    reason: str | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """Start nothing more."""

    reason: Stopping


@dataclass(frozen=True, slots=True)
class End:
    """Everything is done, money and ratings included."""

    status: RunStatus


Move = Start | Invite | Award | Ask | Expand | Undo | Close | Stop | End
NO_AGENT = "no-acceptable-agent"
NO_BID = "no-bid"
DENIED = "approval-denied"
ITEM_FAILED = "item-failed"
NEED_NOT_MET = "need-not-met"


def decide(run: RunFacts, room: Room) -> Sequence[Move]:
    """The moves that are due now; none while the run waits for its attempts, or for room.

    Closing goes before starting, since what closes decides what may start.
    """
    closing = [*_closings(run)]
    if closing:
        return closing
    if run.stopping is None and (reason := _stop_reason(run)) is not None:
        return [Stop(reason)]
    starting = [*_auctions(run), *_questions(run), *_expansions(run), *_starts(run, room)]
    if starting or not _is_over(run):
        return starting
    status = _status(run)
    undoing = [*_undoings(run)] if status in (RunStatus.FAILED, RunStatus.CANCELLED) else []
    return undoing or [End(status)]


def closed(run: RunFacts, ends: Mapping[str, StepStatus]) -> RunFacts:
    """The run once these steps have ended so, and nothing else has changed."""
    steps = (replace(step, status=ends.get(step.id, step.status)) for step in run.steps)
    return replace(run, steps=tuple(steps))


def waited_for(run: RunFacts) -> Sequence[str]:
    """The agents, in order, that would be tried now if they had room; of a run in which nothing is due."""
    agents = {step.id: step.agents for step in run.steps}
    starts = (move for move in decide(run, ENDLESS) if isinstance(move, Start))
    return [agents[start.step][start.number - 1] for start in starts]


def _closings(run: RunFacts) -> Iterator[Close]:
    status = {step.id: step.status for step in run.steps}
    items: defaultdict[str, list[StepStatus]] = defaultdict(list)
    for step in run.steps:
        if step.parent is not None:
            items[step.parent].append(step.status)
    for step in run.steps:
        if step.status is StepStatus.RUNNING:
            yield from _gathering(run, step, items[step.id]) if step.is_mapped else _ending(run, step)
        elif step.is_undo:
            continue
        elif step.parent is not None and status[step.parent] in CLOSED_STEPS and is_open(step):
            yield Close(step.id, StepStatus.SKIPPED, NEED_NOT_MET)
        elif is_open(step):
            yield from _dropping(run, step, [status[need] for need in step.needs])


def is_open(step: StepFacts) -> bool:
    """True until it is known how the step ended."""
    return step.status not in CLOSED_STEPS


def _gathering(run: RunFacts, step: StepFacts, items: Sequence[StepStatus]) -> Iterator[Close]:
    """The end of a mapped step: all of its items succeeded, or one did not. Only a stop skips items."""
    if all(status is StepStatus.SUCCEEDED for status in items):
        yield Close(step.id, StepStatus.SUCCEEDED)
    elif StepStatus.FAILED in items:
        yield Close(step.id, StepStatus.FAILED, ITEM_FAILED)
    elif StepStatus.SKIPPED in items:
        yield Close(step.id, StepStatus.SKIPPED, f"run-{run.stopping}")


def _ending(run: RunFacts, step: StepFacts) -> Iterator[Close]:
    """The end of a running step: one attempt succeeded, or all failed and no other will follow."""
    tried = len(step.attempts)
    for number, attempt in enumerate(step.attempts, 1):
        if attempt.is_decided and attempt.failure is None:
            yield Close(step.id, StepStatus.SUCCEEDED, attempt=number)
            return
    if not _is_at_work(step) and (run.stopping is not None or tried >= len(step.agents)):
        yield Close(step.id, StepStatus.FAILED, step.attempts[-1].failure, tried)


def _dropping(run: RunFacts, step: StepFacts, needed: Sequence[StepStatus]) -> Iterator[Close]:
    """The end of a step that will never start."""
    if run.stopping is not None:
        yield Close(step.id, StepStatus.SKIPPED, f"run-{run.stopping}")
    elif {StepStatus.FAILED, StepStatus.SKIPPED}.intersection(needed):
        yield Close(step.id, StepStatus.SKIPPED, NEED_NOT_MET)
    elif step.approval is Approval.DENIED:
        yield Close(step.id, StepStatus.FAILED, DENIED)
    elif step.auction is Auction.IN_VAIN:
        yield Close(step.id, StepStatus.FAILED, NO_BID)
    elif not step.agents:
        yield Close(step.id, StepStatus.FAILED, NO_AGENT)


def _stop_reason(run: RunFacts) -> Stopping | None:
    if run.is_late and any(is_open(step) for step in run.steps):
        return Stopping.DEADLINE
    required = _required(run)
    failed = any(step.status is StepStatus.FAILED for step in required)
    lost = sum(step.status in (StepStatus.FAILED, StepStatus.SKIPPED) for step in required)
    if run.quorum is not None:
        return Stopping.FAILED if len(required) - lost < run.quorum else None
    return Stopping.FAILED if failed and run.on_failure is OnFailure.FAIL_FAST else None


def _auctions(run: RunFacts) -> Iterator[Invite | Award]:
    for step in _due(run):
        if step.auction is Auction.NEEDED:
            yield Invite(step.id)
        elif step.auction is Auction.OVER:
            yield Award(step.id)


def _questions(run: RunFacts) -> Iterator[Ask]:
    """A person is asked once nothing else keeps a step from starting, whether there is room or not."""
    for step in _due(run):
        if step.approval is Approval.NEEDED and step.auction in (None, Auction.AWARDED):
            yield Ask(step.id)


def _expansions(run: RunFacts) -> Iterator[Expand]:
    for step in _due(run):
        if step.is_mapped and _may_start(step):
            yield Expand(step.id)


def _starts(run: RunFacts, room: Room) -> Iterator[Start]:
    """What is due and has room: in the run, in all, and with the agent whose turn it is."""
    places = run.parallel - sum(_is_at_work(step) for step in run.steps)
    taken: Counter[str] = Counter()
    for step in _due(run):
        if step.is_mapped or not _may_start(step):
            continue
        agent = step.agents[len(step.attempts)]
        needs_place = not _is_at_work(step)  # beside a slow agent another takes none of its own
        if taken.total() < room.total and taken[agent] < room.at(agent) and places >= needs_place:
            taken[agent] += 1
            places -= needs_place
            yield Start(step.id, len(step.attempts) + 1, is_hedge=not needs_place)


def _may_start(step: StepFacts) -> bool:
    """True when neither bids nor a person are waited for."""
    return step.approval in (None, Approval.APPROVED) and step.auction in (None, Auction.AWARDED)


def _due(run: RunFacts) -> Iterator[StepFacts]:
    """Steps whose next agent may be tried; those that had one already go first."""
    if run.is_paused:
        return
    done = {step.id for step in run.steps if step.status is StepStatus.SUCCEEDED}
    steps = [step for step in run.steps if run.stopping is None or step.is_undo]
    for step in steps:
        if step.status is StepStatus.RUNNING and _needs_another(step):
            yield step
    for step in steps:
        if step.status in NOT_STARTED and done.issuperset(step.needs):
            yield step


def _needs_another(step: StepFacts) -> bool:
    """All that were tried failed, or the last one takes long; whoever succeeded closed the step."""
    if not step.attempts or len(step.attempts) >= len(step.agents):
        return False
    return not _is_at_work(step) or step.attempts[-1].is_slow


def _is_at_work(step: StepFacts) -> bool:
    """One whose last agent failed is not: it waits for its turn like the others."""
    is_tried = any(not attempt.is_decided for attempt in step.attempts)
    return step.status is StepStatus.RUNNING and not step.is_mapped and is_tried


def _undoings(run: RunFacts) -> Iterator[Undo]:
    """What succeeded is taken back in the reverse order of needs: first what nothing else of it needs."""
    undone = {step.parent for step in run.steps if step.is_undo}
    left = [step for step in run.steps if step.is_undoable and step.id not in undone]
    left = [step for step in left if step.status is StepStatus.SUCCEEDED and not step.is_mapped]
    needs = {step.id: step.needs for step in run.steps}
    needed: set[str] = set()
    ahead = [need for step in left for need in step.needs]
    while ahead:
        if (id := ahead.pop()) not in needed:
            needed.add(id)
            ahead += needs[id]
    for step in left:
        if needed.isdisjoint({step.id, step.parent}):
            yield Undo(step.id)


def _is_over(run: RunFacts) -> bool:
    attempts = (attempt for step in run.steps for attempt in step.attempts)
    return not any(is_open(step) for step in run.steps) and all(a.state in ENDED for a in attempts)


def _status(run: RunFacts) -> RunStatus:
    gaps = [step for step in _required(run) if step.status is not StepStatus.SUCCEEDED]
    if not gaps or _has_quorum(run):
        return RunStatus.SUCCEEDED
    if run.stopping in (Stopping.CANCELLED, Stopping.DEADLINE):
        return RunStatus.CANCELLED
    succeeded = any(step.status is StepStatus.SUCCEEDED and step.parent is None for step in run.steps)
    return RunStatus.PARTIAL if succeeded and run.stopping is None else RunStatus.FAILED


def _required(run: RunFacts) -> Sequence[StepFacts]:
    """Steps of the plan that are not optional; an item counts as a part of its parent."""
    return [step for step in run.steps if not step.is_optional and step.parent is None]


def _has_quorum(run: RunFacts) -> bool:
    done = sum(step.status is StepStatus.SUCCEEDED for step in _required(run))
    return run.quorum is not None and done >= run.quorum
