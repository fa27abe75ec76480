"""The chain of audit entries and its signed head."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain import audit
from mesh_security_gateway.domain.audit import GENESIS, Happening, Head, Sealed
from mesh_security_gateway.errors import AuditUnavailable
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.tables import AuditEntryRow, AuditHeadRow

_HEAD = 1


class AuditChain:
    """Every query on `audit_entries` and `audit_head`."""

    def __init__(self, session: AsyncSession, key: HeadKey) -> None:
        self._session = session
        self._key = key

    async def begin(self) -> None:
        """Signs the empty record of a new installation; entries without a head are left for verification."""
        newest = await self._session.scalar(select(func.max(AuditEntryRow.sequence)))
        if newest is None and await self._session.get(AuditHeadRow, _HEAD) is None:
            empty = Head(sequence=0, hash=GENESIS)
            signature = self._key.sign(empty.statement())
            self._session.add(AuditHeadRow(id=_HEAD, sequence=0, hash=GENESIS, signature=signature))

    async def turn(self) -> AuditHeadRow:
        """The head, held until the transaction ends: whoever writes waits here for those before.

        Raises `AuditUnavailable` when the head is gone.
        """
        row = await self._session.get(AuditHeadRow, _HEAD, with_for_update=True, populate_existing=True)
        if row is None:
            raise AuditUnavailable
        return row

    async def append(self, happening: Happening) -> str:
        """Adds an entry after the newest, and returns its id."""
        row = await self.turn()
        id, at = str(uuid4()), datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = audit.seal(happening, id=id, at=at, head=Head(sequence=row.sequence, hash=row.hash))
        self._session.add(
            AuditEntryRow(
                sequence=entry.sequence,
                agent=entry.agent,
                connection=entry.connection,
                body=entry.body,
                hash=entry.hash,
            )
        )
        row.sequence, row.hash = entry.sequence, entry.hash
        row.signature = self._key.sign(Head(sequence=entry.sequence, hash=entry.hash).statement())
        return id

    async def head(self) -> tuple[Head | None, bool, int]:
        """The head, whether its signature holds, and the newest entry's sequence, all of one moment."""
        newest = select(func.coalesce(func.max(AuditEntryRow.sequence), 0)).scalar_subquery()
        found = (await self._session.execute(select(AuditHeadRow, newest))).first()
        if found is None:
            return None, False, 0
        row: AuditHeadRow = found[0]
        head = Head(sequence=row.sequence, hash=row.hash)
        return head, self._key.holds(head.statement(), row.signature), found[1]

    async def at(self, sequence: int) -> Head | None:
        """What the record looked like when `sequence` was its newest entry."""
        if sequence == 0:
            return Head(sequence=0, hash=GENESIS)
        row = await self._session.get(AuditEntryRow, sequence)
        return row and Head(sequence=row.sequence, hash=row.hash)

    async def between(self, after: int, up_to: int, limit: int) -> list[Sealed]:
        """The entries above `after` up to and including `up_to`, oldest first."""
        within = (AuditEntryRow.sequence > after, AuditEntryRow.sequence <= up_to)
        query = select(AuditEntryRow).where(*within).order_by(AuditEntryRow.sequence).limit(limit)
        return [_sealed(row) for row in await self._session.scalars(query)]

    async def before(
        self, sequence: int | None, *, limit: int, connection: str | None, agent: str | None
    ) -> Sequence[Sealed]:
        """The newest entries below `sequence`, newest first, of one connection or agent if so asked."""
        query = select(AuditEntryRow).order_by(AuditEntryRow.sequence.desc()).limit(limit)
        if sequence is not None:
            query = query.where(AuditEntryRow.sequence < sequence)
        if connection is not None:
            query = query.where(AuditEntryRow.connection == connection)
        if agent is not None:
            query = query.where(AuditEntryRow.agent == agent)
        return [_sealed(row) for row in await self._session.scalars(query)]


def _sealed(row: AuditEntryRow) -> Sealed:
    return Sealed(
        sequence=row.sequence, agent=row.agent, connection=row.connection, body=row.body, hash=row.hash
    )
