"""What clients said of agents."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain import reputation
from mesh_registry.domain.agents import Feedback
from mesh_registry.domain.chain import FeedbackFact, Occurrence, Paid, Rated, Revoked
from mesh_registry.domain.reputation import ACCEPTED_PPM, Standing
from mesh_registry.repository.portions import portions
from mesh_registry.repository.tables import FeedbackRow

Position = tuple[int, int]
"""Block number and log index."""


class FeedbackBook:
    """Every query on `feedback`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take(self, occurrences: Iterable[Occurrence]) -> set[int]:
        """Writes down what was said about feedback; returns the tokens that it was about.

        What is said about one piece comes in this order: that it was given, paid for, revoked.
        """
        about = [o for o in occurrences if isinstance(o.fact, FeedbackFact)]
        if given := [_values(o, o.fact) for o in about if isinstance(o.fact, Rated)]:
            await self._session.execute(insert(FeedbackRow), given)
        paid = [_key(o, o.fact) | {"proof": o.fact.escrow_id} for o in about if isinstance(o.fact, Paid)]
        await self._change(paid, {"escrow_id": bindparam("proof")})
        revoked = [_key(o, o.fact) for o in about if isinstance(o.fact, Revoked)]
        await self._change(revoked, {"is_revoked": True})
        return {occurrence.token_id for occurrence in about}

    async def standings(self, token_ids: Iterable[int]) -> dict[int, Standing]:
        """What the feedback of agents adds up to; of all that have any."""
        found: dict[int, Standing] = {}
        for some in portions(sorted(token_ids)):
            query = select(FeedbackRow.token_id, *_TOTALS).where(FeedbackRow.token_id.in_(some))
            rows = await self._session.execute(query.group_by(FeedbackRow.token_id))
            found |= {token_id: _standing(*totals) for token_id, *totals in rows}
        return found

    async def newest(self, token_id: int, before: Position | None, limit: int) -> list[Feedback]:
        """Feedback of an agent, newest first, from what is older than `before`."""
        place = tuple_(FeedbackRow.block_number, FeedbackRow.log_index)
        query = _of(token_id).order_by(FeedbackRow.block_number.desc(), FeedbackRow.log_index.desc())
        if before is not None:
            query = query.where(place < before)
        return [_feedback(row) for row in await self._session.scalars(query.limit(limit))]

    async def _change(self, keys: list[dict[str, Any]], values: dict[str, Any]) -> None:
        if keys:
            await (await self._session.connection()).execute(_THIS_ONE.values(**values), keys)


_ROWS = FeedbackRow.__table__.c
_THIS_ONE = update(FeedbackRow.__table__).where(  # pyright: ignore[reportArgumentType] - it is a Table
    _ROWS.token_id == bindparam("of_token"),
    _ROWS.client == bindparam("of_client"),
    _ROWS["index"] == bindparam("of_index"),
)
_STANDS = and_(FeedbackRow.quality_ppm.is_not(None), FeedbackRow.is_revoked.is_(False))
_COUNTS = and_(_STANDS, FeedbackRow.escrow_id.is_not(None))
_PRAISES = and_(_COUNTS, FeedbackRow.quality_ppm >= ACCEPTED_PPM)
_TOTALS = (
    func.count(case((_COUNTS, 1))),
    func.sum(case((_COUNTS, FeedbackRow.quality_ppm), else_=0)),
    func.count(case((and_(_STANDS, FeedbackRow.escrow_id.is_(None)), 1))),
    func.count(case((_PRAISES, FeedbackRow.client)).distinct()),
    func.max(case((_PRAISES, FeedbackRow.block_number), else_=0)),
)


def _standing(count: int, total_ppm: int, unproven: int, supporters: int, praised_in: int) -> Standing:
    reputation_ppm = reputation.reputation_ppm(int(total_ppm), count)
    return Standing(reputation_ppm, count, unproven, supporters, praised_in)


def _key(occurrence: Occurrence, fact: FeedbackFact) -> dict[str, Any]:
    return {"of_token": occurrence.token_id, "of_client": fact.client, "of_index": fact.index}


def _of(token_id: int) -> Select[FeedbackRow]:
    return select(FeedbackRow).where(FeedbackRow.token_id == token_id)


def _values(occurrence: Occurrence, rated: Rated) -> dict[str, Any]:
    return {
        "token_id": occurrence.token_id,
        "client": rated.client,
        "index": rated.index,
        "value": rated.value,
        "decimals": rated.decimals,
        "tag1": rated.tag1,
        "tag2": rated.tag2,
        "quality_ppm": reputation.quality_ppm(rated.value, rated.decimals, rated.tag1),
        "escrow_id": None,
        "is_revoked": False,
        "block_number": occurrence.block_number,
        "log_index": occurrence.log_index,
        "transaction_hash": occurrence.transaction_hash,
    }


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
