"""Agents are registered by those who may; what was accepted is followed by anyone."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow

from mesh_registry.api.answers import InRegistry, tag
from mesh_registry.domain.operations import Operation
from mesh_registry.schemas.operations import BatchItem, BatchView, OperationView
from mesh_registry.schemas.registrations import AgentRequest, BatchRequest, DraftRequest, DraftView
from mesh_registry.service import WRITE, Registry

router = APIRouter(prefix="/v1", tags=["agents"], route_class=MeshRoute)

Writer = Annotated[Principal, allow(WRITE)]
Wait = Annotated[
    Literal["confirmed"] | None,
    Query(description="Answer when the index shows it, or after 30 s.", examples=[None]),
]


FOUND: dict[int | str, dict[str, Any]] = {
    201: {"description": "Registered and found.", "model": OperationView}
}


@router.post("/registrations", operation_id="draft_registration", summary="Draft a registration")
async def draft_registration(body: DraftRequest, caller: Writer, registry: InRegistry) -> DraftView:
    """What an owner signs to have its agent registered: the key stays with the owner.

    Nothing is stored or registered yet: send the same body to `POST /v1/agents` with the signatures.
    """
    return DraftView.of(await registry.registrar.draft(body.wish(), body.owner))


@router.post(
    "/agents",
    status_code=202,
    operation_id="register_agent",
    summary="Register an agent",
    responses=FOUND,
)
async def register_agent(
    body: AgentRequest,
    response: Response,
    caller: Writer,
    registry: InRegistry,
    key: RequiredIdempotencyKey,
    wait: Wait = None,
) -> OperationView:
    """Stores the metadata, signs the transaction, and follows it until the index has the agent.

    202 with the operation at `Location`; with `wait=confirmed` 201 and the agent, once it can be found.
    409 names what the contract refuses; then nothing was registered and no gas was spent.
    """
    operation = await registry.registrar.register(body.signed_wish(), caller.subject)
    return await accepted(operation, response, registry, wait)


async def accepted(operation: Operation, response: Response, registry: Registry, wait: Wait) -> OperationView:
    """201 with the agent once it can be found, if that was waited for; else 202 with the operation."""
    if wait is not None:
        operation = await registry.operating.confirmed(operation.id)
    if wait is not None and operation.is_over:
        response.status_code = 201
        response.headers["Location"] = f"/v1/agents/{operation.intent.agent_id}"
    else:
        response.headers["Location"] = f"/v1/operations/{operation.id}"
    return OperationView.of(operation)


@router.post(
    "/agents/batch", status_code=202, operation_id="register_agents", summary="Register up to 50 agents"
)
async def register_agents(
    body: BatchRequest, caller: Writer, registry: InRegistry, key: RequiredIdempotencyKey
) -> BatchView:
    """Each item becomes an operation of its own or has a problem of its own; none spoils another.

    Repeating it is safe, with all items or some: the same registration is the same operation. When the
    chain or the store is down it is 503 for all, to be repeated.
    """
    wishes = [agent.signed_wish() for agent in body.agents]
    outcomes = await registry.registrar.register_all(wishes, caller.subject)
    return BatchView(items=[BatchItem.of(outcome) for outcome in outcomes])


@router.get("/operations/{operation_id}", operation_id="get_operation", summary="Get an operation")
async def get_operation(
    operation_id: UUID, request: Request, response: Response, registry: InRegistry
) -> OperationView:
    """Where a registration or a change stands."""
    operation = await registry.operating.operation(operation_id)
    view = OperationView.of(operation, registry.operating.refusal(operation))
    tag(request, response, view)
    return view
