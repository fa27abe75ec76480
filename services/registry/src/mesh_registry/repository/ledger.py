"""How far the chain is indexed, and everything that it said."""

from collections.abc import Sequence

from pydantic import TypeAdapter
from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.chain import NO_AGENT, AnyFact, Block, Occurrence, Settled
from mesh_registry.repository.tables import BlockRow, OccurrenceRow, SettlementRow

WINDOW = 128
"""Blocks that are remembered: a reorganisation deeper than this starts the index anew."""
_OF_OWNERS = ("announced", "located", "owned", "offering", "updated", "switched")
HEIGHT = select(func.coalesce(func.max(BlockRow.__table__.c.number), 0)).scalar_subquery()
"""The number of the newest indexed block, within a statement; 0 before the first."""
_FACT: TypeAdapter[AnyFact] = TypeAdapter(AnyFact)


class Ledger:
    """Every query on `blocks`, `occurrences`, `settlements`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def head(self) -> BlockRow | None:
        """The newest indexed block; None before the first."""
        return await self._session.scalar(select(BlockRow).order_by(BlockRow.number.desc()).limit(1))

    async def height(self) -> int:
        """The number of the newest indexed block; 0 before the first."""
        return await self._session.scalar(select(HEIGHT)) or 0

    async def recent(self) -> Sequence[BlockRow]:
        """The remembered blocks, newest first."""
        return (await self._session.scalars(select(BlockRow).order_by(BlockRow.number.desc()))).all()

    async def extend(self, blocks: Sequence[Block], occurrences: Sequence[Occurrence]) -> None:
        """Adds what `blocks`, in order and the last of them the new head, brought."""
        forgotten = BlockRow.number <= blocks[-1].number - WINDOW
        await self._session.execute(delete(BlockRow).where(forgotten))
        kept = [{"number": b.number, "hash": b.hash} for b in blocks[-WINDOW:]]
        await self._session.execute(insert(BlockRow), kept)
        if about_agents := [_values(o) for o in occurrences if o.token_id != NO_AGENT]:
            await self._session.execute(insert(OccurrenceRow), about_agents)
        settled = [_settlement(o, o.fact) for o in occurrences if isinstance(o.fact, Settled)]
        if settled:
            await self._session.execute(insert(SettlementRow), settled)

    async def forget_after(self, number: int) -> Sequence[int]:
        """Drops what is above block `number`; returns the tokens that it was about, ascending."""
        above = OccurrenceRow.block_number > number
        query = select(OccurrenceRow.token_id).where(above).distinct().order_by(OccurrenceRow.token_id)
        tokens = (await self._session.scalars(query)).all()
        await self._session.execute(delete(OccurrenceRow).where(above))
        await self._session.execute(delete(SettlementRow).where(SettlementRow.block_number > number))
        await self._session.execute(delete(BlockRow).where(BlockRow.number > number))
        return tokens

    async def about(self, token_ids: Sequence[int]) -> list[Occurrence]:
        """All that was said about tokens, each token's in order."""
        query = select(OccurrenceRow).where(OccurrenceRow.token_id.in_(token_ids))
        in_order = query.order_by(OccurrenceRow.token_id, OccurrenceRow.block_number, OccurrenceRow.log_index)
        return [_occurrence(row) for row in await self._session.scalars(in_order)]

    async def stated(self, token_id: int, most: int) -> list[Occurrence]:
        """The newest things, `most` at most, that only the owner could say about a token, in order."""
        is_owner_s = OccurrenceRow.fact["kind"].as_string().in_(_OF_OWNERS)
        newest = select(OccurrenceRow).where(OccurrenceRow.token_id == token_id, is_owner_s)
        query = newest.order_by(OccurrenceRow.block_number.desc(), OccurrenceRow.log_index.desc()).limit(most)
        return [_occurrence(row) for row in (await self._session.scalars(query)).all()[::-1]]


def _values(occurrence: Occurrence) -> dict[str, object]:
    return {
        "block_hash": occurrence.block_hash,
        "log_index": occurrence.log_index,
        "block_number": occurrence.block_number,
        "transaction_hash": occurrence.transaction_hash,
        "token_id": occurrence.token_id,
        "fact": occurrence.fact.model_dump(mode="json"),
        "at": occurrence.at,
    }


def _settlement(occurrence: Occurrence, settled: Settled) -> dict[str, object]:
    return {
        "escrow_id": settled.escrow_id,
        "is_refunded": settled.is_refunded,
        "block_number": occurrence.block_number,
    }


def _occurrence(row: OccurrenceRow) -> Occurrence:
    return Occurrence(
        block_number=row.block_number,
        block_hash=row.block_hash,
        log_index=row.log_index,
        transaction_hash=row.transaction_hash,
        token_id=row.token_id,
        fact=_FACT.validate_python(row.fact),
        at=row.at,
    )
