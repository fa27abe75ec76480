"""Reading, proving and verifying the audit."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from mesh_shared.database.engine import Database

from mesh_security_gateway.domain import audit, tree
from mesh_security_gateway.domain.audit import Break, Sealed, Verdict
from mesh_security_gateway.domain.checkpoint import NoteKey
from mesh_security_gateway.domain.tree import Edge
from mesh_security_gateway.errors import AuditUnavailable, EntryNotFound, EntryUnreadable, ProofImpossible
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.anchors import Anchor, Anchors
from mesh_security_gateway.repository.audit import AuditLog

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A checkpoint that stays, and when it was signed."""

    size: int
    note: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """The audit as its readers see it. Nothing here writes entries."""

    database: Database
    head_key: HeadKey

    @property
    def key(self) -> NoteKey:
        """Who signs checkpoints."""
        return NoteKey(self.head_key.public)

    async def begin(self) -> None:
        """Signs the empty record of a new installation."""
        async with self.database.write() as session:
            await AuditLog(session, self.head_key).begin()

    async def page(
        self, before: int | None, limit: int, *, connection: str | None, agent: str | None
    ) -> Sequence[Sealed]:
        """At most `limit` entries, newest first, below the sequence `before`."""
        async with self.database.read() as session:
            log = AuditLog(session, self.head_key)
            return await log.before(before, limit=limit, connection=connection, agent=agent)

    async def entry(self, id: UUID) -> tuple[Sealed, Sealed | None]:
        """The entry with that id, and how it ended when it is the intent of a call.

        Raises `EntryNotFound`.
        """
        async with self.database.read() as session:
            log = AuditLog(session, self.head_key)
            found = await log.at(audit.sequence_of(id))
            if found is None or found.members().get("id") != str(id):
                raise EntryNotFound
            return found, await log.outcome_of(found.sequence)

    async def checkpoint(self) -> str:
        """The signed note of the record as it is now. Raises `AuditUnavailable` when it is gone."""
        return (await self._head())[1]

    async def kept(self, below: int | None, limit: int) -> list[Kept]:
        """The checkpoints that stay, newest first."""
        async with self.database.read() as session:
            rows = await AuditLog(session, self.head_key).checkpoints(below, limit)
        return [Kept(size=row.size, note=row.note, at=row.created_at.isoformat()) for row in rows]

    async def anchors(self, below: int | None, limit: int) -> Sequence[Anchor]:
        """The checkpoints that were put on a chain, newest first."""
        async with self.database.read() as session:
            return await Anchors(session).newest(below, limit)

    async def keep(self) -> str | None:
        """Keeps the checkpoint of now, for good; None when nothing was written since the last one."""
        async with self.database.write() as session:
            log = AuditLog(session, self.head_key)
            head = await log.head()
            if head is None or head[0].size <= await log.newest_kept():
                return None
            await log.keep(head[0].size, head[1])
            return head[1]

    async def inclusion(self, sequence: int, size: int | None) -> tuple[int, Sealed, list[bytes]]:
        """That an entry is in the record of `size` entries, or of now: the size, the entry, and its path.

        Raises `ProofImpossible` for an entry that is not in that record, and `EntryNotFound` for one that is
        gone.
        """
        size = await self._size(size)
        if not 1 <= sequence <= size:
            raise ProofImpossible
        async with self.database.read() as session:
            log = AuditLog(session, self.head_key)
            entry = await log.at(sequence)
            if entry is None:
                raise EntryNotFound
            return size, entry, await log.roots(tree.inclusion(sequence - 1, size))

    async def consistency(self, first: int, second: int | None) -> tuple[int, list[bytes]]:
        """That the record of `first` entries is the beginning of that of `second`, or of now: the path.

        Raises `ProofImpossible` when it is not that long.
        """
        size = await self._size(second)
        if not 0 <= first <= size:
            raise ProofImpossible
        async with self.database.read() as session:
            return size, await AuditLog(session, self.head_key).roots(tree.consistency(first, size))

    async def export(self) -> AsyncGenerator[bytes, None]:
        """The record as it is now, a line an entry, and the signed checkpoint as the last line."""
        edge, note, _ = await self._head()
        at = 0
        while at < edge.size:
            async with self.database.read() as session:
                entries = await AuditLog(session, self.head_key).between(at, edge.size, BATCH)
            if not entries:
                break  # whoever verifies the file misses them
            yield b"".join(entry.body + b"\n" for entry in entries)
            at = entries[-1].sequence
        yield orjson.dumps({"checkpoint": note}) + b"\n"

    async def verify(self, newest: int | None = None) -> Verdict:
        """Walks the record against its signed head: all of it, or the `newest` entries and some before.

        Names the first entry that was changed, moved, taken out or cut off. See `domain.audit` for what it
        cannot show.
        """
        async with self.database.read() as session:
            log = AuditLog(session, self.head_key)
            head = await log.head()
            is_signed = head is not None and log.is_signed(head[0], head[1])
        if head is None:
            return _verdict(Edge(), Break(sequence=None, flaw="head-missing"))
        edge, _, last = head
        broken = None if is_signed else Break(sequence=None, flaw="head-forged")
        broken = broken or await self._walk(edge, 0 if newest is None else max(0, edge.size - newest))
        if broken is None and last > edge.size:
            broken = Break(sequence=edge.size + 1, flaw="entry-beyond-head")
        return _verdict(edge, broken)

    async def _walk(self, head: Edge, after: int) -> Break | None:
        try:
            async with self.database.read() as session:
                at = await AuditLog(session, self.head_key).edge(after - after % tree.KEPT_LEAVES)
        except EntryUnreadable as hole:
            return Break(sequence=hole.sequence, flaw="entry-missing")
        while at.size < head.size:
            async with self.database.read() as session:
                entries = await AuditLog(session, self.head_key).between(at.size, head.size, BATCH)
            if not entries:
                return Break(sequence=at.size + 1, flaw="entry-missing")
            at, broken = audit.follow(at, entries)
            if broken is not None:
                return broken
        return None if at == head else Break(sequence=None, flaw="head-forged")

    async def _head(self) -> tuple[Edge, str, int]:
        async with self.database.read() as session:
            head = await AuditLog(session, self.head_key).head()
        if head is None:
            raise AuditUnavailable
        return head

    async def _size(self, asked: int | None) -> int:
        size = (await self._head())[0].size
        if asked is not None and asked > size:
            raise ProofImpossible
        return size if asked is None else asked


def _verdict(edge: Edge, broken: Break | None) -> Verdict:
    return Verdict(entries=edge.size, root=edge.root().hex(), broken=broken)
