"""A2A cards come in: looked at, and registered."""

from fastapi import APIRouter, Request, Response
from mesh_shared.web.idempotency import RequiredIdempotencyKey
from mesh_shared.web.route import MeshRoute

from mesh_registry.api.agents import AgentId
from mesh_registry.api.answers import InRegistry, tag
from mesh_registry.api.registering import FOUND, Wait, Writer, accepted
from mesh_registry.schemas.cards import CardLook, CardRequest, CardView, FromCardRequest
from mesh_registry.schemas.operations import OperationView

router = APIRouter(prefix="/v1", tags=["cards"], route_class=MeshRoute)


@router.post("/cards", operation_id="look_at_card", summary="Look at an A2A card")
async def look_at_card(body: CardRequest, caller: Writer, registry: InRegistry) -> CardLook:
    """Fetches the card, checks its signatures, and says what would be registered. Nothing is stored.

    409 `card-unavailable` or `card-unfit` when there is no card that could be registered, `text-unfit` when a
    text of it hides something.
    """
    return CardLook.seen(*await registry.importer.look(body.url, body.capabilities))


@router.post(
    "/agents/from-card",
    status_code=202,
    operation_id="register_card",
    summary="Register an agent by its card",
    responses=FOUND,
)
async def register_card(
    body: FromCardRequest,
    response: Response,
    caller: Writer,
    registry: InRegistry,
    key: RequiredIdempotencyKey,
    wait: Wait = None,
) -> OperationView:
    """Fetches the card, registers what it says, and keeps the card with the verdict on its signatures.

    The address must be public, redirects are not followed, 256 KiB are read. 202 with the operation at
    `Location`; with `wait=confirmed` 201 and the agent, once it can be found. With
    `authorization` the agent belongs to the owner who signed the metadata that `POST /v1/cards` shows.
    """
    operation = await registry.importer.register(body.wish(), caller.subject)
    return await accepted(operation, response, registry, wait)


@router.get("/agents/{agent_id}/card", operation_id="get_card", summary="Get an agent's card")
async def get_card(agent_id: AgentId, request: Request, response: Response, registry: InRegistry) -> CardView:
    """The card that the agent was registered by, and what its signatures are worth.

    404 `card-not-found` when it was registered otherwise, or is no more what the card said of it.
    """
    view = CardView.of(await registry.importer.card(agent_id))
    tag(request, response, view)
    return view
