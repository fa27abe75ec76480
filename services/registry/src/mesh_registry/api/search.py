"""Finding agents: open to anyone, answered from the index alone."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute
from mesh_shared.wire import Capability, Units

from mesh_registry.api.answers import InRegistry, tag, written
from mesh_registry.domain.chain import Status
from mesh_registry.domain.metadata import Protocol
from mesh_registry.domain.search import Criteria, Mode
from mesh_registry.schemas.agents import AgentView
from mesh_registry.schemas.search import (
    MAX_PRICE,
    MIN_REPUTATION,
    MODE,
    MOST_NAMES,
    STATUS,
    Prefix,
    SearchRequest,
    Text,
)
from mesh_registry.service import Registry
from mesh_registry.service.discovery import Spot

router = APIRouter(prefix="/v1", tags=["agents"], route_class=MeshRoute)

SEARCH = "/v1/agents/search"
"""Changes nothing, so it is open whatever is down."""
AgentPage = pages.Page[AgentView]
AllOf = Query(max_length=MOST_NAMES, description="All of them.")


@router.get("/agents", operation_id="list_agents", summary="Find agents", response_model=AgentPage)
async def list_agents(
    *,
    request: Request,
    response: Response,
    registry: InRegistry,
    capability: Annotated[list[Capability], AllOf] = [],  # noqa: B006 - FastAPI copies it
    prefix: Annotated[Prefix | None, Query(examples=[None])] = None,
    text: Annotated[Text | None, Query(examples=[None])] = None,
    mode: Annotated[Mode, Query(description=MODE)] = Mode.FUSED,
    protocol: Annotated[list[Protocol], AllOf] = [],  # noqa: B006
    max_price: Annotated[
        Units | None, Query(alias="maxPrice", description=MAX_PRICE, examples=[None])
    ] = None,
    min_reputation: Annotated[
        float, Query(alias="minReputation", ge=0, le=1, description=MIN_REPUTATION)
    ] = 0,
    status: Annotated[Status, Query(description=STATUS)] = Status.PENDING,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> Response:
    """Active agents that meet all that is asked for, best first; with `text`, nearest first.

    `why` says for each entry what its rank is made of. No agent is asked while searching.
    """
    wanted = SearchRequest(
        capabilities=capability,
        prefix=prefix,
        text=text,
        mode=mode,
        protocols=protocol,
        maxPrice=max_price,
        minReputation=min_reputation,
        status=status,
    )
    page = await _page(request, response, registry, wanted.criteria(), cursor, limit)
    answer = written(response, page)
    tag(request, answer, bytes(answer.body))
    return answer


@router.post(
    SEARCH.removeprefix("/v1"),
    operation_id="search_agents",
    summary="Search agents",
    response_model=AgentPage,
)
async def search_agents(
    body: SearchRequest,
    request: Request,
    response: Response,
    registry: InRegistry,
    cursor: pages.Cursor = None,
    limit: pages.Limit = 20,
) -> Response:
    """The same as `GET /v1/agents`, for searches that are long or should not stand in an address.

    Changes nothing and needs no session. `cursor` continues the same search.
    """
    return written(response, await _page(request, response, registry, body.criteria(), cursor, limit))


async def _page(
    request: Request,
    response: Response,
    registry: Registry,
    criteria: Criteria,
    cursor: str | None,
    limit: int,
) -> AgentPage:
    position = pages.position(request, cursor)
    after = None if position is None else Spot(*position)
    found = await registry.discovery.search(criteria, after, limit)
    last = [
        value
        for entry in found[-1:]
        for value in (entry.match.score_ppm if entry.match else 0, entry.agent.place)
    ]
    return pages.page(request, response, [AgentView.of(entry) for entry in found], limit, last)
