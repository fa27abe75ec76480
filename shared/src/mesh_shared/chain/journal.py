"""Every transaction that a service wants on the chain, from before it is signed until it is final."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid4

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mesh_shared.database.engine import HAS_CALL
from mesh_shared.database.types import TYPES, BigId, UnitAmount, metadata


class ChainTables(DeclarativeBase):
    """Tables of services that write to the chain."""

    metadata = metadata()
    type_annotation_map: ClassVar = TYPES


class State(StrEnum):
    """PREPARED → BROADCAST → MINED → FINAL; REJECTED when it never needs sending; UNKNOWN when the
    account's nonce went elsewhere and only the contract's state can tell what happened.

    UNKNOWN does not last: it is MINED after all, or sent again when the chain took the other one back, or
    LOST once the other one is final. Who has waited for it has an answer before that.
    """

    PREPARED = "prepared"
    BROADCAST = "broadcast"
    MINED = "mined"
    FINAL = "final"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    LOST = "lost"


REPLACED = "replaced"
"""The `error` of what is LOST; nothing of it will ever take effect."""
SETTLED = frozenset({State.MINED, State.FINAL, State.REJECTED, State.UNKNOWN, State.LOST})
OUTSTANDING = (State.PREPARED, State.BROADCAST)
OPEN = (*OUTSTANDING, State.MINED, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Call:
    """What to do on the chain: `data` sent to the contract `to`, with `value_wei` along."""

    to: str
    data: bytes
    value_wei: int = 0


class TransactionRow(ChainTables):
    """`raw` and `nonce` are stored before the first broadcast; `key` makes preparing twice harmless."""

    __tablename__ = "chain_transactions"
    __table_args__ = (
        UniqueConstraint("sender", "nonce"),
        Index("ix_chain_transactions_sender_state", "sender", "state"),
    )

    position: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    id: Mapped[UUID] = mapped_column(default=uuid4, unique=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    sender: Mapped[str] = mapped_column(String(42))
    to: Mapped[str] = mapped_column(String(42))
    data: Mapped[bytes] = mapped_column(LargeBinary)
    value_wei: Mapped[int] = mapped_column(UnitAmount)
    state: Mapped[str] = mapped_column(String(10), default=State.PREPARED)
    nonce: Mapped[int | None] = mapped_column(BigId)
    gas: Mapped[int | None] = mapped_column(BigId)
    max_fee_wei: Mapped[int | None] = mapped_column(UnitAmount)
    priority_fee_wei: Mapped[int | None] = mapped_column(UnitAmount)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    hash: Mapped[str | None] = mapped_column(String(66))
    earlier_hashes: Mapped[list[str]] = mapped_column(default=list)
    broadcast_at: Mapped[datetime | None]
    block_number: Mapped[int | None] = mapped_column(BigId)
    block_hash: Mapped[str | None] = mapped_column(String(66))
    succeeded: Mapped[bool | None]
    error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))

    @property
    def is_settled(self) -> bool:
        return self.state in SETTLED

    @property
    def hashes(self) -> list[str]:
        """Every hash under which it may have been mined, newest first."""
        return [h for h in (self.hash, *self.earlier_hashes) if h is not None]


def _values(id: UUID, key: str, sender: str, call: Call) -> dict[str, object]:
    to, data, value_wei = call.to, call.data, call.value_wei
    return {"id": id, "key": key, "sender": sender, "to": to, "data": data, "value_wei": value_wei}


class Journal:
    """Every query on `chain_transactions`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def prepare(self, key: str, sender: str, call: Call) -> UUID:
        """Puts `call` in the queue, once per `key`; returns its id, also when it was there already."""
        return (await self.prepare_all(sender, {key: call}))[key]

    async def prepare_all(self, sender: str, calls: Mapping[str, Call]) -> Mapping[str, UUID]:
        """The same for many at once, in order: what it takes is as good as what one takes."""
        self._session.info[HAS_CALL] = True
        rows = TransactionRow.id, TransactionRow.key
        known = await self._session.execute(select(*rows).where(TransactionRow.key.in_(calls)))
        ids = {key: id for id, key in known}
        new = {key: uuid4() for key in calls if key not in ids}
        if queued := [_values(new[key], key, sender, calls[key]) for key in new]:
            await self._session.execute(insert(TransactionRow), queued)
        return ids | new

    async def get(self, id: UUID) -> TransactionRow | None:
        return await self._session.scalar(select(TransactionRow).where(TransactionRow.id == id))

    async def all(self, ids: Sequence[UUID]) -> Sequence[TransactionRow]:
        """Those of `ids` that there are."""
        return (await self._session.scalars(select(TransactionRow).where(TransactionRow.id.in_(ids)))).all()

    async def unsigned(self, sender: str, limit: int) -> Sequence[TransactionRow]:
        """Not yet given a nonce, in the order in which they were prepared."""
        query = select(TransactionRow).where(
            TransactionRow.sender == sender,
            TransactionRow.state == State.PREPARED,
            TransactionRow.nonce.is_(None),
        )
        return (await self._session.scalars(query.order_by(TransactionRow.position).limit(limit))).all()

    async def lane(self, sender: str) -> Sequence[TransactionRow]:
        """Signed and not at their end, in nonce order: on their way, mined but not yet final, or in doubt."""
        query = select(TransactionRow).where(
            TransactionRow.sender == sender,
            TransactionRow.state.in_(OPEN),
            TransactionRow.nonce.is_not(None),
        )
        return (await self._session.scalars(query.order_by(TransactionRow.nonce))).all()

    async def highest_nonce(self, sender: str) -> int | None:
        return await self._session.scalar(
            select(func.max(TransactionRow.nonce)).where(TransactionRow.sender == sender)
        )
