"""Sessions: `read()` never blocks a writer, `write()` commits when its block ends."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any, cast

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, CursorResult, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.sql import Executable

from mesh_shared.bell import Bell
from mesh_shared.database import role, sqlite
from mesh_shared.database.sqlite import Write
from mesh_shared.errors import Unavailable

ALONE_S, AMONG_REPLICAS_S = 10.0, 1.0
HAS_EVENT, HAS_CALL = "has_event", "has_call"
"""In the `info` of a session that records an event, or a call of a contract."""


class Database:
    """Hands out sessions. Explicit blocks, so that a commit is always before the answer.

    A block is not entered, and `Unavailable` is raised, while the database cannot be reached.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.committed = Bell()
        self.ordered = Bell()
        """Rings for the commits that have a call of a contract in them; see `mesh_shared.chain.journal`."""
        self.recorded = Bell()
        """Rings for the commits that have an event in them; see `mesh_shared.events.outbox`."""
        self._is_sqlite = engine.dialect.name == "sqlite"
        self.quiet_s = ALONE_S if self._is_sqlite else AMONG_REPLICAS_S
        """How long to wait for a bell before looking: other replicas ring none of ours."""
        # SQLite's readers see one moment anyway.
        moment = {} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._readers = async_sessionmaker(engine.execution_options(**moment), expire_on_commit=False)
        self._glancing = engine.execution_options(glance=True)
        self._writers = async_sessionmaker(engine.execution_options(write=True), expire_on_commit=False)
        # SQLite has one writer; queueing here is fair, its busy handler is not.
        self._turn = asyncio.Lock() if self._is_sqlite else nullcontext()
        self._lanes = sqlite.Lanes(engine.url.database or "") if self._is_sqlite else None

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession, None]:
        """All that the block reads is of one moment, so that what it puts together belongs together."""
        async with self._readers() as session:
            await _begin(session)
            yield session

    @asynccontextmanager
    async def glance(self) -> AsyncGenerator[AsyncConnection, None]:
        """For one statement of tables, which is of one moment anyway: what is around it takes no time."""
        connection = self._glancing.connect()
        with reachable():
            await connection.start()
        try:
            yield connection
        finally:
            await connection.close()

    def peek(self, statement: Executable, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]] | None:
        """The rows of one statement as the driver has them, when they can be had without waiting.

        None on PostgreSQL, and where it fails: whoever asks has another way.
        """
        if self._lanes is None:
            return None
        try:
            return self._lanes.peek(statement, parameters)
        except sqlite3.Error:
            return None

    async def write_if(self, guard: Write, *others: Write) -> bool:
        """One transaction of statements that are known beforehand; False, and nothing else is done, unless
        `guard` changes a row. Raises `Unavailable` when it could not be made durable.

        On SQLite that is one change of threads. `others` are insertions, of rows that have a value for each
        column: whole numbers, texts and bytes, a few thousand at most.
        """
        with reachable():
            if self._lanes is None:
                is_so = await self._write_if(guard, others)
            else:
                async with self._turn:
                    is_so = await self._lanes.write_if(guard, others)
        self.committed.ring()
        return is_so

    async def _write_if(self, guard: Write, others: Sequence[Write]) -> bool:
        async with self._writers.begin() as session:
            changed = cast("CursorResult[Any]", await session.execute(guard[0], guard[1][0]))
            if changed.rowcount == 0:
                return False
            for statement, rows in others:
                await session.execute(statement, rows)
        return True

    def release(self, *_: object) -> None:
        """Closes what is beside the engine."""
        if self._lanes is not None:
            self._lanes.close()

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession, None]:
        """One transaction; commits at the end of the block, rolls back when it raises."""
        async with self._turn, self._writers.begin() as session:
            await _begin(session)
            yield session
        self.committed.ring()
        for mark, bell in ((HAS_EVENT, self.recorded), (HAS_CALL, self.ordered)):
            if mark in session.info:
                bell.ring()

    @asynccontextmanager
    async def sole(self, name: str) -> AsyncGenerator[None, None]:
        """Holds the role alone among all replicas; waits for it. It falls to another when we die or freeze.

        SQLite serves one process, which is alone already. Raises `Unavailable` when the role is lost.
        """
        if self._is_sqlite:
            yield
            return
        async with role.held(self.engine, name):
            yield

    async def ping(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


def connect(url: str) -> Database:
    """A database at `url`: `sqlite+aiosqlite:///file` or `postgresql+asyncpg://…`."""
    engine = create_async_engine(url, connect_args=_connect_args(url), pool_pre_ping=not _is_sqlite(url))
    if _is_sqlite(url):
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        event.listen(engine.sync_engine, "invalidate", _end_sqlite)
    database = Database(engine)
    event.listen(engine.sync_engine, "engine_disposed", database.release)
    return database


@contextmanager
def reachable() -> Generator[None]:
    """For who must tell a database that goes away in the middle of a block: raises `Unavailable` then."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError):  # drivers raise the socket's own errors
        raise Unavailable("database") from None


async def _begin(session: AsyncSession) -> None:
    with reachable():
        await session.connection()


def _is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def _connect_args(url: str) -> dict[str, Any]:
    if _is_sqlite(url):
        return {"timeout": sqlite.BUSY_TIMEOUT_S, "async_creator_fn": sqlite.Connection}
    return {"timeout": 5, "command_timeout": 30}


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver must not open transactions on its own
    sqlite.prepare(connection)


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("glance", False):
        return
    # A transaction that starts reading and turns to writing can only fail with SQLITE_BUSY.
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else sqlite.BEGIN)


def _end_sqlite(connection: Any, *_: object) -> None:
    # A statement that was cancelled keeps a closed connection open, and with it the write lock, until the
    # garbage collector comes: the transaction must end before the connection is dropped.
    with suppress(sqlite3.OperationalError):  # there was none
        connection.execute("ROLLBACK").close()
