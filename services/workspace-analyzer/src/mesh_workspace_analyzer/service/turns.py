"""What every loop over a queue does: take what is next, and let go of what nobody wants any more."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from mesh_shared.bell import wait
from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_workspace_analyzer.domain.build import BuildStatus
from mesh_workspace_analyzer.repository import Queue, Queued

IDLE_S = 1.0

T = TypeVar("T")
Row = TypeVar("Row", bound=Queued)
Table = Callable[[AsyncSession], Queue[Row]]


async def claim(
    database: Database, table: Table[Row], instance: str, pick_up: Callable[[AsyncSession, Row], None]
) -> UUID | None:
    """What this replica is to carry out now; None after waiting for something to come.

    Whatever it has at work besides died with an earlier life of it, and is picked up first.
    """
    ticket = database.committed.ticket()
    async with database.read() as session:
        is_idle = not await table(session).has_open(instance)
    if is_idle:
        await wait(ticket, database.quiet_s)
        return None
    async with database.write() as session:
        for row in await table(session).running(instance):
            pick_up(session, row)
        row = await table(session).claim(instance, at=datetime.now(UTC))
    return None if row is None else row.id


async def cancel(
    database: Database, table: Table[Row], id: UUID, end: Callable[[AsyncSession, Row], None]
) -> Row:
    """Ends what waits, and has ended what is at work, wherever that is; what has ended stays as it is.

    Raises what the table's `get` does.
    """
    async with database.write() as session:
        row = await table(session).get(id, to_change=True)
        if row.status == BuildStatus.QUEUED:
            end(session, row)
        elif row.status == BuildStatus.RUNNING:
            row.status = BuildStatus.CANCELLING
        return row


async def unless_cancelled(
    database: Database, table: Table[Row], id: UUID, work: Coroutine[Any, Any, T]
) -> T | None:
    """What comes of the work; None when a caller has cancelled it, and then it has ended, too."""
    doing = asyncio.ensure_future(work)
    word = asyncio.ensure_future(_until_cancelled(database, table, id))
    try:
        await asyncio.wait({doing, word}, return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else word.result()
    finally:
        doing.cancel()
        word.cancel()
        await asyncio.gather(doing, word, return_exceptions=True)


async def _until_cancelled(database: Database, table: Table[Row], id: UUID) -> None:
    ticket = database.committed.ticket()
    while not await _is_cancelling(database, table, id):
        await wait(ticket, IDLE_S)
        ticket = database.committed.ticket()


async def _is_cancelling(database: Database, table: Table[Row], id: UUID) -> bool:
    async with database.read() as session:
        return (await table(session).get(id)).status == BuildStatus.CANCELLING
