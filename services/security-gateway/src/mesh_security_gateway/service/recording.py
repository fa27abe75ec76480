"""The audit of calls: the intent before a byte leaves, the outcome when the last has come."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog
from mesh_shared.bell import Bell
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from sqlalchemy.exc import SQLAlchemyError

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.versions import Version
from mesh_security_gateway.errors import AuditUnavailable
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.audit import AuditChain

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Writes what happens to calls; each entry is durable when the method is back."""

    database: Database
    head_key: HeadKey
    pending: set[str] = field(default_factory=set[str])
    """Intents of this process whose outcome is not on record yet."""
    settled: Bell = field(default_factory=Bell)

    async def write(self, happening: Happening) -> str:
        """The new entry's id. Raises `AuditUnavailable` when it could not be made durable."""
        try:
            async with self.database.write() as session:
                return await AuditChain(session, self.head_key).append(happening)
        except (Unavailable, SQLAlchemyError, OSError):
            raise AuditUnavailable from None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An intent whose outcome is not known yet; `ids` are those of its entries, `started` is monotonic."""

    recorder: Recorder
    intent: Happening
    ids: list[str]
    started: float

    def under(self, version: Version) -> "Pending":
        """The same call, which went out under this version of the secret in the end."""
        intent = replace(self.intent, secret_version=version.number, fingerprint=version.fingerprint)
        return replace(self, intent=intent)

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
