"""Cancelling races completion a thousand times: however they meet, the money ends once and the run ends."""

import random
from dataclasses import dataclass

from mesh_coordinator.domain.attempt import ENDED, NEXT, Failure, Happening, State, after
from mesh_coordinator.domain.limits import Room
from mesh_coordinator.domain.run import (
    AttemptFacts,
    Close,
    End,
    OnFailure,
    RunFacts,
    RunStatus,
    Start,
    StepFacts,
    StepStatus,
    Stopping,
    decide,
)

RACES = 1_000
BEFORE_THE_CALL = frozenset({State.RESERVING, State.FUNDED})
"""Where an attempt looks whether its run is stopping."""
ONLY_FREE = frozenset({Happening.NOTHING_OWED, Happening.CHARGED})
FAILED = frozenset({Happening.CALL_FAILED, Happening.UNSIGNED, Happening.NOT_SUBMITTED})


@dataclass
class Race:
    """A run of one paid step; `moment` is before which happening the cancellation comes."""

    dice: random.Random
    moment: int
    state: State | None = None
    failure: Failure | None = None
    is_closed: StepStatus | None = None
    is_cancelled: bool = False
    status: RunStatus = RunStatus.RUNNING
    opened: int = 0
    endings: int = 0
    calls: int = 0
    calls_after_cancelling: int = 0

    def facts(self) -> RunFacts:
        attempts = () if self.state is None else (AttemptFacts(state=self.state, failure=self.failure),)
        running = StepStatus.PENDING if self.state is None else StepStatus.RUNNING
        one = StepFacts(
            id="a",
            needs=(),
            status=self.is_closed or running,
            agents=("x",),
            is_optional=False,
            attempts=attempts,
        )
        stopping = Stopping.CANCELLED if self.is_cancelled else None
        return RunFacts(steps=(one,), on_failure=OnFailure.PARTIAL, stopping=stopping, parallel=1, owner="")

    def decide(self) -> None:
        while self.status is RunStatus.RUNNING and (due := decide(self.facts(), Room(9, 9))):
            for move in due:
                match move:
                    case Start():
                        self.state = State.RESERVING
                    case Close(_, status):
                        self.is_closed = status
                    case End(status):
                        self.status = status
                    case _:
                        raise AssertionError(move)

    def happen(self) -> None:
        """The attempt goes one state further, withdrawn where it sees the cancellation."""
        assert self.state is not None
        ways = sorted(NEXT[self.state])
        if self.is_cancelled and self.state in BEFORE_THE_CALL:
            ways = [Happening.WITHDRAWN]
        happening = self.dice.choice([way for way in ways if way not in ONLY_FREE])
        self.opened += happening in (Happening.OPENED, Happening.HELD)
        self.calls += happening is Happening.CALLED
        self.calls_after_cancelling += self.is_cancelled and happening is Happening.CALLED
        self.endings += happening in (Happening.RELEASED, Happening.REFUNDED)
        if happening in FAILED:
            self.failure = Failure.TIMED_OUT
        elif happening in (Happening.WITHDRAWN, Happening.UNAFFORDABLE, Happening.NOT_OPENED):
            self.failure = Failure.WITHDRAWN
        self.state = after(self.state, happening)

    def run(self) -> None:
        for now in range(30):
            self.is_cancelled = self.is_cancelled or now == self.moment
            self.decide()
            if self.status is not RunStatus.RUNNING:
                return
            if self.state is not None and self.state not in ENDED:
                self.happen()


def test_however_a_cancellation_meets_an_attempt_its_money_ends_once_and_nobody_is_called_after_it():
    dice = random.Random(371)  # noqa: S311 - the same races each time
    seen: set[RunStatus] = set()

    for _ in range(RACES):
        race = Race(dice, moment=dice.randint(0, 11))
        race.run()
        seen.add(race.status)
        assert race.status is not RunStatus.RUNNING
        assert race.endings == race.opened <= 1
        assert race.calls <= race.opened
        assert race.calls_after_cancelling == 0

    assert seen >= {RunStatus.SUCCEEDED, RunStatus.CANCELLED}
