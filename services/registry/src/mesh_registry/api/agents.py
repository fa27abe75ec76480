"""Agents: found by anyone, registered by those who may."""

from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from mesh_shared.auth.tokens import Principal
from mesh_shared.web import conditional, pages
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute
from mesh_shared.web.security import allow
from mesh_shared.wire import Capability, Hex32
from pydantic import BaseModel

from mesh_registry.schemas.agents import AgentView, FeedbackView, ReputationView
from mesh_registry.schemas.registrations import AgentRequest, DraftRequest, DraftView, OperationView
from mesh_registry.service import WRITE, Registry

router = APIRouter(prefix="/v1", tags=["agents"], route_class=MeshRoute)

Writer = Annotated[Principal, allow(WRITE)]
AgentId = Annotated[Hex32, Path(description="Keccak-256 of the agent's name.")]
Wait = Annotated[
    Literal["confirmed"] | None,
    Query(description="Answer when the agent can be found, or after 30 s.", examples=[None]),
]


def registry(request: Request) -> Registry:
    return request.app.state.service


InRegistry = Annotated[Registry, Depends(registry)]


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
    responses={201: {"description": "Registered and found.", "model": OperationView}},
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
    authorization = body.authorization and body.authorization.authorization()
    operation = await registry.registrar.register(body.wish(), authorization, caller.subject)
    if wait is not None:
        operation = await registry.registrar.confirmed(operation.id)
    if wait is not None and operation.is_over:
        response.status_code = 201
        response.headers["Location"] = f"/v1/agents/{operation.registration.agent_id}"
    else:
        response.headers["Location"] = f"/v1/operations/{operation.id}"
    return OperationView.of(operation)


@router.get("/agents", operation_id="list_agents", summary="Find agents")
async def list_agents(
    request: Request,
    response: Response,
    registry: InRegistry,
    capability: Annotated[Capability | None, Query(examples=["text.summarize"])] = None,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> pages.Page[AgentView]:
    """Active agents, best first: by reputation, then stake, then id. No agent is asked while searching."""
    after = pages.position(request, cursor)
    found = await registry.discovery.best(capability, after[0] if after else "", limit)
    last = [listing.agent.place for listing in found[-1:]]
    page = pages.page(request, response, [AgentView.of(listing) for listing in found], limit, last)
    _tag(request, response, page)
    return page


@router.get("/agents/{agent_id}", operation_id="get_agent", summary="Get an agent")
async def get_agent(
    agent_id: AgentId, request: Request, response: Response, registry: InRegistry
) -> AgentView:
    """The agent, active or not."""
    view = AgentView.of(await registry.discovery.agent(agent_id))
    _tag(request, response, view)
    return view


@router.get("/agents/{agent_id}/reputation", operation_id="get_reputation", summary="Get a reputation")
async def get_reputation(
    agent_id: AgentId,
    request: Request,
    response: Response,
    registry: InRegistry,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> ReputationView:
    """The reputation, and the feedback that it is made of, newest first."""
    before = pages.position(request, cursor)
    position = (before[0], before[1]) if before else None
    agent, found = await registry.discovery.feedback(agent_id, position, limit)
    last = [value for feedback in found[-1:] for value in (feedback.block_number, feedback.log_index)]
    items = [FeedbackView.of(feedback) for feedback in found]
    view = ReputationView.about(agent, pages.page(request, response, items, limit, last))
    _tag(request, response, view)
    return view


@router.get("/operations/{operation_id}", operation_id="get_operation", summary="Get an operation")
async def get_operation(
    operation_id: UUID, request: Request, response: Response, registry: InRegistry
) -> OperationView:
    """Where a registration stands."""
    operation = await registry.registrar.operation(operation_id)
    view = OperationView.of(operation, registry.registrar.refusal(operation))
    _tag(request, response, view)
    return view


def _tag(request: Request, response: Response, view: BaseModel) -> None:
    """Whoever has the view already, as it is, gets 304."""
    conditional.tag(request, response, sha256(view.model_dump_json().encode()).hexdigest())
