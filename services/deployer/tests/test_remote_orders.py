"""What is known of orders on a market elsewhere: numbers belong to one order, and nothing is sent twice."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from arenas import migrated
from mesh_deployer.repository.orders import RemoteOrders
from mesh_deployer.repository.tables import RemoteOrderRow
from mesh_shared.database.engine import Database

BACKEND = "akash-console"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with migrated(database_url) as database:
        yield database


async def entered(database: Database, backend: str = BACKEND, order_id: UUID | None = None) -> UUID:
    id = order_id or uuid4()
    async with database.write() as session:
        RemoteOrders(session, backend).add(id, dseq=None, resources="r")
    return id


async def found(database: Database, id: UUID, backend: str = BACKEND) -> RemoteOrderRow:
    async with database.read() as session:
        row = await RemoteOrders(session, backend).find(id)
    assert row is not None
    return row


async def claims(database: Database, id: UUID, dseq: int, backend: str = BACKEND) -> bool:
    async with database.write() as session:
        return await RemoteOrders(session, backend).claim(id, dseq)


async def intends(database: Database, id: UUID, now: int, until: int) -> bool:
    async with database.write() as session:
        return await RemoteOrders(session, BACKEND).intend(id, now, until)


async def test_an_order_has_one_number_and_a_number_one_order(database: Database):
    first, second = await entered(database), await entered(database)

    outcomes = [
        await claims(database, first, 7),
        await claims(database, second, 7),
        await claims(database, first, 8),
        await claims(database, second, 8),
    ]

    assert outcomes == [True, False, False, True]
    assert [(await found(database, id)).dseq for id in (first, second)] == [7, 8]


async def test_another_backend_has_numbers_of_its_own(database: Database):
    id = await entered(database)
    await entered(database, "akash-chain", id)

    assert await claims(database, id, 7)
    assert await claims(database, id, 7, "akash-chain")


async def test_what_was_found_is_not_awaited_any_more(database: Database):
    id = await entered(database)
    await intends(database, id, 10, 20)

    await claims(database, id, 7)

    assert (await found(database, id)).void_after is None


async def test_nothing_is_sent_while_something_else_may_still_come_through(database: Database):
    id = await entered(database)

    outcomes = [
        await intends(database, id, now, until)
        for now, until in ((10, 20), (11, 21), (20, 30), (21, 31), (22, 32))
    ]

    assert outcomes == [True, False, False, True, False]
    assert (await found(database, id)).void_after == 31


async def test_of_many_who_want_to_send_at_once_one_does(database: Database):
    id = await entered(database)

    outcomes = await asyncio.gather(*(intends(database, id, 10, 20) for _ in range(5)))

    assert sorted(outcomes) == [False] * 4 + [True]


async def test_an_order_is_held_until_it_has_ended(database: Database):
    first, second = await entered(database), await entered(database)
    async with database.write() as session:
        await RemoteOrders(session, BACKEND).set(first, reason="owner", spent_uact=3)

    async with database.read() as session:
        held = list(await RemoteOrders(session, BACKEND).held())

    assert held == [second]
    assert (await found(database, first)).spent_uact == 3
