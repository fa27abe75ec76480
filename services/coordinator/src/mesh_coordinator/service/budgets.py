"""Budgets that several runs of one owner's share."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from mesh_shared.database.engine import Database
from sqlalchemy.exc import IntegrityError

from mesh_coordinator.errors import BudgetExists
from mesh_coordinator.repository.budgets import Budgets
from mesh_coordinator.repository.tables import BudgetRow


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDesk:
    """Sets limits, and tells how much of them is left."""

    database: Database

    async def create(self, owner: str, name: str, limit_units: int) -> BudgetRow:
        """The budget of that name, made now or before. Raises `BudgetExists` when its limit is another."""
        row = BudgetRow(owner=owner, name=name, limit_units=limit_units, created_at=datetime.now(UTC))
        with suppress(IntegrityError):  # there is one of that name
            async with self.database.write() as session:
                Budgets(session).add(row)
                await session.flush()
        found = await self.get(owner, name)
        if found.limit_units != limit_units:
            raise BudgetExists(found.limit_units)
        return found

    async def get(self, owner: str, name: str) -> BudgetRow:
        """One of the owner's. Raises `BudgetNotFound`."""
        async with self.database.read() as session:
            return await Budgets(session).named(owner, name)

    async def newest(self, owner: str, limit: int, *, before: int | None) -> Sequence[BudgetRow]:
        """A page of the owner's, newest first."""
        async with self.database.read() as session:
            return await Budgets(session).newest(owner, limit, before=before)
