"""What bears on a call is read for many at once, and nobody is told what was true before they came."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from mesh_security_gateway.service.finding import Finder, Found, Wanted
from mesh_shared.errors import Unavailable
from sqlalchemy import event, text

if TYPE_CHECKING:
    from conftest import Operator

WANTED = Wanted("agent-7", "github", None)


def finder_of(operator: Operator) -> Finder:
    return operator.app.state.service.calls.finder


def is_waited_for(finder: Finder) -> bool:
    """True while somebody waits for a read that has not begun."""
    return bool(finder._reads._next.items)


class Reads:
    """Counts the statements on `connections` that a database is asked."""

    def __init__(self, operator: Operator) -> None:
        self.count = 0
        engine = operator.app.state.platform.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._seen)

    def _seen(self, *given: Any) -> None:
        self.count += "FROM connections" in given[2]


async def test_callers_that_come_together_share_one_read(operator_everywhere: Operator):
    await operator_everywhere.connect("https://api.github.com", allow_private=False)
    await operator_everywhere.grant("agent-7")
    finder, reads = finder_of(operator_everywhere), Reads(operator_everywhere)

    found = await asyncio.gather(*(finder.find(WANTED) for _ in range(50)))

    assert reads.count == 1
    assert {each.wired.connection.name for each in found if each.wired} == {"github"}
    assert all(each.known and each.known.is_known for each in found)


async def test_many_connections_are_one_read_and_each_gets_its_own(operator: Operator):
    names = [f"api-{n}" for n in range(5)]
    for name in names:
        await operator.connect("https://api.github.com", allow_private=False, name=name)
    finder, reads = finder_of(operator), Reads(operator)

    found = await asyncio.gather(*(finder.find(Wanted("agent-7", name, None)) for name in [*names, "none"]))

    assert [each.wired and each.wired.connection.name for each in found] == [*names, None]
    assert reads.count == 1


async def revoked(finder: Finder) -> list[bool]:
    """Of each grant that is found, whether it is."""
    known = (await finder.find(WANTED)).known
    return [grant.is_revoked for grant in known.holding.grants] if known else []


async def test_what_reads_the_same_is_not_put_together_again_and_every_change_is_seen(operator: Operator):
    await operator.connect("https://api.github.com", allow_private=False)
    await operator.grant("agent-7")
    finder = finder_of(operator)
    before = await finder.find(WANTED)
    reads = Reads(operator)

    again = await finder.find(WANTED)
    count = reads.count
    grant = await operator.grant("agent-7", paths=["/user"])
    given = await revoked(finder)
    await operator.post(f"/v1/grants/{grant['id']}/revoke", {})

    assert again.wired is before.wired
    assert count == 0
    assert (given, await revoked(finder)) == ([False, False], [False, True])


async def test_who_comes_during_a_read_waits_for_the_next_and_sees_what_changed(operator: Operator):
    await operator.connect("https://api.github.com", allow_private=False)
    finder = finder_of(operator)
    early = asyncio.create_task(finder.find(WANTED))
    while not is_waited_for(finder):
        await asyncio.sleep(0)
    while is_waited_for(finder):  # the read of the early one begins
        await asyncio.sleep(0)
    async with operator.app.state.platform.database.write() as session:
        await session.execute(text("DELETE FROM connections"))

    late = await finder.find(WANTED)

    assert late == Found(None, None, None)
    await early


async def test_a_caller_that_goes_away_takes_no_answer_from_the_others(operator: Operator):
    await operator.connect("https://api.github.com", allow_private=False)
    finder = finder_of(operator)
    leaving, staying = (asyncio.create_task(finder.find(WANTED)) for _ in range(2))
    await asyncio.sleep(0)

    leaving.cancel()

    assert (await staying).wired is not None
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_read_that_fails_fails_for_all_and_the_next_one_is_tried(operator: Operator):
    await operator.connect("https://api.github.com", allow_private=False)
    finder, database = finder_of(operator), operator.app.state.platform.database
    async with database.write() as session:
        await session.execute(text("ALTER TABLE leases RENAME TO elsewhere"))
        await session.execute(text("ALTER TABLE connections RENAME TO away"))

    refused = await asyncio.gather(*(finder.find(WANTED) for _ in range(3)), return_exceptions=True)
    async with database.write() as session:
        await session.execute(text("ALTER TABLE away RENAME TO connections"))
        await session.execute(text("ALTER TABLE elsewhere RENAME TO leases"))

    assert [type(each) for each in refused] == [Unavailable] * 3
    assert (await finder.find(WANTED)).wired is not None
