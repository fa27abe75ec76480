"""SQLite's driver: a statement is one change of threads, and nothing else is different."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import aiosqlite
import pytest
from mesh_shared.database import engine, sqlite
from mesh_shared.database.engine import Database
from mesh_shared.database.sqlite import BEGIN, Connection
from mesh_shared.errors import Unavailable
from sqlalchemy import Integer, String, bindparam, column, insert, select, table, text, update
from sqlalchemy.exc import IntegrityError


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    connection = Connection(f"{tmp_path}/own.db", isolation_level=None, check_same_thread=False)
    await connection
    await connection.run("CREATE TABLE notes (id INTEGER PRIMARY KEY, word TEXT UNIQUE)", ())
    yield connection
    await connection.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = engine.connect(f"sqlite+aiosqlite:///{tmp_path}/mesh.db")
    async with database.write() as session:
        await session.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, word TEXT UNIQUE)"))
    yield database
    await database.engine.dispose()


async def words(connection: Connection) -> list[str]:
    return [word for (word,) in (await connection.run("SELECT word FROM notes ORDER BY id", ())).rows]


def done(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was begun in the connection's thread; that the last one is over may be told later."""
    return [said for said in caplog.messages if said.startswith("executing")]


async def test_reading_once_takes_two_changes_of_threads(
    database: Database, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, logger="aiosqlite")
    async with database.read() as session:
        assert (await session.execute(text("SELECT 1, 2"))).one() == (1, 2)

    assert len(done(caplog)) == 2  # the statement, and the end of the transaction


async def test_a_glance_takes_one(database: Database, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, logger="aiosqlite")
    async with database.glance() as connection:
        assert (await connection.execute(text("SELECT 1, 2"))).one() == (1, 2)

    assert len(done(caplog)) == 1


async def test_a_block_that_reads_nothing_takes_none(database: Database, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, logger="aiosqlite")
    async with database.read():
        pass

    assert done(caplog) == []


async def test_a_statement_tells_its_columns_its_rows_and_what_it_changed(connection: Connection):
    cursor = connection.cursor()

    await cursor.execute("INSERT INTO notes (word) VALUES (?), (?)", ("a", "b"))
    assert (cursor.rowcount, cursor.lastrowid, cursor.description) == (2, 2, None)
    await cursor.execute("SELECT id, word FROM notes ORDER BY id")
    assert [column[0] for column in cursor.description] == ["id", "word"]
    assert await cursor.fetchall() == [(1, "a"), (2, "b")]
    await cursor.execute("DELETE FROM notes WHERE id > ? RETURNING word", (0,))
    assert (await cursor.fetchall(), cursor.rowcount) == ([("a",), ("b",)], 2)


async def test_many_rows_are_written_at_once(connection: Connection):
    cursor = connection.cursor()

    await cursor.executemany("INSERT INTO notes (word) VALUES (?)", [("a",), ("b",), ("c",)])

    assert cursor.rowcount == 3
    assert await words(connection) == ["a", "b", "c"]


async def test_a_transaction_begins_with_its_first_statement_and_ends_as_any(connection: Connection):
    for word, end in (("kept", connection.commit), ("dropped", connection.rollback)):
        await connection.run(BEGIN, ())
        assert not connection.in_transaction
        await connection.run("INSERT INTO notes (word) VALUES (?)", (word,))
        assert connection.in_transaction
        await end()
        assert not connection.in_transaction

    assert await words(connection) == ["kept"]


async def test_a_transaction_that_only_began_leaves_nothing_behind(connection: Connection):
    for end in (connection.commit, connection.rollback):
        await connection.run(BEGIN, ())
        await end()
        await connection.run("INSERT INTO notes (word) VALUES (NULL)", ())
        assert not connection.in_transaction


async def test_a_refused_statement_raises_what_the_driver_raises(connection: Connection, database: Database):
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await connection.run("SELECT 1 FROM nowhere", ())
    for _ in range(2):
        async with database.write() as session:
            await session.execute(text("INSERT INTO notes (word) VALUES ('once') ON CONFLICT DO NOTHING"))
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await session.execute(text("INSERT INTO notes (word) VALUES ('once')"))


async def test_a_closed_connection_says_so(connection: Connection):
    other = Connection(":memory:", check_same_thread=False)
    await other
    await other.close()

    with pytest.raises(ValueError, match=r"no active connection|Connection closed"):
        await other.run("SELECT 1", ())


def test_it_is_a_connection_of_aiosqlite():
    assert issubclass(Connection, aiosqlite.Connection)


NOTES = table("notes", column("id", Integer), column("word", String))
ADD = insert(NOTES)
RENAME = update(NOTES).where(NOTES.c.word == bindparam("was")).values(word=bindparam("now"))


async def seen(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(text("SELECT word FROM notes ORDER BY id")))


async def test_what_depends_on_a_change_is_done_with_it_or_not_at_all(database: Database):
    await database.write_if((ADD, [{"id": 1, "word": "first"}]))

    turned = await database.write_if(
        (RENAME, [{"was": "first", "now": "one"}]), (ADD, [{"id": n, "word": f"w{n}"} for n in (2, 3)])
    )
    stale = await database.write_if(
        (RENAME, [{"was": "first", "now": "uno"}]), (ADD, [{"id": 4, "word": "w"}])
    )

    assert (turned, stale) == (True, False)
    assert await seen(database) == ["one", "w2", "w3"]


async def test_many_rows_are_added_each_with_its_own_values_in_whatever_order_they_are_named(
    database: Database,
):
    rows = [{"word": f"w{n}", "id": n} for n in range(1, 65)]

    await database.write_if((ADD, rows[:1]), (ADD, rows[1:3]), (ADD, rows[3:]))

    assert await seen(database) == [f"w{n}" for n in range(1, 65)]


async def test_what_cannot_be_written_leaves_nothing_behind_and_no_lock(database: Database):
    await database.write_if((ADD, [{"id": 1, "word": "first"}]))

    with pytest.raises(Unavailable):
        await database.write_if((RENAME, [{"was": "first", "now": "one"}]), (ADD, [{"id": 2, "word": "one"}]))
    await database.write_if((ADD, [{"id": 3, "word": "third"}]))

    assert await seen(database) == ["first", "third"]


NAMED = select(NOTES.c.word).where(NOTES.c.id == bindparam("sought"))


async def test_a_peek_sees_what_any_connection_has_committed(database: Database, tmp_path: Path):
    everything = select(NOTES.c.word).order_by(NOTES.c.id)
    assert database.peek(everything, {}) == []

    await database.write_if((ADD, [{"id": 1, "word": "lane"}]))
    assert database.peek(everything, {}) == [("lane",)]
    async with database.write() as session:
        await session.execute(text("INSERT INTO notes VALUES (2, 'engine')"))
    assert database.peek(everything, {}) == [("lane",), ("engine",)]
    with sqlite3.connect(tmp_path / "mesh.db") as stranger:
        stranger.execute("INSERT INTO notes VALUES (3, 'another process')")
    stranger.close()
    await asyncio.sleep(0)  # the next turn of the loop
    assert database.peek(everything, {}) == [("lane",), ("engine",), ("another process",)]


async def test_between_two_commits_a_peek_runs_once_for_each_thing_that_is_sought(database: Database):
    first, *rest = ({"id": n, "word": f"w{n}"} for n in range(3))
    await database.write_if((ADD, [first]), (ADD, rest))

    found, again = (database.peek(NAMED, {"sought": 1}) for _ in range(2))
    others = [database.peek(NAMED, {"sought": n}) for n in (0, 2, 9)]

    assert found is again
    assert (found, others) == ([("w1",)], [[("w0",)], [("w2",)], []])


async def test_who_peeks_in_one_turn_of_the_loop_looks_for_commits_once(database: Database):
    assert database.peek(NAMED, {"sought": 0}) == []
    looks = list[str]()
    cast("Any", database)._lanes._reader.set_trace_callback(looks.append)

    for _ in range(2):
        await asyncio.gather(*(peeked(database, n) for n in (0, 0, 0)))

    assert looks == ["PRAGMA data_version"] * 2


async def peeked(database: Database, n: int) -> Any:
    return database.peek(NAMED, {"sought": n})


async def test_peeks_of_more_things_than_are_kept_are_right_as_well(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sqlite, "MOST_PEEKED", 4)
    first, *rest = ({"id": n, "word": f"w{n}"} for n in range(10))
    await database.write_if((ADD, [first]), (ADD, rest))

    for _ in range(2):
        assert [database.peek(NAMED, {"sought": n}) for n in range(10)] == [[(f"w{n}",)] for n in range(10)]
    found = database.peek(NAMED, {"sought": 0})
    for n in range(1, 10):
        database.peek(NAMED, {"sought": n})
    await asyncio.sleep(0)  # the next turn of the loop
    assert database.peek(NAMED, {"sought": 0}) is not found


async def test_a_peek_sees_every_commit_and_gives_up_rather_than_wait(database: Database):
    all_of_them = select(NOTES.c.word)
    async with database.write() as session:
        await session.execute(text("INSERT INTO notes VALUES (1, 'first')"))
        during = database.peek(all_of_them, {})
    after = database.peek(all_of_them, {})
    async with database.write() as session:
        await session.execute(text("DROP TABLE notes"))

    assert (during, after) == ([], [("first",)])
    assert database.peek(all_of_them, {}) is None
