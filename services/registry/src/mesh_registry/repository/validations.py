"""What validators were asked about agents, and what they answered."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import Validation
from mesh_registry.domain.chain import Occurrence, Requested, Validated
from mesh_registry.repository.feedback import Position
from mesh_registry.repository.tables import ValidationRow


class Validations:
    """Every query on `validations`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take(self, occurrences: Iterable[Occurrence]) -> None:
        """Writes down requests and answers, of which the last one holds."""
        said = list(occurrences)
        if asked := [_request(o, o.fact) for o in said if isinstance(o.fact, Requested)]:
            await self._session.execute(insert(ValidationRow), asked)
        if answered := [_answer(o, o.fact) for o in said if isinstance(o.fact, Validated)]:
            await (await self._session.connection()).execute(_ANSWER, answered)

    async def newest(self, token_id: int, before: Position | None, limit: int) -> list[Validation]:
        """Validations of an agent, newest request first, from what is older than `before`."""
        place = tuple_(ValidationRow.block_number, ValidationRow.log_index)
        query = select(ValidationRow).where(ValidationRow.token_id == token_id)
        newest = query.order_by(ValidationRow.block_number.desc(), ValidationRow.log_index.desc())
        if before is not None:
            newest = newest.where(place < before)
        return [_validation(row) for row in await self._session.scalars(newest.limit(limit))]

    async def summary(self, token_id: int) -> tuple[int, float | None]:
        """How many were answered, and the average of the answers, 0 to 100; None before the first."""
        query = select(func.count(ValidationRow.response), func.sum(ValidationRow.response))
        row = (await self._session.execute(query.where(ValidationRow.token_id == token_id))).one()
        count, total = row[0], int(row[1] or 0)
        return count, total / count if count else None


_ROWS = ValidationRow.__table__.c
_ANSWER = (
    update(ValidationRow.__table__)  # pyright: ignore[reportArgumentType] - it is a Table
    .where(
        _ROWS.token_id == bindparam("of_token"),
        _ROWS.validator == bindparam("of_validator"),
        _ROWS.request_hash == bindparam("of_hash"),
    )
    .values(response=bindparam("answer"), response_uri=bindparam("evidence"), tag=bindparam("about"))
)


def _request(occurrence: Occurrence, requested: Requested) -> dict[str, Any]:
    return {
        "token_id": occurrence.token_id,
        "validator": requested.validator,
        "request_hash": requested.request_hash,
        "request_uri": requested.uri,
        "block_number": occurrence.block_number,
        "log_index": occurrence.log_index,
    }


def _answer(occurrence: Occurrence, validated: Validated) -> dict[str, Any]:
    return {
        "of_token": occurrence.token_id,
        "of_validator": validated.validator,
        "of_hash": validated.request_hash,
        "answer": validated.response,
        "evidence": validated.uri,
        "about": validated.tag,
    }


def _validation(row: ValidationRow) -> Validation:
    return Validation(
        row.validator,
        row.request_hash,
        row.request_uri,
        row.response,
        row.response_uri,
        row.tag,
        row.block_number,
        row.log_index,
    )
