"""What a grant costs: its rate and its budget, taken before a call and given back when nothing was sent."""

import math
from dataclasses import dataclass
from uuid import UUID

import structlog
from mesh_shared.database.engine import Database, reachable
from mesh_shared.errors import Unavailable
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.errors import BudgetSpent, RateExceeded
from mesh_security_gateway.ports import Rates
from mesh_security_gateway.repository.grants import Grants

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiting:
    """Takes from rates and budgets. A grant without either costs nothing here, not even a question."""

    database: Database
    rates: Rates

    async def reserve(self, grant: Grant) -> "Reservation":
        """Takes a call's share, which is durable when the method is back.

        A kill after that loses the caller one call and never gives it one more. Raises `RateExceeded`,
        `BudgetSpent`, and `Unavailable` when what is left cannot be told.
        """
        if grant.rate is not None and (early := await self.rates.take(str(grant.id), grant.rate)) > 0:
            raise RateExceeded(math.ceil(early))
        if grant.budget is None:
            return Reservation(database=self.database, grant=None)
        with reachable():
            async with self.database.write() as session:
                has_room = await Grants(session).reserve(grant.id)
        if not has_room:
            raise BudgetSpent
        return Reservation(database=self.database, grant=grant.id)


class Reservation(Struct, frozen=True, kw_only=True):
    """What a call has taken of the budget of `grant`; of none when that is null."""

    database: Database
    grant: UUID | None

    async def release(self) -> None:
        """Gives it back, once: nothing was sent. What cannot be given back now stays spent."""
        if self.grant is None:
            return
        try:
            async with self.database.write() as session:
                await Grants(session).release(self.grant)
        except (Unavailable, SQLAlchemyError, OSError):
            log.warning("budget_not_released", grant=str(self.grant))
