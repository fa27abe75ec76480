"""Queries on what callers were charged."""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_coordinator.repository.tables import ChargeRow


class Charges:
    """Every query on `charges`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, charge: ChargeRow) -> None:
        self._session.add(charge)

    async def of(self, run_id: UUID) -> ChargeRow | None:
        return await self._session.get(ChargeRow, run_id)

    async def remove(self, run_id: UUID) -> None:
        """Forgets a charge that came to nothing, so that the run can be paid for in another way."""
        await self._session.execute(delete(ChargeRow).where(ChargeRow.run_id == run_id))
