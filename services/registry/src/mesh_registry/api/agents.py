"""Agents: found by anyone."""

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from mesh_shared.web import conditional, pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.wire import Capability, Hex32
from pydantic import BaseModel

from mesh_registry.schemas.agents import AgentView, FeedbackView, ReputationView
from mesh_registry.service import Registry

router = APIRouter(prefix="/v1", tags=["agents"], route_class=MeshRoute)

AgentId = Annotated[Hex32, Path(description="Keccak-256 of the agent's name.")]


def registry(request: Request) -> Registry:
    return request.app.state.service


InRegistry = Annotated[Registry, Depends(registry)]


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
    tag(request, response, page)
    return page


@router.get("/agents/{agent_id}", operation_id="get_agent", summary="Get an agent")
async def get_agent(
    agent_id: AgentId, request: Request, response: Response, registry: InRegistry
) -> AgentView:
    """The agent, active or not."""
    view = AgentView.of(await registry.discovery.agent(agent_id))
    tag(request, response, view)
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
    tag(request, response, view)
    return view


def tag(request: Request, response: Response, view: BaseModel) -> None:
    """Whoever has the view already, as it is, gets 304."""
    conditional.tag(request, response, sha256(view.model_dump_json().encode()).hexdigest())
