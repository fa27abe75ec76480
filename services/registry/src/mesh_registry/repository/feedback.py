"""What clients said of agents."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, exists, func, insert, not_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from mesh_registry.domain import reputation
from mesh_registry.domain.agents import Feedback, Response
from mesh_registry.domain.chain import Answered, FeedbackFact, Occurrence, Paid, Rated, Revoked
from mesh_registry.domain.reputation import ACCEPTED_PPM, Standing
from mesh_registry.repository.portions import portions
from mesh_registry.repository.tables import FeedbackRow, ResponseRow, SettlementRow

Position = tuple[int, int]
"""Block number and log index."""
Piece = tuple[str, int]
"""Client and index of a piece of feedback."""
SHOWN_RESPONSES = 10
"""Anyone may answer, as often as they like."""


class FeedbackBook:
    """Every query on `feedback` and `responses`. Takes part in a transaction; never commits."""

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
        await self._change(paid, {"escrow_id": bindparam("proof"), "is_refunded": _REFUNDED})
        revoked = [_key(o, o.fact) for o in about if isinstance(o.fact, Revoked)]
        await self._change(revoked, {"is_revoked": True})
        if answers := [_response(o, o.fact) for o in about if isinstance(o.fact, Answered)]:
            await self._session.execute(insert(ResponseRow), answers)
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
        rows = (await self._session.scalars(query.limit(limit))).all()
        answers = await self._responses(token_id, [(row.client, row.index) for row in rows]) if rows else {}
        return [_feedback(row, answers.get((row.client, row.index), [])) for row in rows]

    async def _responses(self, token_id: int, said: list[Piece]) -> dict[Piece, list[Response]]:
        """The newest answers to each piece of feedback, newest first."""
        piece = tuple_(ResponseRow.client, ResponseRow.index)
        newest = (ResponseRow.block_number.desc(), ResponseRow.log_index.desc())
        age = func.row_number().over(partition_by=[ResponseRow.client, ResponseRow.index], order_by=newest)
        query = select(ResponseRow, age.label("age")).where(ResponseRow.token_id == token_id, piece.in_(said))
        aged = aliased(ResponseRow, ranked := query.subquery())
        found: dict[Piece, list[Response]] = {}
        rows = select(aged).where(ranked.c.age <= SHOWN_RESPONSES).order_by(ranked.c.age)
        for row in await self._session.scalars(rows):
            answer = Response(row.responder, row.uri, row.block_number)
            found.setdefault((row.client, row.index), []).append(answer)
        return found

    async def _change(self, keys: list[dict[str, Any]], values: dict[str, Any]) -> None:
        if keys:
            await (await self._session.connection()).execute(_THIS_ONE.values(**values), keys)


_ROWS = FeedbackRow.__table__.c
_THIS_ONE = update(FeedbackRow.__table__).where(  # pyright: ignore[reportArgumentType] - it is a Table
    _ROWS.token_id == bindparam("of_token"),
    _ROWS.client == bindparam("of_client"),
    _ROWS["index"] == bindparam("of_index"),
)
_REFUNDED = exists().where(SettlementRow.escrow_id == bindparam("proof"), SettlementRow.is_refunded.is_(True))
_STANDS = and_(FeedbackRow.quality_ppm.is_not(None), FeedbackRow.is_revoked.is_(False))
_PRAISE = FeedbackRow.quality_ppm >= ACCEPTED_PPM
# Who got the money back did not pay for praise; see `Feedback.counts`.
_PROVEN = and_(FeedbackRow.escrow_id.is_not(None), or_(FeedbackRow.is_refunded.is_(False), not_(_PRAISE)))
_COUNTS = and_(_STANDS, _PROVEN)
_PRAISES = and_(_COUNTS, _PRAISE)
_TOTALS = (
    func.count(case((_COUNTS, 1))),
    func.sum(case((_COUNTS, FeedbackRow.quality_ppm), else_=0)),
    func.count(case((and_(_STANDS, not_(_PROVEN)), 1))),
    func.count(case((_PRAISES, FeedbackRow.client)).distinct()),
    func.max(case((_PRAISES, FeedbackRow.block_number), else_=0)),
    func.count(case((and_(_COUNTS, FeedbackRow.is_refunded), 1))),
)


def _standing(count: int, total_ppm: int, *others: int) -> Standing:
    return Standing(reputation.reputation_ppm(int(total_ppm), count), count, *others)


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
        "is_refunded": False,
        "is_revoked": False,
        "block_number": occurrence.block_number,
        "log_index": occurrence.log_index,
        "transaction_hash": occurrence.transaction_hash,
    }


def _feedback(row: FeedbackRow, responses: list[Response]) -> Feedback:
    return Feedback(
        client=row.client,
        index=row.index,
        value=row.value,
        decimals=row.decimals,
        tag1=row.tag1,
        tag2=row.tag2,
        quality_ppm=row.quality_ppm,
        escrow_id=row.escrow_id,
        is_refunded=row.is_refunded,
        is_revoked=row.is_revoked,
        block_number=row.block_number,
        log_index=row.log_index,
        transaction_hash=row.transaction_hash,
        responses=responses,
    )


def _response(occurrence: Occurrence, answered: Answered) -> dict[str, Any]:
    return {
        "block_number": occurrence.block_number,
        "log_index": occurrence.log_index,
        "token_id": occurrence.token_id,
        "client": answered.client,
        "index": answered.index,
        "responder": answered.responder,
        "uri": answered.uri,
    }
