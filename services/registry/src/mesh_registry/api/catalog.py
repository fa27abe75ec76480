"""Agentic Resource Discovery 0.5 (ards-project/ard-spec): the catalog, and search over it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute

from mesh_registry.api.answers import InRegistry, tag
from mesh_registry.api.exports import here
from mesh_registry.domain import catalog
from mesh_registry.domain.agents import Listing
from mesh_registry.domain.search import Criteria
from mesh_registry.schemas.catalog import (
    Bucket,
    Catalog,
    CatalogExploration,
    CatalogSearch,
    EntryPage,
    Exploration,
    Facet,
    FacetResult,
    SearchResults,
)
from mesh_registry.service import Registry

router = APIRouter(tags=["catalog"], route_class=MeshRoute)

SEARCHES = ("/search", "/explore")
"""They change nothing, so they are open whatever is down."""
MOST = 100


@router.get("/.well-known/ai-catalog.json", operation_id="get_ai_catalog", summary="AI catalog")
async def get_ai_catalog(request: Request, response: Response, registry: InRegistry) -> Catalog:
    """This registry and its hundred best agents as an AI catalog; all of them are at `GET /agents`."""
    place, app = here(request, registry), request.app
    best = await registry.discovery.best(None, "", MOST)
    found = Catalog(
        host={"displayName": app.title, "documentationUrl": f"{place.url}/docs"},
        entries=[
            catalog.itself(place, app.title, app.summary),
            *(catalog.entry(listing, place) for listing in best),
        ],
    )
    tag(request, response, found)
    return found


@router.get("/agents", operation_id="browse_catalog", summary="Browse the catalog")
async def browse_catalog(
    request: Request,
    response: Response,
    registry: InRegistry,
    page_size: Annotated[int, Query(alias="pageSize", ge=1, le=MOST)] = 20,
    page_token: Annotated[
        str | None,
        Query(
            alias="pageToken",
            max_length=pages.CURSOR_LENGTH,
            pattern=pages.CURSOR_PATTERN,
            examples=[None],
        ),
    ] = None,
) -> EntryPage:
    """Active agents as catalog entries, best first."""
    after, place = pages.position(request, page_token), here(request, registry)
    best = await registry.discovery.best(None, after[0] if after else "", page_size)
    entries = [catalog.entry(listing, place) for listing in best]
    last = [listing.agent.place for listing in best[-1:]]
    page = pages.page(request, response, entries, page_size, last)
    return EntryPage(items=page.items, pageToken=page.next_cursor)


@router.post("/search", operation_id="search_catalog", summary="Search the catalog")
async def search_catalog(body: CatalogSearch, request: Request, registry: InRegistry) -> SearchResults:
    """The nearest of the hundred agents that come nearest to a text, and whose entries pass the filter.

    `score` is nearness, no judgement of trust.
    """
    place = here(request, registry)
    results = [catalog.result(listing, place) for listing in await _near(registry, body.query.text)]
    fitting = [result for result in results if catalog.fits(result, body.query.filter)]
    return SearchResults(results=fitting[: body.pageSize])


@router.post("/explore", operation_id="explore_catalog", summary="Explore the catalog")
async def explore_catalog(body: CatalogExploration, request: Request, registry: InRegistry) -> Exploration:
    """How many of the hundred nearest agents, or of the hundred best without a text, have which values."""
    place = here(request, registry)
    entries = [catalog.entry(listing, place) for listing in await _near(registry, body.query.text)]
    fitting = [entry for entry in entries if catalog.fits(entry, body.query.filter)]
    return Exploration(facets={facet.field: _counted(fitting, facet) for facet in body.resultType.facets})


async def _near(registry: Registry, text: str | None) -> list[Listing]:
    return await registry.discovery.search(Criteria(text=text), None, MOST)


def _counted(entries: list[catalog.Entry], facet: Facet) -> FacetResult:
    found = [Bucket(value=value, count=count) for value, count in catalog.buckets(entries, facet.field)]
    shown = [bucket for bucket in found if bucket.count >= facet.minCount][: facet.limit]
    rest = sum(bucket.count for bucket in found) - sum(bucket.count for bucket in shown)
    return FacetResult(buckets=shown, otherCount=rest)
