"""Queries on bids."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.repository.tables import BidRow


class Bids:
    """Every query on `bids`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(self, bid: BidRow) -> bool:
        """The agent's bid from now on; false when it is what it was."""
        key = (bid.run_id, bid.step_id, bid.agent_id)
        known = await self._session.get(BidRow, key)
        if known is not None and known.price_units == bid.price_units:
            return False
        await self._session.merge(bid)
        return True

    async def prices(self, run_id: UUID, step_id: str) -> Mapping[str, int]:
        """What each agent asks for the step, in base units."""
        query = select(BidRow.agent_id, BidRow.price_units).where(
            BidRow.run_id == run_id, BidRow.step_id == step_id
        )
        return {agent_id: price for agent_id, price in await self._session.execute(query)}
