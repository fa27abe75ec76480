"""Those who wait for the same news look together, and each sees what was written before it asked."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.intents import Registration
from mesh_registry.repository.operations import Accepted, Operations
from mesh_registry.service.looking import Lookout
from mesh_shared.chain.journal import Call, Journal
from mesh_shared.database import engine
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

DEPTHS = Depths(1, 12)
OWNER = "0x" + "11" * 20


async def accepted(database: Database) -> UUID:
    """An operation as it is kept."""
    id = uuid4()
    registration = Registration(
        owner=OWNER, agent_id=f"0x{id.int:064x}", did="did:x:y", cid="bafy", stake_units=0, capabilities=()
    )
    async with database.write() as session:
        call = Call(to=OWNER, data=b"")
        transaction = await Journal(session).prepare(f"register:{id}", OWNER, call)
        await Operations(session, DEPTHS).add(
            [
                Accepted(
                    id=id,
                    claim=str(id),
                    intent=registration,
                    transaction_id=transaction,
                    requested_by="somebody",
                )
            ]
        )
    return id


@pytest.fixture
def lookout(database_lite: Database) -> Lookout:
    return Lookout(database_lite, DEPTHS)


async def test_all_who_ask_at_once_are_one_query(lookout: Lookout, caplog: pytest.LogCaptureFixture):
    ids = [await accepted(lookout.database) for _ in range(5)]
    caplog.set_level(logging.DEBUG, logger="aiosqlite")

    found = await asyncio.gather(*(lookout.operation(id) for id in ids * 10))

    assert [operation and operation.id for operation in found] == ids * 10
    done = [record.getMessage() for record in caplog.records]
    assert len([text for text in done if text.startswith("executing") and "FROM operations" in text]) == 1


async def test_what_is_not_there_is_not_found_beside_what_is(lookout: Lookout):
    id = await accepted(lookout.database)

    found, missing = await asyncio.gather(lookout.operation(id), lookout.operation(uuid4()))

    assert found is not None
    assert missing is None


async def test_who_asks_after_a_commit_sees_it_whoever_looks_already(lookout: Lookout):
    looking = asyncio.create_task(lookout.operation(uuid4()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the query has begun
    id = await accepted(lookout.database)

    found = await lookout.operation(id)

    assert found is not None
    assert await looking is None


async def test_who_leaves_spoils_it_for_nobody(lookout: Lookout):
    id = await accepted(lookout.database)
    leaving, staying = (asyncio.create_task(lookout.operation(id)) for _ in range(2))
    await asyncio.sleep(0)

    leaving.cancel()

    assert await staying is not None
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_what_is_wrong_is_told_to_all(tmp_path: Path):
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/without-tables.db")
    lookout = Lookout(database, DEPTHS)

    outcomes = await asyncio.gather(*(lookout.operation(uuid4()) for _ in range(3)), return_exceptions=True)
    await database.engine.dispose()

    assert [type(outcome) for outcome in outcomes] == [OperationalError] * 3
