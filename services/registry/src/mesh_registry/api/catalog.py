"""Agentic Resource Discovery 0.5 (ards-project/ard-spec): the catalog, and search over it."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from mesh_shared.errors import CursorNotFound
from mesh_shared.web import pages
from mesh_shared.web.route import MeshRoute

from mesh_registry.api.answers import InRegistry, tag
from mesh_registry.api.exports import here
from mesh_registry.domain import browsing as browsed
from mesh_registry.domain import catalog
from mesh_registry.domain.agents import Listing
from mesh_registry.domain.browsing import Order, order_from, terms
from mesh_registry.domain.search import Criteria
from mesh_registry.schemas.catalog import (
    Bucket,
    Catalog,
    CatalogExploration,
    CatalogSearch,
    EntryPage,
    Exploration,
    Expression,
    Facet,
    FacetResult,
    Ordering,
    PageToken,
    SearchResults,
)
from mesh_registry.service import Registry, browsing
from mesh_registry.service.discovery import Spot
from mesh_registry.service.matching import CANDIDATES

router = APIRouter(tags=["catalog"], route_class=MeshRoute)

SEARCHES = ("/search", "/explore")
"""They change nothing, so they are open whatever is down."""
MOST = 100
MATCHED = 2 * CANDIDATES
"""All that a text finds: so many by its words and as many by its meaning."""
EXPLORED = 2000
"""Of the best, where no text says which are near."""


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


@router.get(
    "/agents",
    operation_id="browse_catalog",
    summary="Browse the catalog",
    response_model_exclude_none=True,
)
async def browse_catalog(
    *,
    request: Request,
    response: Response,
    registry: InRegistry,
    wanted: Annotated[Expression | None, Query(alias="filter")] = None,
    order_by: Annotated[Ordering | None, Query(alias="orderBy")] = None,
    page_size: Annotated[int, Query(alias="pageSize", ge=1, le=MOST)] = 20,
    page_token: Annotated[PageToken | None, Query(alias="pageToken")] = None,
) -> EntryPage:
    """Active agents as catalog entries that pass `filter`, in the order of `orderBy`.

    A page may have fewer entries than `pageSize`, or none, and still a `pageToken`: a thousand agents are
    looked through for one page.
    """
    place, order, conditions = here(request, registry), order_from(order_by), terms(wanted or "")

    def fits(listing: Listing) -> bool:
        return not conditions or browsed.fits(listing, catalog.entry(listing, place), conditions)

    after = _after(request, page_token, order)
    portion = MOST if conditions else page_size
    found, last = await browsing.fitting(registry.discovery, order, after, page_size, fits, portion)
    entries = [catalog.entry(listing, place) for listing in found]
    token = None if last is None else _token(request, response, entries, len(entries), [_named(order), *last])
    return EntryPage(items=entries, pageToken=token)


@router.post(
    "/search",
    operation_id="search_catalog",
    summary="Search the catalog",
    response_model_exclude_none=True,
)
async def search_catalog(
    body: CatalogSearch, request: Request, response: Response, registry: InRegistry
) -> SearchResults:
    """Agents that a text is about and whose entries pass the filter, nearest first.

    `score` is nearness, no judgement of trust. `pageToken` continues the same search.
    """
    place, position = here(request, registry), pages.position(request, body.pageToken)
    matched = await _matched(registry, body.query.text, Spot(*position) if position else None)
    results = ((listing, catalog.result(listing, place)) for listing in matched)
    fitting = [(listing, result) for listing, result in results if catalog.fits(result, body.query.filter)]
    shown = fitting[: body.pageSize]
    last = [value for listing, _ in shown[-1:] for value in _spot(listing)]
    token = _token(request, response, shown, body.pageSize, last)
    is_last = len(fitting) == len(shown)
    return SearchResults(results=[result for _, result in shown], pageToken=None if is_last else token)


@router.post("/explore", operation_id="explore_catalog", summary="Explore the catalog")
async def explore_catalog(body: CatalogExploration, request: Request, registry: InRegistry) -> Exploration:
    """How many agents have which values: of all that a text is about, or of the 2,000 best without one."""
    place, text = here(request, registry), body.query.text
    found = await (
        browsing.best(registry.discovery, EXPLORED) if text is None else _matched(registry, text, None)
    )
    entries = [catalog.entry(listing, place) for listing in found]
    fitting = [entry for entry in entries if catalog.fits(entry, body.query.filter)]
    return Exploration(facets={facet.field: _counted(fitting, facet) for facet in body.resultType.facets})


def _after(request: Request, token: str | None, order: Order) -> list[Any]:
    """The position in a token of the same order. Raises `CursorNotFound` for a token of another."""
    named, *after = pages.position(request, token) or [_named(order)]
    if named != _named(order):
        raise CursorNotFound("This order of the list has no such cursor.")
    return after


def _named(order: Order) -> str:
    return f"{order.by} {order.is_descending}"


def _token(
    request: Request, response: Response, items: Sequence[Any], size: int, last: Sequence[Any]
) -> str | None:
    """Continues after `last`, under ARD's names: the header that our own lists have would mislead."""
    token = pages.page(request, response, items, size, last).next_cursor
    del response.headers["Link"]
    return token


async def _matched(registry: Registry, text: str, after: Spot | None) -> list[Listing]:
    return await registry.discovery.search(Criteria(text=text), after, MATCHED)


def _spot(listing: Listing) -> Spot:
    return Spot(listing.match.score_ppm if listing.match else 0, listing.agent.place)


def _counted(entries: list[catalog.Entry], facet: Facet) -> FacetResult:
    found = [Bucket(value=value, count=count) for value, count in catalog.buckets(entries, facet.field)]
    shown = [bucket for bucket in found if bucket.count >= facet.minCount][: facet.limit]
    rest = sum(bucket.count for bucket in found) - sum(bucket.count for bucket in shown)
    return FacetResult(buckets=shown, otherCount=rest)
