"""What may be spent: of a run's own budget, and of the one that it shares with others."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.functions import coalesce

from mesh_coordinator.domain.settlement import is_affordable
from mesh_coordinator.errors import BudgetNotFound
from mesh_coordinator.repository.tables import BudgetRow, RunRow


class Budgets:
    """Every query on what is reserved and spent. Takes part in a transaction; never commits.

    A run is locked before the budget that it shares, everywhere, so that none waits for another in a circle.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, budget: BudgetRow) -> None:
        self._session.add(budget)

    async def named(self, owner: str, name: str) -> BudgetRow:
        """Raises `BudgetNotFound`; nobody is told of somebody else's."""
        query = select(BudgetRow).where(BudgetRow.owner == owner, BudgetRow.name == name)
        if (found := await self._session.scalar(query)) is None:
            raise BudgetNotFound
        return found

    async def newest(self, owner: str, limit: int, *, before: int | None) -> Sequence[BudgetRow]:
        """The owner's, newest first, from below position `before` on."""
        query = select(BudgetRow).where(BudgetRow.owner == owner).order_by(BudgetRow.position.desc())
        if before is not None:
            query = query.where(BudgetRow.position < before)
        return (await self._session.scalars(query.limit(limit))).all()

    async def reserve(self, run_id: UUID, units: int) -> bool:
        """Sets `units` aside for a run; false, and nothing is, when a budget has not so much left.

        One conditional statement for each budget, so that any number at once can never go over it.
        """
        left = RunRow.budget_units - RunRow.reserved_units - RunRow.spent_units
        taken = await self._session.execute(
            update(RunRow)
            .where(RunRow.id == run_id, left >= units)
            .values(reserved_units=RunRow.reserved_units + units)
            .returning(RunRow.shared_budget)
        )
        if (row := taken.first()) is None:
            return False
        (shared,) = row
        if shared is None or await self._reserve_shared(shared, units):
            return True
        await self._book(RunRow, RunRow.id == run_id, -units, 0)
        return False

    async def give_back(self, run_id: UUID, units: int, *, spent_units: int) -> None:
        """Ends a reservation of `units`, of which `spent_units` were paid."""
        shared = await self._session.scalar(select(RunRow.shared_budget).where(RunRow.id == run_id))
        await self._book(RunRow, RunRow.id == run_id, -units, spent_units)
        if shared is not None:
            await self._book(BudgetRow, BudgetRow.position == shared, -units, spent_units)

    async def may_fit(self, run_id: UUID, units: int) -> bool:
        """True while `units` fit both budgets once everything that is only reserved comes back."""
        shared = coalesce(BudgetRow.limit_units, RunRow.budget_units), coalesce(BudgetRow.spent_units, 0)
        columns = (RunRow.budget_units, RunRow.spent_units, *shared)
        query = select(*columns).join_from(RunRow, BudgetRow, isouter=True).where(RunRow.id == run_id)
        limit, spent, shared_limit, shared_spent = (await self._session.execute(query)).one()
        return is_affordable(units, limit_units=limit, spent_units=spent) and is_affordable(
            units, limit_units=shared_limit, spent_units=shared_spent
        )

    async def _reserve_shared(self, position: int, units: int) -> bool:
        left = BudgetRow.limit_units - BudgetRow.reserved_units - BudgetRow.spent_units
        taken = await self._session.execute(
            update(BudgetRow)
            .where(BudgetRow.position == position, left >= units)
            .values(reserved_units=BudgetRow.reserved_units + units)
            .returning(BudgetRow.position)
        )
        return taken.first() is not None

    async def _book(
        self,
        table: type[RunRow] | type[BudgetRow],
        which: ColumnElement[bool],
        reserved_units: int,
        spent_units: int,
    ) -> None:
        changed = {
            "reserved_units": table.reserved_units + reserved_units,
            "spent_units": table.spent_units + spent_units,
        }
        await self._session.execute(update(table).where(which).values(changed))
