"""Checkpoints that were put on a chain, as the journal of transactions has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mesh_shared.chain.journal import State, TransactionRow
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

_PREFIX = "audit:"

Status = Literal["waiting", "mined", "final", "failed"]
_STATUS: dict[State, Status] = {
    State.PREPARED: "waiting",
    State.BROADCAST: "waiting",
    State.UNKNOWN: "waiting",
    State.MINED: "mined",
    State.FINAL: "final",
    State.REJECTED: "failed",
    State.LOST: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The checkpoint `note` of `size` entries, and the transaction that has it once it is signed.

    `block_number` is there once it is mined; `position` is that in the journal.
    """

    position: int
    size: int
    note: str
    status: Status
    transaction_hash: str | None
    block_number: int | None


def key_of(size: int) -> str:
    """Under which the journal has the checkpoint of `size` entries: there is one."""
    return f"{_PREFIX}{size}"


class Anchors:
    """Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def newest(self, below: int | None, limit: int) -> Sequence[Anchor]:
        """At most `limit`, newest first, below a position."""
        query = select(TransactionRow).where(TransactionRow.key.startswith(_PREFIX))
        if below is not None:
            query = query.where(TransactionRow.position < below)
        rows = await self._session.scalars(query.order_by(TransactionRow.position.desc()).limit(limit))
        return [_anchor(row) for row in rows]


def _anchor(row: TransactionRow) -> Anchor:
    return Anchor(
        position=row.position,
        size=int(row.key.removeprefix(_PREFIX)),
        note=row.data.decode(),
        status=_STATUS[State(row.state)],
        transaction_hash=row.hash,
        block_number=row.block_number,
    )
