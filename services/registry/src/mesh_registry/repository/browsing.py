"""Active agents in the orders of time, each read from one index."""

from collections.abc import Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.browsing import Key, Order
from mesh_registry.repository.tables import AgentRow

_COLUMNS = {Key.CREATED: [AgentRow.token_id], Key.UPDATED: [AgentRow.stated_at, AgentRow.token_id]}


async def tokens(session: AsyncSession, order: Order, after: Sequence[int], limit: int) -> list[int]:
    """The tokens of `limit` agents at most behind the position `after`; from the beginning if it is empty."""
    columns = _COLUMNS[order.by]
    # for `is_(True)` SQLite would go through all that are on, and sort them
    query = select(AgentRow.token_id).where(AgentRow.is_active.is_not(False))
    if after:
        key, position = tuple_(*columns), tuple_(*after)
        query = query.where(key < position if order.is_descending else key > position)
    in_order = [column.desc() if order.is_descending else column for column in columns]
    return list(await session.scalars(query.order_by(*in_order).limit(limit)))
