"""What agents bid for steps, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_coordinator.api.runs import Service
from mesh_coordinator.domain.references import STEP_ID
from mesh_coordinator.schemas.requests import BidBody
from mesh_coordinator.schemas.runs import BidView
from mesh_coordinator.service import BID

router = APIRouter(prefix="/v1", tags=["runs"], route_class=MeshRoute)

Bidder = Annotated[Principal, allow(BID)]


@router.post("/runs/{run_id}/steps/{step_id}/bids", status_code=201, operation_id="bid")
async def bid(
    run_id: UUID,
    step_id: Annotated[str, Path(pattern=rf"^{STEP_ID}$", examples=["summary"])],
    body: BidBody,
    caller: Bidder,
    service: Service,
) -> BidView:
    """Offers to do a step for a price, under the signature of the agent's owner; the last offer counts.

    409 `auction-closed`, `not-invited` when the agent is no candidate, `bid-too-high` or `bid-not-signed`.
    """
    return BidView.of(
        await service.auctions.bid(run_id, step_id, body.agent_id, int(body.price), body.signature)
    )
