"""Approvals: a person says whether a step may start, or whether a result is good enough to be paid."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.bell import Bell
from mesh_shared.database.engine import Database

from mesh_coordinator.domain.attempt import State
from mesh_coordinator.domain.run import Approval, RunStatus
from mesh_coordinator.errors import ApprovalDecided, ApprovalExpired
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import AttemptRow, RunRow, StepRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDesk:
    """Takes what people decide."""

    database: Database
    news: Bell
    """Rung for the conductor."""

    async def decide(
        self, run_id: UUID, approval_id: UUID, decision: Approval, by: str
    ) -> StepRow | AttemptRow:
        """What was asked about, with the decision on record; the same decision again changes nothing.

        Raises `RunNotFound`, `ApprovalNotFound`, `ApprovalDecided`, or `ApprovalExpired` when the run stopped
        before anybody decided about a step, or the time for a result was over.
        """
        async with self.database.write() as session:
            run = await Runs(session).locked(run_id)
            asked = await Runs(session).asked(run_id, approval_id)
            if asked.approval == decision:
                return asked
            if asked.approval != Approval.REQUESTED:
                raise ApprovalDecided(str(asked.approval))
            if _is_over(run, asked):
                raise ApprovalExpired
            now = datetime.now(UTC)
            asked.approval, asked.approval_by, asked.approval_at = decision, by, now
            data = {"approval_id": str(approval_id), "by": by}
            if isinstance(asked, StepRow):
                Runs(session).happened(run, f"step.{decision}", {"step": asked.id} | data, now)
            else:
                place = {"step": asked.step_id, "attempt": asked.number}
                Runs(session).happened(run, f"attempt.{decision}", place | data, now)
        self.news.ring()
        return asked


def _is_over(run: RunRow, asked: StepRow | AttemptRow) -> bool:
    """Money that is locked waits for its verdict whether the run stops or not."""
    if isinstance(asked, AttemptRow):
        return asked.state != State.AWAITING
    return run.stopping is not None or run.status != RunStatus.RUNNING
