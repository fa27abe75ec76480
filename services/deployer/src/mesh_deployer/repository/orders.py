"""The simulated market's book."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_deployer.errors import OrderNotOpen
from mesh_deployer.repository.tables import SimulatedOrderRow


class SimulatedOrders:
    """Every query on `simulated_orders`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, row: SimulatedOrderRow) -> None:
        """Enters a new order."""
        self._session.add(row)

    async def find(self, order_id: UUID) -> SimulatedOrderRow | None:
        """The order, locked, or None."""
        return await self._session.get(SimulatedOrderRow, order_id, with_for_update=True)

    async def get(self, order_id: UUID) -> SimulatedOrderRow:
        """The order, locked. Raises `OrderNotOpen` when there is none."""
        row = await self.find(order_id)
        if row is None:
            raise OrderNotOpen
        return row

    async def held(self) -> Sequence[UUID]:
        """The orders that are not closed."""
        query = select(SimulatedOrderRow.order_id).where(SimulatedOrderRow.state != "closed")
        return (await self._session.scalars(query)).all()
