"""Agents: seen by anyone."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.wire import Hex32

from mesh_registry.api.answers import InRegistry, tag
from mesh_registry.domain.agents import Feedback, Validation
from mesh_registry.schemas.agents import (
    FeedbackView,
    ReputationView,
    ValidationsView,
    ValidationView,
)
from mesh_registry.schemas.details import AgentDetail

router = APIRouter(prefix="/v1", tags=["agents"], route_class=MeshRoute)

AgentId = Annotated[Hex32, Path(description="Keccak-256 of the agent's name.")]


@router.get("/agents/{agent_id}", operation_id="get_agent", summary="Get an agent")
async def get_agent(
    agent_id: AgentId, request: Request, response: Response, registry: InRegistry
) -> AgentDetail:
    """The agent, active or not, with the verdict on its card and what validators answered."""
    view = AgentDetail.about(await registry.showing.profile(agent_id))
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
    agent, found = await registry.discovery.feedback(agent_id, _before(request, cursor), limit)
    items = [FeedbackView.of(feedback) for feedback in found]
    view = ReputationView.about(agent, pages.page(request, response, items, limit, _last(found)))
    tag(request, response, view)
    return view


@router.get("/agents/{agent_id}/validations", operation_id="list_validations", summary="List validations")
async def list_validations(
    agent_id: AgentId,
    request: Request,
    response: Response,
    registry: InRegistry,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> ValidationsView:
    """What validators were asked about the agent and answered, newest request first."""
    before = _before(request, cursor)
    (count, average), found = await registry.discovery.validations(agent_id, before, limit)
    items = [ValidationView.of(validation) for validation in found]
    page = pages.page(request, response, items, limit, _last(found))
    view = ValidationsView(**dict(page), answeredCount=count, averageResponse=average)
    tag(request, response, view)
    return view


def _before(request: Request, cursor: str | None) -> tuple[int, int] | None:
    """Block number and log index of the last item on the page before."""
    position = pages.position(request, cursor)
    return (position[0], position[1]) if position else None


def _last(found: Sequence[Feedback | Validation]) -> list[int]:
    """The same of the last of `found`; empty when there is none."""
    return [value for one in found[-1:] for value in (one.block_number, one.log_index)]
