"""A role that one replica alone holds: a PostgreSQL session advisory lock, which a frozen holder loses.

A stopped process keeps its connection, and would keep its lock for ever. So the holder says something all the
time, the server ends a session that falls silent, and who wakes up without its session stops what it does. In
the moment until then two may act: whatever a role guards must bear that, as every change here names the state
that it is a change of.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from mesh_shared.errors import Unavailable

SILENCE_S = 15.0
"""After so long without a word from its holder a role is free."""
_TAKE = text(
    "SELECT set_config('idle_session_timeout', :ms, false), pg_advisory_lock(hashtext(:role))"
)  # the server's word for a session that says nothing
_TRY = text("SELECT pg_try_advisory_xact_lock(hashtext(:role))")
_LEAVE = text("SELECT pg_advisory_unlock(hashtext(:role)), set_config('idle_session_timeout', '0', false)")


@asynccontextmanager
async def held(engine: AsyncEngine, role: str) -> AsyncGenerator[None, None]:
    """Waits for the role and holds it while the block lasts.

    Raises `Unavailable`, in the midst of the block, when the role was lost.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(_TAKE, {"role": role, "ms": str(round(SILENCE_S * 1000))})
        voice = _Voice(connection)
        try:
            async with voice.speaking():
                yield
        finally:
            if not voice.is_lost:
                await connection.execute(_LEAVE, {"role": role})


async def is_free(session: AsyncSession, role: str) -> bool:
    """True when nobody holds the role; then nobody takes it before the transaction has ended.

    SQLite serves one process, whose roles nobody else holds.
    """
    is_alone = session.get_bind().dialect.name == "sqlite"
    return is_alone or bool(await session.scalar(_TRY, {"role": role}))


class _Voice:
    """Speaks on a connection, and breaks its holder's work off when that cannot be done any more."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.is_lost = False
        self._connection = connection
        self._is_over = asyncio.Event()

    @asynccontextmanager
    async def speaking(self) -> AsyncGenerator[None, None]:
        holder = asyncio.current_task()
        speaker = asyncio.create_task(self._speak(holder))
        try:
            yield
        except asyncio.CancelledError:
            if self.is_lost and holder is not None and holder.uncancel() == 0:
                raise Unavailable("database") from None
            raise
        finally:
            self._is_over.set()  # not cancelled: that would end the connection in the middle of a word
            await speaker

    async def _speak(self, holder: "asyncio.Task[object] | None") -> None:
        while not self._is_over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), SILENCE_S / 5)
                return
            try:
                await self._connection.execute(text("SELECT 1"))
            except (SQLAlchemyError, OSError):
                self.is_lost = True
                if holder is not None:
                    holder.cancel()
                return
