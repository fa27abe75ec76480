"""The catalog is browsed by conditions and in orders, as Agentic Resource Discovery 0.5 writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain import browsing
from mesh_registry.domain.agents import NOWHERE, Agent, Listing
from mesh_registry.domain.browsing import FILTER, ORDER, Key, Order, Term, order_from, seconds, terms
from mesh_registry.domain.catalog import CARD
from mesh_registry.domain.chain import Depths
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.browsing import tokens
from mesh_registry.schemas.catalog import Expression, Ordering
from mesh_registry.service.browsing import PORTIONS, fitting
from mesh_registry.service.discovery import Discovery
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.event import listen

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from mesh_shared.database.engine import Database

DEPTHS = Depths(confirmed=1, finalized=12)
DAY = 86_400
ENTRY: Body = {"displayName": "Straße 371", "type": CARD, "identifier": "urn:air:acme.example:agents:one"}
TIMES = [30, 10, 20, 10]
"""When the agents 1, 2, 3, 4 said their last word."""
NO_FILTERS = [
    *("", "type", "type = a", "type = 'a' OR type = 'b'", "type > 'a'", "name = 'a'", "displayName = ''"),
    *("createdAfter > 'yesterday'", "createdAfter > '2026-13-01'", "createdAfter > '2026-01-01T00:00:00'"),
    *("type = 'a' AND", "type = 'a''", "type = 'a\x00'", " AND ".join(["type = 'a'"] * 6)),
    *(f"displayName = '{'x' * 1000}'", "type = 'a'; DROP TABLE agents"),
]
EXPRESSION, ORDERING = TypeAdapter[str](Expression), TypeAdapter[str](Ordering)


def agent(token_id: int, stated_at: int, *, is_active: bool = True) -> Agent:
    return Agent(
        token_id=token_id,
        transaction_hash=f"0x{token_id:064x}",
        registered_in=token_id,
        changed_in=token_id,
        stated_in=token_id,
        registered_at=5 * DAY,
        stated_at=stated_at,
        agent_id=f"0x{token_id:064x}",
        is_active=is_active,
    )


def holds(expression: str) -> bool:
    """Of an agent that was registered after five days of 1970 and changed in 2026."""
    listing = Listing.at(9, DEPTHS, agent(1, seconds("2026-06-15")), NOWHERE)
    return browsing.fits(listing, ENTRY, terms(EXPRESSION.validate_python(expression)))


async def keep(database: Database, *agents: Agent) -> Discovery:
    async with database.write() as session:
        await Agents(session).save([(one, {}) for one in agents])
    return Discovery(database, DEPTHS)


@pytest.fixture
async def four(database: Database) -> Database:
    off = agent(5, 15, is_active=False)
    await keep(database, off, *(agent(n, at) for n, at in enumerate(TIMES, start=1)))
    return database


async def in_pages(database: Database, order: Order, size: int) -> list[int]:
    seen: list[int] = []
    after: list[Any] = []
    async with database.read() as session:
        while page := await tokens(session, order, after, size):
            seen += page
            after = order.position(agent(page[-1], TIMES[page[-1] - 1]))
    return seen


async def test_agents_come_in_the_order_that_is_asked_for_in_pages_of_any_size(four: Database):
    expected = {
        Order(Key.CREATED): [1, 2, 3, 4],
        Order(Key.CREATED, is_descending=True): [4, 3, 2, 1],
        Order(Key.UPDATED): [2, 4, 3, 1],
        Order(Key.UPDATED, is_descending=True): [1, 3, 4, 2],
    }

    found = {order: [await in_pages(four, order, size) for size in (1, 2, 9)] for order in expected}

    assert found == {order: [whole] * 3 for order, whole in expected.items()}


@pytest.mark.parametrize("order", ["createdAt", "createdAt DESC", "updatedAt", "updatedAt DESC"])
async def test_no_order_sorts_the_whole_table(database_lite: Database, order: str):
    said: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        said.append((statement, values))

    listen(database_lite.engine.sync_engine, "before_cursor_execute", note)

    async with database_lite.read() as session:
        await tokens(session, order_from(order), [1, 1][: 1 + order.startswith("updated")], 20)
        query, values = said[-1]
        plan = await (await session.connection()).exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)
        steps = [step for *_, step in plan]

    assert [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step] == []


async def test_a_page_of_what_hardly_anybody_fits_is_short_and_goes_on(database_lite: Database):
    discovery = await keep(database_lite, *(agent(n, n) for n in range(1, 2 * PORTIONS + 2)))
    order, last = Order(Key.CREATED), 2 * PORTIONS + 1

    def is_last(listing: Listing) -> bool:
        return listing.agent.token_id == last

    none, after = await fitting(discovery, order, [], 5, is_last, portion=1)
    none_again, further = await fitting(discovery, order, after or [], 5, is_last, portion=1)
    found, end = await fitting(discovery, order, further or [], 5, is_last, portion=2)

    assert (none, after, none_again, further) == ([], [PORTIONS], [], [2 * PORTIONS])
    assert ([listing.agent.token_id for listing in found], end) == ([last], None)


async def test_a_page_that_is_full_ends_behind_its_last_entry(database_lite: Database):
    discovery = await keep(database_lite, *(agent(n, n) for n in range(1, 8)))
    order = Order(Key.UPDATED, is_descending=True)

    found, after = await fitting(discovery, order, [], 2, lambda listing: listing.agent.token_id % 2 == 0)

    assert ([listing.agent.token_id for listing in found], after) == ([6, 4], [4, 4])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("displayName = 'STRASSE 371'", True),
        ("displayName = 'Straße'", False),
        (f"type = '{CARD}'", True),
        (f"type='application/json, {CARD}'", True),
        ("type = 'application/json'", False),
        ("publisherId = 'acme.example,other.example'", True),
        ("publisherId = 'acme'", False),
        ("createdAfter > '2000-01-01'", False),
        ("updatedAfter > '2026-06-14'", True),
        ("updatedAfter > '2026-06-15'", False),
        ("updatedAfter > '2026-06-15T00:00:00+00:01'", True),
        ("updatedAfter = '2026-06-15T00:00:00Z'", False),
        ("displayName = 'straße 371' AND updatedAfter > '2026-01-01'", True),
        ("displayName = 'straße 371' AND updatedAfter > '2027-01-01'", False),
        ("type = 'a' AND publisherId = 'acme.example'", False),
    ],
)
def test_a_filter_leaves_what_meets_all_of_it(expression: str, expected: bool):
    assert holds(expression) is expected


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_every_name_can_be_written_in_a_filter(name: str):
    quoted = name.replace("'", "''")

    read = terms(EXPRESSION.validate_python(f"displayName = '{quoted}' AND type = 'a'"))

    assert read == [Term("displayName", name), Term("type", "a")]


@given(st.from_regex(FILTER, fullmatch=True))
def test_whatever_fits_the_published_pattern_is_read_as_many_conditions_as_it_has(expression: str):
    bare = re.sub(r"'([^']|'')*'", "''", expression)

    read = terms(expression)

    assert len(read) == bare.count("''")
    assert all(seconds(term.value) > 0 for term in read if term.field.endswith("After"))


@given(st.datetimes(datetime(2000, 1, 2), datetime(2999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_time_is_the_instant_that_it_names(instant: datetime):
    whole = instant.replace(microsecond=0)

    assert seconds(whole.isoformat()) == whole.timestamp()
    assert seconds(whole.date().isoformat()) == whole.timestamp() // DAY * DAY


def test_a_day_that_its_month_does_not_have_counts_into_the_next():
    assert seconds("2026-02-30") == seconds("2026-03-02")


@pytest.mark.parametrize("expression", NO_FILTERS)
def test_what_is_no_filter_is_refused(expression: str):
    with pytest.raises(ValidationError):
        EXPRESSION.validate_python(expression)


@pytest.mark.parametrize(
    "order", ["", "rank", "stake DESC", "updatedAt  DESC", "updatedAt DOWN", "createdAt,"]
)
def test_what_is_no_order_is_refused(order: str):
    with pytest.raises(ValidationError):
        ORDERING.validate_python(order)


@given(st.from_regex(ORDER, fullmatch=True))
def test_every_published_order_is_one(order: str):
    read = order_from(order)

    assert (read.by, read.is_descending) == (order.partition(" ")[0], order.upper().endswith("DESC"))


async def test_the_catalog_is_browsed_by_filter_and_order(caller_lite: Caller):
    for name in ("one", "two", "three"):
        await caller_lite.registered(f"acme/{name}", metadata=caller_lite.metadata(name=name))

    async def browsed(**params: Any) -> Body:
        answer = await caller_lite.http.get("/agents", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    newest = await browsed(orderBy="createdAt DESC", pageSize=2)
    rest = await browsed(orderBy="createdAt DESC", pageToken=newest["pageToken"])
    other = await caller_lite.http.get("/agents", params={"pageToken": newest["pageToken"]})
    named = await browsed(filter=f"displayName = 'TWO' AND type = '{CARD}'", orderBy="updatedAt")
    nobody = await browsed(filter="createdAfter > '2999-01-01'")
    refused = await caller_lite.http.get("/agents", params={"filter": "type = MCP"})

    assert [entry["displayName"] for entry in newest["items"] + rest["items"]] == ["three", "two", "one"]
    assert (other.status_code, other.json()["code"]) == (404, "cursor-not-found")
    assert [entry["displayName"] for entry in named["items"]] == ["two"]
    assert nobody == {"items": []}
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")
