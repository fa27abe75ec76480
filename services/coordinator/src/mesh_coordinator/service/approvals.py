"""Approvals: a step waits until a person has said whether it may start."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from mesh_shared.bell import Bell
from mesh_shared.database.engine import Database

from mesh_coordinator.domain.run import Approval, RunStatus
from mesh_coordinator.errors import ApprovalDecided, ApprovalExpired
from mesh_coordinator.repository.runs import Runs
from mesh_coordinator.repository.tables import StepRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDesk:
    """Takes what people decide."""

    database: Database
    news: Bell
    """Rung for the conductor."""

    async def decide(self, run_id: UUID, approval_id: UUID, decision: Approval, by: str) -> StepRow:
        """The step with the decision on record; the same decision again changes nothing.

        Raises `RunNotFound`, `ApprovalNotFound`, `ApprovalDecided`, or `ApprovalExpired` when the run stopped
        before anybody decided.
        """
        async with self.database.write() as session:
            run = await Runs(session).locked(run_id)
            step = await Runs(session).asked(run_id, approval_id)
            if step.approval == decision:
                return step
            if step.approval != Approval.REQUESTED:
                raise ApprovalDecided(str(step.approval))
            if run.stopping is not None or run.status != RunStatus.RUNNING:
                raise ApprovalExpired
            now = datetime.now(UTC)
            step.approval, step.approval_by, step.approval_at = decision, by, now
            data = {"step": step.id, "approval_id": str(approval_id), "by": by}
            Runs(session).happened(run, f"step.{decision}", data, now)
        self.news.ring()
        return step
