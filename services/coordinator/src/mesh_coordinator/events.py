"""The facts that this service publishes. None carries a task's text, a parameter or a result."""

from typing import ClassVar

from mesh_shared.events.event import Event
from mesh_shared.wire import Units, Uuid

from mesh_coordinator.domain.attempt import State
from mesh_coordinator.domain.run import RunStatus, StepStatus


class _OfRun(Event):
    run_id: Uuid

    def subject(self) -> str:
        return str(self.run_id)


class RunStarted(_OfRun):
    """A run was accepted; it goes on by itself from here."""

    topic: ClassVar[str] = "coordinator.run-started.v1"

    steps: int
    budget: Units


class ApprovalRequested(_OfRun):
    """A step waits for a person; `price` is the most that its agents ask for.

    With `attempt` its result does: the checks find it neither good nor bad.
    """

    topic: ClassVar[str] = "coordinator.approval-requested.v1"

    step_id: str
    approval_id: Uuid
    price: Units
    attempt: int | None = None


class StepCompleted(_OfRun):
    """A step has ended, however it ended."""

    topic: ClassVar[str] = "coordinator.step-completed.v1"

    step_id: str
    status: StepStatus
    reason: str | None
    agent_id: str | None
    attempts: int


class RunCompleted(_OfRun):
    """Everything of a run is done, money and ratings included."""

    topic: ClassVar[str] = "coordinator.run-completed.v1"

    status: RunStatus
    spent: Units


class _OfEscrow(_OfRun):
    step_id: str
    attempt: int
    escrow_id: str
    agent_id: str
    amount: Units

    def subject(self) -> str:
        return self.escrow_id


class EscrowOpened(_OfEscrow):
    """The price of an attempt is locked on the chain."""

    topic: ClassVar[str] = "coordinator.escrow-opened.v1"

    provider: str


class EscrowUnknown(_OfEscrow):
    """Nobody knows what became of our transaction; the escrow is read, what had no effect is sent again."""

    topic: ClassVar[str] = "coordinator.escrow-unknown.v1"

    state: State


class EscrowReleased(_OfEscrow):
    """The provider was paid."""

    topic: ClassVar[str] = "coordinator.escrow-released.v1"

    score_bps: int


class EscrowRefunded(_OfEscrow):
    """The money came back to us."""

    topic: ClassVar[str] = "coordinator.escrow-refunded.v1"

    score_bps: int
    reason: str | None


class QualityScored(_OfRun):
    """A result was judged against what was expected of it, once more after a review."""

    topic: ClassVar[str] = "coordinator.quality-scored.v1"

    step_id: str
    attempt: int
    agent_id: str
    score_bps: int
    is_decided: bool
