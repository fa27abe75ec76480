"""The best are read in the order of one index: nothing is scanned, nothing sorted, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain.search import Criteria
from mesh_registry.repository.agents import Narrowing, page_of
from mesh_registry.repository.texts import Texts
from sqlalchemy.event import listen

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

SEARCHES = {
    "all": Criteria(),
    "a capability": Criteria(capabilities=["text.summarize"]),
    "a prefix": Criteria(prefix="text."),
    "a price": Criteria(max_price_units=10),
    "a capability at a price": Criteria(capabilities=["text.summarize"], max_price_units=10),
    "two capabilities": Criteria(capabilities=["text.summarize", "image.draw"], min_reputation_ppm=5),
    "a protocol": Criteria(protocols=["a2a"]),
    "everything": Criteria(capabilities=["a", "b"], prefix="c.", protocols=["a2a"], max_price_units=10),
}


@pytest.mark.parametrize("criteria", SEARCHES.values(), ids=SEARCHES)
async def test_the_best_are_found_along_an_index(database_lite: Database, criteria: Criteria):
    narrowing = Narrowing(criteria)
    query = page_of(narrowing.shape).compile(dialect=database_lite.engine.dialect)
    values = query.construct_params(narrowing.values | {"after": "", "limit": 20})
    positions = [values[name] for name in query.positiontup or []]

    async with database_lite.read() as session:
        connection = await session.connection()
        plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", tuple(positions))
        steps = [step for *_, step in plan]

    assert [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step] == []
    assert ("ix_offers_label_place" if narrowing.labels else "ix_agents_is_active_place") in steps[0]


async def test_a_text_leads_from_its_documents_to_their_agents(database_lite: Database):
    said: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        said.append((statement, values))

    listen(database_lite.engine.sync_engine, "before_cursor_execute", note)

    async with database_lite.read() as session:
        await Texts(session).nearest({"papers": 5}, 1, Narrowing(Criteria(capabilities=["a"])), 20)
        query, values = said[-1]
        plan = await (await session.connection()).exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)
        steps = [step for *_, step in plan]

    assert "SEARCH agents USING INDEX ix_agents_cid (cid=?)" in steps


async def test_searches_that_differ_in_values_alone_are_one_statement():
    one = Narrowing(Criteria(capabilities=["a"], min_reputation_ppm=1))
    other = Narrowing(Criteria(prefix="b."), depth=7)
    dearer = Narrowing(Criteria(prefix="b.", max_price_units=7))

    assert page_of(one.shape) is page_of(other.shape)
    assert page_of(one.shape) is not page_of(dearer.shape)
