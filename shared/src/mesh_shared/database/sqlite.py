"""SQLite with one change of threads a statement.

aiosqlite runs everything in the thread of its connection, and a statement is four things to it: cursor,
execution, rows, end. A change of threads takes longer than most reads, and SQLAlchemy always wants all four.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple, Self

import aiosqlite
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.sql import Executable

BEGIN = "BEGIN"
BUSY_TIMEOUT_S = 10
CACHE_KIB = 8192
"""Of a connection, as far as needed: rows of large tables come a third faster than from 2 MiB."""
MOST_PEEKED = 1000
"""Peeks of which the rows are kept, until the next commit at most."""
Write = tuple[Executable, Sequence[Mapping[str, Any]]]
"""A statement, and the parameters of each time that it is executed."""
_Step = tuple[str, Mapping[str, Any] | Sequence[Any]]
"""A text and its parameters, as the driver has them."""


class _Outcome(NamedTuple):
    description: Any
    rowcount: int
    lastrowid: int | None
    rows: list[Any]
    is_open: bool
    """Whether a transaction is open now."""


_NOTHING = _Outcome(None, -1, None, [], is_open=False)


class Connection(aiosqlite.Connection):
    """For SQLAlchemy's dialect; reads all rows at once, so that there are no streams."""

    def __init__(self, database: str, **options: Any) -> None:
        super().__init__(partial(sqlite3.connect, database, **options), iter_chunk_size=64)
        self._thread.daemon = True  # as SQLAlchemy has it
        self._begins, self._is_used = False, False

    def cursor(self) -> "Cursor":  # pyright: ignore[reportIncompatibleMethodOverride]
        return Cursor(self)

    async def run(self, sql: str, parameters: Iterable[Any], *, is_many: bool = False) -> _Outcome:
        if sql == BEGIN:  # takes no lock and sees nothing yet: it goes with the first statement
            self._begins = True
            return _NOTHING
        begins, self._begins, self._is_used = self._begins, False, True
        outcome = await self._execute(_run, self._conn, sql, parameters, is_many=is_many, begins=begins)
        self._is_used = outcome.is_open
        return outcome

    async def rollback(self) -> None:
        await self._end(super().rollback)

    async def commit(self) -> None:
        await self._end(super().commit)

    async def _end(self, end: Callable[[], Awaitable[None]]) -> None:
        """SQLAlchemy ends a transaction, and once more when the connection goes back to the pool."""
        self._begins = False
        if self._is_used:
            await end()
            self._is_used = False


class Cursor:
    """As much of `aiosqlite.Cursor` as SQLAlchemy uses."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._outcome = _NOTHING
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:
        return self._outcome.description

    @property
    def rowcount(self) -> int:
        return self._outcome.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._outcome.lastrowid

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> None:
        self._outcome = await self._connection.run(sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Any]) -> None:
        self._outcome = await self._connection.run(sql, parameters, is_many=True)

    async def fetchall(self) -> list[Any]:
        return self._outcome.rows

    async def close(self) -> None:
        """It was closed when its rows had been read."""


def _run(
    connection: sqlite3.Connection, sql: str, parameters: Any, *, is_many: bool, begins: bool
) -> _Outcome:
    """In the thread of the connection."""
    cursor = connection.cursor()
    try:
        if begins:
            cursor.execute(BEGIN)
        (cursor.executemany if is_many else cursor.execute)(sql, parameters)
        rows = cursor.fetchall()
        is_open = connection.in_transaction
        return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid, rows, is_open)
    finally:
        cursor.close()


class Lanes:
    """A connection to read and one to write beside SQLAlchemy's, for statements that are on a hot path.

    Their rows and parameters are the driver's own: whole numbers, texts and bytes.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._version: object = None
        self._has_looked = False
        self._peeked: dict[object, list[tuple[Any, ...]]] = {}
        self._thread = ThreadPoolExecutor(1, "sqlite-writer")

    def peek(self, statement: Executable, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows, in the caller's own thread: what is in memory comes sooner than a change of threads does.

        The statement runs once between two commits, whoever commits: SQLite counts them for its readers, and
        who peeks in one turn of the event loop looks at that count once, after all of them had come.
        Raises `sqlite3.Error`, also rather than waiting for anybody.
        """
        if self._reader is None:
            self._reader = self._open(timeout=0)
        if not self._has_looked:
            self._look(self._reader)
        key = (statement, *parameters.items())
        if key not in self._peeked:
            sql, constants = compiled(statement)
            self._peeked[key] = self._reader.execute(sql, {**constants, **parameters}).fetchall()
        return self._peeked[key]

    def _look(self, reader: sqlite3.Connection) -> None:
        """Forgets what was peeked at when anything was committed since."""
        version = reader.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(self._peeked) >= MOST_PEEKED:
            self._version, self._peeked = version, {}
        # Whose turn was not called before this one may know of what is committed from now on.
        asyncio.get_running_loop().call_soon(self._look_again)
        self._has_looked = True

    def _look_again(self) -> None:
        self._has_looked = False

    async def write_if(self, guard: Write, others: Sequence[Write]) -> bool:
        """See `Database.write_if`. Raises `sqlite3.Error`."""
        first = compiled(guard[0])[0], guard[1][0]
        rest = [_at_once(statement, rows) for statement, rows in others]
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._write_if, first, rest)

    def _write_if(self, guard: _Step, others: Sequence[_Step]) -> bool:
        if self._writer is None:
            self._writer = self._open(BUSY_TIMEOUT_S, "IMMEDIATE")
        return _write_if(self._writer, guard, others)

    def _open(self, timeout: float, begins: Literal["IMMEDIATE"] | None = None) -> sqlite3.Connection:
        """`begins` is how the driver begins a transaction when something is to be changed."""
        connection = sqlite3.connect(
            self._path, timeout=timeout, isolation_level=begins, check_same_thread=False
        )
        prepare(connection)
        return connection

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        if self._writer is not None:
            self._thread.submit(self._writer.close)
        self._reader = self._writer = self._version = None


def prepare(connection: Any) -> None:
    """Sets what holds for a connection."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"cache_size=-{CACHE_KIB}"):
        connection.execute(f"PRAGMA {pragma}").close()


@lru_cache(maxsize=64)
def compiled(statement: Executable) -> tuple[str, dict[str, Any]]:
    """Its text, and the parameters that it brings along."""
    known: Any = statement
    made = known.compile(dialect=dialect(paramstyle="named"), compile_kwargs={"render_postcompile": True})
    return str(made), dict(made.params)


def _at_once(statement: Executable, rows: Sequence[Mapping[str, Any]]) -> _Step:
    """An insertion of all `rows` as one step: at each the driver lets go of the interpreter, and then waits
    until the others have had their turn.
    """
    sql, names = _insertion(statement, len(rows))
    return sql, [row[name] for row in rows for name in names]


@lru_cache(maxsize=128)
def _insertion(statement: Executable, count: int) -> tuple[str, Sequence[str]]:
    """Its text with the values of `count` rows, and their names in one."""
    known: Any = statement
    made = known.compile(dialect=dialect(paramstyle="qmark"))
    head, values = str(made).rsplit(" VALUES ", 1)
    return f"{head} VALUES {', '.join([values] * count)}", made.positiontup


def _write_if(connection: sqlite3.Connection, guard: _Step, others: Sequence[_Step]) -> bool:
    with connection, closing(connection.cursor()) as cursor:
        is_so = cursor.execute(*guard).rowcount == 1
        for step in others if is_so else ():
            cursor.execute(*step)
    return is_so
