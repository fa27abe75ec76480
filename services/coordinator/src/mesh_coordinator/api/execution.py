"""One paid call, and escrows, over HTTP."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.payment import PRICED, PaymentSignature
from mesh_shared.web.route import MeshRoute

from mesh_coordinator.api.runs import MAX_WAIT_S, Client, Service, paid
from mesh_coordinator.schemas.escrows import EscrowView, ExecutionView, ReconciliationView
from mesh_coordinator.schemas.requests import ExecutionBody
from mesh_coordinator.schemas.runs import RunView
from mesh_coordinator.service import id_for

router = APIRouter(prefix="/v1", tags=["escrows"], route_class=MeshRoute)


@router.post(
    "/execute",
    response_model=ExecutionView,
    operation_id="execute",
    responses={202: {"model": RunView, "description": "Not ended after 30 s: follow `Location`."}, **PRICED},
)
async def execute(
    body: ExecutionBody,
    caller: Client,
    service: Service,
    key: RequiredIdempotencyKey,
    payment: PaymentSignature = None,
) -> Response:
    """Escrows the price, invokes the agent, judges the result and settles: paid above 0.8, else refunded.

    One agent, no fallback. Waits up to 30 s for the money to be settled.
    """
    id = id_for(caller.subject, key, "execution")
    await service.runs.start(body.order(), id, caller.subject, payment)
    record = await service.runs.ended(id, MAX_WAIT_S)
    headers = {"Location": f"/v1/runs/{id}", **await paid(service, id)}
    if record.is_open:
        view = RunView.of_record(record)
        return JSONResponse(view.model_dump(mode="json"), HTTPStatus.ACCEPTED, headers)
    return JSONResponse(ExecutionView.of_record(record).model_dump(mode="json"), HTTPStatus.OK, headers)


EscrowId = Annotated[
    str, Path(pattern=r"^0x[0-9a-f]{64}$", description="32 bytes.", examples=["0x" + "ab" * 32])
]
CHAIN_IS_DOWN: dict[int | str, dict[str, Any]] = {
    503: {"description": "The chain does not answer; try again after `Retry-After`."}
}


@router.get(
    "/escrows/{escrow_id}",
    operation_id="get_escrow",
    responses=CHAIN_IS_DOWN,
)
async def get_escrow(escrow_id: EscrowId, caller: Client, service: Service) -> EscrowView:
    """What the contract holds under that id now, read from the chain, and the attempt that it pays for."""
    return EscrowView.of(await service.escrows.get(escrow_id))


@router.post("/escrows/{escrow_id}/reconcile", operation_id="reconcile_escrow", responses=CHAIN_IS_DOWN)
async def reconcile_escrow(escrow_id: EscrowId, caller: Client, service: Service) -> ReconciliationView:
    """Reads the contract and puts our record in agreement with it; again changes nothing.

    Records what the chain proves and sends nothing: what had no effect is sent again by the run itself.
    """
    return ReconciliationView.of_outcome(await service.reconciler.reconcile(escrow_id))
