"""The audit of calls: the intent before a byte leaves, the outcome when the last has come."""

import time
from dataclasses import dataclass

import structlog
from mesh_shared.database.engine import Database
from mesh_shared.errors import Unavailable
from sqlalchemy.exc import SQLAlchemyError

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.errors import AuditUnavailable
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.audit import AuditChain

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Writes what happens to calls; each entry is durable when the method is back."""

    database: Database
    head_key: HeadKey

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
        return Pending(recorder=self, intent=intent, ids=[await self.write(intent)], started=started)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An intent whose outcome is not known yet; `ids` are those of its entries, `started` is monotonic."""

    recorder: Recorder
    intent: Happening
    ids: list[str]
    started: float

    async def settle(self, code: str | None, status: int | None = None, received: int = 0) -> None:
        """Puts the outcome on record. What has happened cannot be refused any more: a failure is logged."""
        ms = round((time.monotonic() - self.started) * 1000)
        ended = self.intent.ended(self.ids[0], code=code, status=status, received=received, ms=ms)
        try:
            self.ids.append(await self.recorder.write(ended))
        except AuditUnavailable:
            log.error("outcome_not_recorded", intent=self.ids[0])  # noqa: TRY400 - its stack says nothing
