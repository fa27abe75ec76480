"""The audit of calls: the intent before a byte leaves, the outcome when the last has come.

Entries go to the disk together: one write for up to 128 of them, which costs as much as twenty entries in it.
An outcome, which nobody waits for, waits for company. An intent waits for the next lull: while the event loop
has other calls to work at, theirs will come at no later a time than this one could go on.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from mesh_shared.bell import Bell
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from msgspec import Struct, structs
from sqlalchemy.exc import SQLAlchemyError

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.versions import Version
from mesh_security_gateway.errors import AuditUnavailable
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.audit import AuditTail
from mesh_security_gateway.service.lull import Lull

TOGETHER = 128
MOST_WAITING = 4096
LINGER_S = 0.01
"""How long an entry waits for others to go to the disk with, at most."""

log = structlog.get_logger()


class _Waiting(Struct, frozen=True):
    """An entry to be written, and where its id is awaited."""

    happening: Happening
    id: asyncio.Future[str]


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Writes what happens to calls; each entry is durable when the method is back."""

    database: Database
    head_key: HeadKey
    pending: set[str] = field(default_factory=set[str])
    """Intents of this process whose outcome is not on record yet."""
    settled: Bell = field(default_factory=Bell)
    _waiting: deque[_Waiting] = field(default_factory=deque[_Waiting])
    _writer: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _lull: Lull = field(init=False)
    _tail: AuditTail = field(init=False)

    def __post_init__(self) -> None:
        self._lull = Lull(self._start)
        self._tail = AuditTail(self.database, self.head_key)

    async def write(self, happening: Happening) -> str:
        """The new entry's id. Raises `AuditUnavailable` when it could not be made durable."""
        if len(self._waiting) >= MOST_WAITING:
            raise AuditUnavailable
        waiting = _Waiting(happening, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None:
            self._seek(waiting)
        return await waiting.id

    def _seek(self, *newest: _Waiting) -> None:
        """Sees to it that these are written at the right moment, with all that waits."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._start)
        if any(each.happening.phase != "outcome" for each in newest):
            self._lull.await_next()

    def _start(self) -> None:
        self._lull.forget()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._writer = asyncio.create_task(self._write())
        self._writer.add_done_callback(self._written)

    def _written(self, _: object) -> None:
        self._writer = None
        if self._waiting:
            self._seek(*self._waiting)

    async def _write(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        # Who was cancelled before the write began wants nothing on record.
        await self._commit([each for each in batch if not each.id.done()])

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            ids = await self._tail.extend([each.happening for each in batch])
            for each, id in zip(batch, ids, strict=True):
                if not each.id.done():
                    each.id.set_result(id)
        except (Unavailable, AuditUnavailable, SQLAlchemyError, OSError):
            log.warning("entries_not_recorded", count=len(batch))
        finally:
            for each in batch:
                if not each.id.done():
                    each.id.set_exception(AuditUnavailable())

    async def intend(self, intent: Happening) -> "Pending":
        """Puts the intent on record. Raises `AuditUnavailable`."""
        started = time.monotonic()
        id = await self.write(intent)
        self.pending.add(id)
        return Pending(recorder=self, intent=intent, ids=[id], started=started)

    async def drain(self, within_s: float) -> None:
        """Waits for the outcomes of calls that are being ended, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.pending:
                    await self.settled.ticket().wait()


class Pending(Struct, frozen=True, kw_only=True):
    """An intent whose outcome is not known yet; `ids` are those of its entries, `started` is monotonic."""

    recorder: Recorder
    intent: Happening
    ids: list[str]
    started: float

    def under(self, version: Version) -> "Pending":
        """The same call, which went out under this version of the secret in the end."""
        if (self.intent.secret_version, self.intent.fingerprint) == (version.number, version.fingerprint):
            return self
        intent = structs.replace(self.intent, secret_version=version.number, fingerprint=version.fingerprint)
        return structs.replace(self, intent=intent)

    async def settle(self, code: str | None, status: int | None = None, received: int = 0) -> None:
        """Puts the outcome on record. What has happened cannot be refused any more: a failure is logged."""
        ms = round((time.monotonic() - self.started) * 1000)
        ended = self.intent.ended(self.ids[0], code=code, status=status, received=received, ms=ms)
        try:
            self.ids.append(await self.recorder.write(ended))
        except AuditUnavailable:
            log.error("outcome_not_recorded", intent=self.ids[0])  # noqa: TRY400 - its stack says nothing
        finally:
            self.recorder.pending.discard(self.ids[0])
            self.recorder.settled.ring()
