"""Who conducts a run: whoever accepted it, for as long as it lives; then whoever looks first, and once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from mesh_coordinator.domain.run import OnFailure, RunStatus
from mesh_coordinator.repository.runs import Facts, Runs
from mesh_coordinator.repository.tables import RunRow
from mesh_coordinator.service.claims import Claims
from mesh_shared.database import engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mesh_shared.database.engine import Database

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
async def replica(database: Database) -> AsyncIterator[Database]:
    """The same database for another replica, which has connections of its own."""
    other = engine.connect(database.engine.url.render_as_string(hide_password=False))
    yield other
    await other.engine.dispose()


async def conducted(database: Database, name: UUID) -> set[UUID]:
    """The open runs of this conductor."""
    async with database.read() as session:
        return set(await Facts(session, 4, NOW).versions(name))


async def accepted(database: Database, conductor: UUID, status: RunStatus = RunStatus.RUNNING) -> UUID:
    run = RunRow(
        id=uuid4(),
        owner="o",
        task="t",
        task_hash="0" * 64,
        given={},
        wanted_output={},
        on_failure=OnFailure.PARTIAL,
        status=status,
        budget_units=0,
        conductor=conductor,
        created_at=NOW,
    )
    async with database.write() as session:
        Runs(session).add(run, [])
    return run.id


async def test_the_runs_of_one_that_is_gone_are_taken_all_at_once(database: Database):
    gone, ours = uuid4(), Claims(database)
    theirs = {await accepted(database, gone) for _ in range(2)}
    await accepted(database, gone, RunStatus.FAILED)

    async with ours.held():
        await ours.adopt()

    assert await conducted(database, ours.name) == theirs
    assert await conducted(database, gone) == set()


async def test_what_is_accepted_before_the_first_turn_is_conducted_in_it(database: Database):
    claims = Claims(database)
    early = await accepted(database, claims.name)

    async with claims.held():
        await claims.adopt()

    assert await conducted(database, claims.name) == {early}


async def test_nobody_is_called_by_the_same_name_twice(database: Database):
    claims = Claims(database)
    names = [claims.name]
    for _ in range(2):
        async with claims.held():
            names.append(claims.name)

    assert len(set(names)) == 3


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_runs_of_one_that_lives_stay_with_it(database: Database, replica: Database):
    living, other = Claims(database), Claims(replica)

    async with living.held(), other.held():
        run = await accepted(database, living.name)
        await other.adopt()

        assert await conducted(database, living.name) == {run}
    await other.adopt()

    assert await conducted(database, other.name) == {run}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_of_several_who_see_a_run_without_a_conductor_one_takes_it(
    database: Database, replica: Database
):
    one, other = Claims(database), Claims(replica)

    async with one.held(), other.held():
        run = await accepted(database, uuid4())
        await asyncio.gather(one.adopt(), other.adopt())

        held = [await conducted(database, claims.name) for claims in (one, other)]
    assert sorted(held, key=len) == [set(), {run}]
