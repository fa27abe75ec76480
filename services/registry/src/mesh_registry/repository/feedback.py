"""What clients said of agents."""

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain import reputation
from mesh_registry.domain.agents import Feedback
from mesh_registry.domain.chain import Occurrence, Paid, Rated, Revoked
from mesh_registry.domain.reputation import Standing
from mesh_registry.repository.tables import FeedbackRow

Position = tuple[int, int]
"""Block number and log index."""


class FeedbackBook:
    """Every query on `feedback`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take(self, occurrence: Occurrence) -> bool:
        """Writes down what `occurrence` says about feedback; false when it says nothing about that."""
        match occurrence.fact:
            case Rated() as rated:
                self._session.add(_row(occurrence, rated))
                await self._session.flush()
            case Paid(escrow_id=escrow_id) as paid:
                await self._change(occurrence.token_id, paid, escrow_id=escrow_id)
            case Revoked() as revoked:
                await self._change(occurrence.token_id, revoked, is_revoked=True)
            case _:
                return False
        return True

    async def standing(self, token_id: int) -> Standing:
        """What the feedback of an agent adds up to."""
        stands = _of(token_id).where(FeedbackRow.quality_ppm.is_not(None), FeedbackRow.is_revoked.is_(False))
        paid = stands.where(FeedbackRow.escrow_id.is_not(None))
        totals = paid.with_only_columns(func.count(), func.sum(FeedbackRow.quality_ppm))
        count, total_ppm = (await self._session.execute(totals)).one()
        unpaid = stands.where(FeedbackRow.escrow_id.is_(None)).with_only_columns(func.count())
        unproven = await self._session.scalar(unpaid)
        return Standing(reputation.reputation_ppm(total_ppm or 0, count), count, unproven or 0)

    async def newest(self, token_id: int, before: Position | None, limit: int) -> list[Feedback]:
        """Feedback of an agent, newest first, from what is older than `before`."""
        place = tuple_(FeedbackRow.block_number, FeedbackRow.log_index)
        query = _of(token_id).order_by(FeedbackRow.block_number.desc(), FeedbackRow.log_index.desc())
        if before is not None:
            query = query.where(place < before)
        return [_feedback(row) for row in await self._session.scalars(query.limit(limit))]

    async def _change(self, token_id: int, fact: Paid | Revoked, **values: object) -> None:
        said = (FeedbackRow.client == fact.client, FeedbackRow.index == fact.index)
        query = update(FeedbackRow).where(FeedbackRow.token_id == token_id, *said)
        await self._session.execute(query.values(**values))


def _of(token_id: int) -> Select[FeedbackRow]:
    return select(FeedbackRow).where(FeedbackRow.token_id == token_id)


def _row(occurrence: Occurrence, rated: Rated) -> FeedbackRow:
    return FeedbackRow(
        token_id=occurrence.token_id,
        client=rated.client,
        index=rated.index,
        value=rated.value,
        decimals=rated.decimals,
        tag1=rated.tag1,
        tag2=rated.tag2,
        quality_ppm=reputation.quality_ppm(rated.value, rated.decimals, rated.tag1),
        block_number=occurrence.block_number,
        log_index=occurrence.log_index,
        transaction_hash=occurrence.transaction_hash,
    )


def _feedback(row: FeedbackRow) -> Feedback:
    return Feedback(
        client=row.client,
        index=row.index,
        value=row.value,
        decimals=row.decimals,
        tag1=row.tag1,
        tag2=row.tag2,
        quality_ppm=row.quality_ppm,
        escrow_id=row.escrow_id,
        is_revoked=row.is_revoked,
        block_number=row.block_number,
        log_index=row.log_index,
        transaction_hash=row.transaction_hash,
    )
