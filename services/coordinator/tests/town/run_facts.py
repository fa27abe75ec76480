"""Runs and steps as the reducer knows them."""

from typing import Any

from mesh_coordinator.domain.attempt import Failure, State
from mesh_coordinator.domain.limits import Room
from mesh_coordinator.domain.run import AttemptFacts, OnFailure, RunFacts, StepFacts, StepStatus

ROOM = Room(1_000, 1_000)
DONE = AttemptFacts(state=State.RATED)
POOR = AttemptFacts(state=State.RATED, failure=Failure.POOR_QUALITY)


def step(id: str, *needs: str, **more: Any) -> StepFacts:
    told: dict[str, Any] = {"status": StepStatus.PENDING, "is_optional": False, "agents": ("x", "y")}
    return StepFacts(id=id, needs=needs, **(told | more))


def run(*steps: StepFacts, **more: Any) -> RunFacts:
    told: dict[str, Any] = {"on_failure": OnFailure.PARTIAL, "stopping": None, "parallel": 8}
    return RunFacts(steps=steps, **(told | more))
