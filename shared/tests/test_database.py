import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import ClassVar

import pytest
from mesh_shared.chain import versions_dir
from mesh_shared.chain.journal import ChainTables
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database
from mesh_shared.database.secret import service_secret
from mesh_shared.database.types import TYPES, UnitAmount, metadata
from mesh_shared.errors import Unavailable
from mesh_shared.events.outbox import Foundation
from mesh_shared.testing import schema_differences
from sqlalchemy import select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = metadata()
    type_annotation_map: ClassVar = TYPES


class Account(Base):
    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(primary_key=True)
    balance: Mapped[int] = mapped_column(default=0)
    units: Mapped[int | None] = mapped_column(UnitAmount)
    opened_at: Mapped[datetime | None]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = engine.connect(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.engine.dispose()


async def account(database: Database, name: str) -> Account | None:
    async with database.read() as session:
        return await session.get(Account, name)


async def test_a_block_that_raises_changes_nothing(database: Database):
    async def change_one_s_mind() -> None:
        async with database.write() as session:
            session.add(Account(name="a"))
            raise ValueError("second thoughts")

    with pytest.raises(ValueError, match="second thoughts"):
        await change_one_s_mind()

    assert await account(database, "a") is None


async def test_no_update_is_lost_among_fifty_writers(database: Database):
    async with database.write() as session:
        session.add(Account(name="a"))

    async def add_one() -> None:
        async with database.write() as session:
            await session.execute(update(Account).values(balance=Account.balance + 1))

    await asyncio.gather(*(add_one() for _ in range(50)))

    found = await account(database, "a")
    assert found is not None
    assert found.balance == 50


async def test_a_reader_is_not_kept_waiting_by_a_writer(database: Database):
    async with database.write() as session:
        session.add(Account(name="a"))
        await session.flush()
        async with asyncio.timeout(60):
            seen = await account(database, "a")

    assert seen is None


async def test_a_reader_sees_one_moment(database: Database):
    async with database.write() as session:
        session.add(Account(name="a", balance=1))

    async with database.read() as session:
        first = await session.scalar(select(Account.balance))
        async with database.write() as writer:
            await writer.execute(update(Account).values(balance=2))
        second = await session.scalar(select(Account.balance))
    later = await account(database, "a")

    assert (first, second) == (1, 1)
    assert later is not None
    assert later.balance == 2


# Takes half a second to its first row, and has another one.
SLOW = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000000)
SELECT count(*) FROM n UNION ALL SELECT 0
"""


async def test_a_write_that_is_cancelled_in_mid_statement_locks_nobody_out(tmp_path: Path):
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/test.db")
    frames = list[BaseException]()

    async def write() -> None:
        try:
            async with database.write() as session:
                await session.execute(text(SLOW))
        except asyncio.CancelledError as error:
            frames.append(error)  # they keep the statement alive, as any cycle of references would
            raise

    task = asyncio.create_task(write())
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.engine.dispose()

    assert frames
    with closing(sqlite3.connect(tmp_path / "test.db", timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert other.in_transaction


async def test_a_database_that_cannot_be_reached_is_unavailable():
    database = engine.connect("postgresql+asyncpg://mesh@127.0.0.1:1/mesh")

    for block in (database.read, database.write):
        with pytest.raises(Unavailable) as refused:
            async with block():
                pytest.fail("the block was entered")
        assert refused.value.members == {"down": ["database"]}


async def test_a_commit_rings_the_bell(database: Database):
    ticket = database.committed.ticket()

    async with database.write() as session:
        session.add(Account(name="a"))

    assert ticket.is_set()


@pytest.mark.parametrize("units", [0, 1, 2**63, 2**256 - 1])
async def test_an_amount_of_any_size_comes_back_whole(database: Database, units: int):
    async with database.write() as session:
        session.add(Account(name="a", units=units))

    found = await account(database, "a")
    assert found is not None
    assert found.units == units


async def test_an_instant_comes_back_in_utc_whatever_zone_it_went_in_with(database: Database):
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    async with database.write() as session:
        session.add(Account(name="a", opened_at=moment))

    found = await account(database, "a")
    assert found is not None
    assert found.opened_at == moment
    assert found.opened_at is not None
    assert found.opened_at.tzinfo == UTC


async def test_a_sole_role_has_one_holder_among_replicas(postgres_url: str):
    replicas = [engine.connect(postgres_url) for _ in range(3)]
    holders = most = 0

    async def hold(replica: Database) -> None:
        nonlocal holders, most
        for _ in range(5):
            async with replica.sole("indexer"):
                holders += 1
                most = max(most, holders)
                await asyncio.sleep(0)
                holders -= 1

    await asyncio.gather(*(hold(replica) for replica in replicas))

    assert most == 1
    for replica in replicas:
        await replica.engine.dispose()


async def test_a_secret_is_the_same_at_every_start_and_in_every_replica(database_url: str):
    databases = [engine.connect(database_url) for _ in range(2)]
    await migrate.upgrade(databases[0], [])

    secrets = [await service_secret(database, "cursor") for database in databases * 2]

    assert len(set(secrets)) == 1
    assert len(secrets[0]) == 64
    for database in databases:
        await database.engine.dispose()


async def test_the_migrations_make_exactly_the_tables_that_the_models_declare(database: Database):
    await migrate.upgrade(database, [versions_dir])

    assert await schema_differences(database, Foundation.metadata, ChainTables.metadata, Base.metadata) == []


async def test_replicas_that_start_together_migrate_once(postgres_url: str):
    replicas = [engine.connect(postgres_url) for _ in range(3)]

    await asyncio.gather(*(migrate.upgrade(replica, [versions_dir]) for replica in replicas))

    async with replicas[0].read() as session:
        assert (await session.scalars(select(Foundation.metadata.tables["events"]))).all() == []
    for replica in replicas:
        await replica.engine.dispose()
