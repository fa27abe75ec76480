"""Reading and verifying the audit."""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh_shared.database.engine import Database

from mesh_security_gateway.domain import audit
from mesh_security_gateway.domain.audit import Break, Head, Sealed, Verdict
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.audit import AuditChain

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """The audit as its readers see it. Nothing here writes, but for the signature of an empty record."""

    database: Database
    head_key: HeadKey

    async def begin(self) -> None:
        """Signs the empty record of a new installation."""
        async with self.database.write() as session:
            await AuditChain(session, self.head_key).begin()

    async def page(
        self, before: int | None, limit: int, *, connection: str | None, agent: str | None
    ) -> Sequence[Sealed]:
        """At most `limit` entries, newest first, below the sequence `before`."""
        async with self.database.read() as session:
            chain = AuditChain(session, self.head_key)
            return await chain.before(before, limit=limit, connection=connection, agent=agent)

    async def verify(self, newest: int | None = None) -> Verdict:
        """Walks the record against its signed head: all of it, or only the `newest` entries.

        Names the first entry that was changed, moved, taken out or cut off. See `domain.audit` for what it
        cannot show.
        """
        async with self.database.read() as session:
            head, is_signed, last = await AuditChain(session, self.head_key).head()
        if head is None:
            return Verdict(entries=last, head=audit.GENESIS, broken=Break(sequence=None, flaw="head-missing"))
        broken = None if is_signed else Break(sequence=None, flaw="head-forged")
        broken = broken or await self._walk(head, 0 if newest is None else max(0, head.sequence - newest))
        if broken is None and last > head.sequence:
            broken = Break(sequence=head.sequence + 1, flaw="entry-beyond-head")
        return Verdict(entries=head.sequence, head=head.hash, broken=broken)

    async def _walk(self, head: Head, after: int) -> Break | None:
        async with self.database.read() as session:
            at = await AuditChain(session, self.head_key).at(after)
        if at is None:
            return Break(sequence=after, flaw="entry-missing")
        while at.sequence < head.sequence:
            async with self.database.read() as session:
                chain = AuditChain(session, self.head_key)
                entries = await chain.between(at.sequence, head.sequence, BATCH)
            if not entries:
                return Break(sequence=at.sequence + 1, flaw="entry-missing")
            at, broken = audit.follow(at, entries)
            if broken is not None:
                return broken
        return None if at == head else Break(sequence=head.sequence, flaw="entry-changed")
