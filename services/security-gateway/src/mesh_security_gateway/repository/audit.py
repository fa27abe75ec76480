"""The record: entries, the tree over them, and its signed head."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, cast

from mesh_shared.database.engine import Database
from mesh_shared.database.sqlite import Write
from msgspec import structs
from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain import audit, checkpoint, tree
from mesh_security_gateway.domain.audit import Happening, Sealed
from mesh_security_gateway.domain.checkpoint import NoteKey
from mesh_security_gateway.domain.tree import HASH_BYTES, STEP, Edge, Range, Subtree
from mesh_security_gateway.errors import AuditUnavailable, EntryUnreadable
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.tables import (
    AuditCheckpointRow,
    AuditEntryRow,
    AuditHeadRow,
    AuditNodeRow,
)

# Statements of tables, not of objects: this is on the path of every call.
_ENTRIES, _NODES, _HEAD = (
    cast("Table", row.__table__) for row in (AuditEntryRow, AuditNodeRow, AuditHeadRow)
)
_ONLY = 1
_ADD_ENTRIES, _ADD_NODES = insert(_ENTRIES), insert(_NODES)
_MOVE_HEAD = (
    update(_HEAD)
    .where(_HEAD.c.size == bindparam("was_size"), _HEAD.c.peaks == bindparam("was_peaks"))
    .values(size=bindparam("now_size"), peaks=bindparam("now_peaks"), note=bindparam("now_note"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """New entries with their ids, the edge after them, and the subtrees to keep that they completed."""

    edge: Edge
    ids: list[str]
    entries: list[Sealed]
    full: list[Subtree]

    @classmethod
    def after(cls, edge: Edge, happenings: Sequence[Happening]) -> Self:
        """What comes of adding `happenings` at `edge`, in this order."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        ids, entries, full = list[str](), list[Sealed](), list[Subtree]()
        for happening in happenings:
            random, sequence = int.from_bytes(os.urandom(8)), edge.size + 1
            id = audit.entry_id(sequence, random)
            entries.append(audit.seal(happening, id=id, at=at, sequence=sequence))
            ids.append(id)
            edge, completed = edge.grown(entries[-1].leaf)
            full += completed
        return cls(edge=edge, ids=ids, entries=entries, full=full)

    def writes(self) -> list[Write]:
        """What puts them into the tables; the head comes besides."""
        entries: Write = (_ADD_ENTRIES, [structs.asdict(entry) for entry in self.entries])
        nodes: Write = (_ADD_NODES, [structs.asdict(sub) for sub in self.full])
        return [entries, nodes] if self.full else [entries]


class AuditTail:
    """Adds entries after the newest and remembers where that is: no look while nobody else writes."""

    def __init__(self, database: Database, key: HeadKey) -> None:
        self._database = database
        self._key = key
        self._note_key = NoteKey(key.public)
        self._edge: Edge | None = None

    async def extend(self, happenings: Sequence[Happening]) -> list[str]:
        """Their ids, once they are durable.

        Raises `AuditUnavailable` when the head is gone, and `Unavailable`.
        """
        edge, self._edge = self._edge, None  # not known while a write is under way, and when it fails
        grown = await self._added(edge, happenings) if edge is not None else None
        if grown is None:
            async with self._database.write() as session:
                log = AuditLog(session, self._key)
                grown = Grown.after(await log.turn(), happenings)
                await log.write(grown)
        self._edge = grown.edge
        return grown.ids

    async def _added(self, edge: Edge, happenings: Sequence[Happening]) -> Grown | None:
        """None when the record does not end at `edge` any more."""
        grown = Grown.after(edge, happenings)
        note = checkpoint.note(self._note_key, self._key.sign, grown.edge.size, grown.edge.root())
        head = {"was_size": edge.size, "was_peaks": _joined(edge), "now_size": grown.edge.size}
        guard = (_MOVE_HEAD, [head | {"now_peaks": _joined(grown.edge), "now_note": note}])
        return grown if await self._database.write_if(guard, *grown.writes()) else None


class AuditLog:
    """Every query on the tables `audit_…`."""

    def __init__(self, session: AsyncSession, key: HeadKey) -> None:
        self._session = session
        self._key = key
        self._note_key = NoteKey(key.public)

    async def begin(self) -> None:
        """Signs the empty record of a new installation; entries without a head are left for verification."""
        newest = await self._session.scalar(select(func.max(AuditEntryRow.sequence)))
        if newest is None and await self._session.get(AuditHeadRow, _ONLY) is None:
            self._session.add(AuditHeadRow(id=_ONLY, size=0, peaks=b"", note=self._note(Edge())))

    async def turn(self) -> Edge:
        """The tree's edge, held until the transaction ends: whoever writes waits here for those before.

        Raises `AuditUnavailable` when the head is gone.
        """
        query = select(_HEAD.c.size, _HEAD.c.peaks).where(_HEAD.c.id == _ONLY).with_for_update()
        found = (await self._session.execute(query)).first()
        if found is None:
            raise AuditUnavailable
        return Edge(found.size, _cut(found.peaks))

    async def append(self, happening: Happening) -> str:
        """Adds an entry after the newest, and returns its id."""
        (id,) = await self.extend([happening])
        return id

    async def extend(self, happenings: Sequence[Happening]) -> list[str]:
        """Adds entries after the newest, in this order, and returns their ids."""
        grown = Grown.after(await self.turn(), happenings)
        await self.write(grown)
        return grown.ids

    async def write(self, grown: "Grown") -> None:
        """Writes what was made of the edge that `turn` gave."""
        for statement, rows in grown.writes():
            await self._session.execute(statement, rows)
        head = {"size": grown.edge.size, "peaks": _joined(grown.edge), "note": self._note(grown.edge)}
        await self._session.execute(update(_HEAD).where(_HEAD.c.id == _ONLY).values(head))

    def _note(self, edge: Edge) -> str:
        return checkpoint.note(self._note_key, self._key.sign, edge.size, edge.root())

    async def head(self) -> tuple[Edge, str, int] | None:
        """The tree's edge, the note that was signed of it, and the newest entry's sequence, of one moment."""
        newest = select(func.coalesce(func.max(_ENTRIES.c.sequence), 0)).scalar_subquery()
        query = select(_HEAD.c.size, _HEAD.c.peaks, _HEAD.c.note, newest).where(_HEAD.c.id == _ONLY)
        found = (await self._session.execute(query)).first()
        return None if found is None else (Edge(found[0], _cut(found[1])), found[2], found[3])

    def is_signed(self, edge: Edge, note: str) -> bool:
        """True when `note` says what the edge is, under our key."""
        said = checkpoint.statement(self._note_key, edge.size, edge.root())
        is_about = note.encode().startswith(said + b"\n")
        return is_about and self._key.holds(said, checkpoint.signature(self._note_key, note))

    async def between(self, after: int, up_to: int, limit: int) -> list[Sealed]:
        """The entries above `after` up to and including `up_to`, oldest first."""
        within = (_ENTRIES.c.sequence > after, _ENTRIES.c.sequence <= up_to)
        query = select(_ENTRIES).where(*within).order_by(_ENTRIES.c.sequence).limit(limit)
        return _sealed(await self._session.execute(query))

    async def before(
        self, sequence: int | None, *, limit: int, connection: str | None, agent: str | None
    ) -> Sequence[Sealed]:
        """The newest entries below `sequence`, newest first, of one connection or agent if so asked."""
        query = select(_ENTRIES).order_by(_ENTRIES.c.sequence.desc()).limit(limit)
        if sequence is not None:
            query = query.where(_ENTRIES.c.sequence < sequence)
        if connection is not None:
            query = query.where(_ENTRIES.c.connection == connection)
        if agent is not None:
            query = query.where(_ENTRIES.c.agent == agent)
        return _sealed(await self._session.execute(query))

    async def at(self, sequence: int) -> Sealed | None:
        found = _sealed(await self._session.execute(select(_ENTRIES).where(_ENTRIES.c.sequence == sequence)))
        return found[0] if found else None

    async def outcome_of(self, intent: int) -> Sealed | None:
        """How the call ended whose intent is the entry `intent`."""
        query = select(_ENTRIES).where(_ENTRIES.c.intent == intent).order_by(_ENTRIES.c.sequence).limit(1)
        found = _sealed(await self._session.execute(query))
        return found[0] if found else None

    async def edge(self, size: int) -> Edge:
        """The right edge when the record had `size` entries. Raises `EntryUnreadable` for a hole."""
        peaks = [await self._subtree(height, index) for height, index in tree.cover(0, size)]
        return Edge(size, tuple(peaks))

    async def roots(self, ranges: Iterable[Range]) -> list[bytes]:
        """The root of each range of leaves. Raises `EntryUnreadable` where the record has a hole."""
        return [
            tree.root([await self._subtree(height, index) for height, index in tree.cover(low, high)])
            for low, high in ranges
        ]

    async def _subtree(self, height: int, index: int) -> bytes:
        """The root of a complete subtree, from the largest parts of it that are kept."""
        kept = height - height % STEP
        count = 1 << height - kept
        hashes = await self._kept(kept, index * count, count)
        if len(hashes) != count:
            raise EntryUnreadable((index << height) + 1)
        return tree.grown(Edge(), hashes).root()

    async def _kept(self, height: int, first: int, count: int) -> Sequence[bytes]:
        if height == 0:
            place, hash = _ENTRIES.c.sequence - 1, _ENTRIES.c.leaf
            query = select(hash).where(_ENTRIES.c.sequence > first, _ENTRIES.c.sequence <= first + count)
        else:
            place, hash = _NODES.c.index, _NODES.c.hash
            within = (_NODES.c.index >= first, _NODES.c.index < first + count)
            query = select(hash).where(_NODES.c.height == height, *within)
        return (await self._session.scalars(query.order_by(place))).all()

    async def keep(self, size: int, note: str) -> None:
        """Keeps a checkpoint for good."""
        self._session.add(AuditCheckpointRow(size=size, note=note))

    async def newest_kept(self) -> int:
        """Entries in the newest checkpoint that was kept; 0 before the first."""
        return await self._session.scalar(select(func.coalesce(func.max(AuditCheckpointRow.size), 0))) or 0

    async def checkpoints(self, below: int | None, limit: int) -> Sequence[AuditCheckpointRow]:
        """Those that were kept, newest first, with fewer than `below` entries if so asked."""
        query = select(AuditCheckpointRow).order_by(AuditCheckpointRow.size.desc()).limit(limit)
        if below is not None:
            query = query.where(AuditCheckpointRow.size < below)
        return (await self._session.scalars(query)).all()


def _sealed(rows: Iterable[Any]) -> list[Sealed]:
    return [Sealed(**row._mapping) for row in rows]


def _joined(edge: Edge) -> bytes:
    return b"".join(edge.peaks)


def _cut(peaks: bytes) -> tuple[bytes, ...]:
    return tuple(peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES))
