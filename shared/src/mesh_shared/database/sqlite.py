"""SQLite with one change of threads a statement.

aiosqlite runs everything in the thread of its connection, and a statement is four things to it: cursor,
execution, rows, end. A change of threads takes longer than most reads, and SQLAlchemy always wants all four.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, Self

import aiosqlite

BEGIN = "BEGIN"


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
