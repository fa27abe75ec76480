"""What people decide about steps and results that wait for them, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_coordinator.api.runs import Service
from mesh_coordinator.domain.run import Approval
from mesh_coordinator.schemas.requests import DecisionBody
from mesh_coordinator.schemas.runs import ApprovalView
from mesh_coordinator.service import APPROVE

router = APIRouter(prefix="/v1", tags=["runs"], route_class=MeshRoute)

Approver = Annotated[Principal, allow(APPROVE)]
_DECISIONS = {"approve": Approval.APPROVED, "deny": Approval.DENIED}


@router.post("/runs/{run_id}/approvals/{approval_id}", operation_id="decide_approval")
async def decide_approval(
    run_id: UUID, approval_id: UUID, body: DecisionBody, caller: Approver, service: Service
) -> ApprovalView:
    """Lets a step start, or fail; or has a result paid, or not. The same decision again changes nothing.

    409 `approval-decided` for another one, `approval-expired` when the run stopped, or the time was over.
    """
    decision = _DECISIONS[body.decision]
    return ApprovalView.decided(await service.approvals.decide(run_id, approval_id, decision, caller.subject))
