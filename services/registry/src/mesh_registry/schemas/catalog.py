"""Agentic Resource Discovery 0.5 on the wire."""

from typing import Annotated, Any, Literal

from mesh_shared.web import pages
from mesh_shared.wire import WireModel
from pydantic import BaseModel, Field, StringConstraints

from mesh_registry.domain.browsing import FILTER, ORDER
from mesh_registry.domain.catalog import CARD
from mesh_registry.schemas.search import Text

Value = Annotated[str, StringConstraints(max_length=200)]
Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.:-]{0,127}$")]
PageToken = Annotated[
    str,
    StringConstraints(max_length=pages.CURSOR_LENGTH, pattern=pages.CURSOR_PATTERN),
    Field(examples=[None]),
]
Filter = Annotated[
    dict[Path, Value | list[Value]],
    Field(
        max_length=10,
        description="Values wanted at dotted paths of an entry; one of a list is enough.",
        examples=[{"type": [CARD]}],
        json_schema_extra={"additionalProperties": False},  # other names; pydantic leaves it unsaid
    ),
]

Expression = Annotated[
    str,
    StringConstraints(max_length=1000, pattern=FILTER),
    Field(
        description="Up to five conditions with ` AND ` between: `displayName = '...'`, in any case; `type` "
        "and `publisherId` with one of several values, commas between; `createdAfter` and `updatedAfter` "
        "with a day or a time (RFC 3339). A quote within a value is written twice.",
        examples=[f"type = '{CARD}' AND createdAfter > '2026-01-01'"],
    ),
]
Ordering = Annotated[
    str,
    StringConstraints(max_length=20, pattern=ORDER),
    Field(
        description="`createdAt` or `updatedAt`, ascending unless `DESC` follows. Best first without it.",
        examples=["updatedAt DESC"],
    ),
]


class Query(WireModel):
    """What is looked for: in words, and by fields."""

    text: Text | None = None
    filter: Filter = Field(default={})


class SearchQuery(Query):
    text: Text  # type: ignore[assignment]


class CatalogSearch(WireModel):
    """A search in natural language. `federation` is taken and changes nothing: we ask no other registry."""

    query: SearchQuery = Field(examples=[{"text": "shorten a report"}])
    federation: Literal["auto", "referrals", "none"] = "auto"
    pageSize: int = Field(default=10, ge=1, le=100)
    pageToken: PageToken | None = None


class Facet(WireModel):
    field: Path = Field(examples=["capabilities"])
    limit: int = Field(default=20, ge=1, le=100)
    minCount: int = Field(default=1, ge=1, le=1_000_000_000)


class Facets(WireModel):
    facets: list[Facet] = Field(min_length=1, max_length=10)


class CatalogExploration(WireModel):
    """Counts instead of entries."""

    query: Query = Query()
    resultType: Facets = Field(examples=[{"facets": [{"field": "capabilities"}]}])


class Catalog(BaseModel):
    """An ai-catalog.json."""

    specVersion: Literal["1.0"] = "1.0"
    host: dict[str, str]
    entries: list[dict[str, Any]]


class SearchResults(BaseModel):
    results: list[dict[str, Any]] = Field(description="Entries with `score`, 0 to 100, and `source`.")
    pageToken: str | None = Field(default=None, description="Not there on the last page.")


class EntryPage(BaseModel):
    items: list[dict[str, Any]]
    pageToken: str | None = Field(default=None, description="Not there on the last page.")


class Bucket(BaseModel):
    value: str
    count: int


class FacetResult(BaseModel):
    buckets: list[Bucket]
    otherCount: int = Field(description="Entries in buckets that are not shown.")


class Exploration(BaseModel):
    resultType: Literal["facets"] = "facets"
    facets: dict[str, FacetResult]
