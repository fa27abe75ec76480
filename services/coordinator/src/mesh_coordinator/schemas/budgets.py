"""Budgets that runs share, as they are asked for and told."""

from typing import Annotated, Self

from mesh_shared.wire import Timestamp, Units, WireModel
from pydantic import ConfigDict, Field, StringConstraints

from mesh_coordinator.repository.tables import BudgetRow

BUDGET_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
BudgetName = Annotated[
    str,
    StringConstraints(pattern=BUDGET_NAME),
    Field(description="Unique among its owner's.", examples=["research"]),
]
Limit = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,17})$"),
    Field(description="Base units, as a decimal string of at most 18 digits.", examples=["1500000"]),
]


class NewBudgetBody(WireModel):
    """A limit that several runs share."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "research", "limit": "1500000"}]})

    name: BudgetName
    limit: Limit


class SharedBudgetView(WireModel):
    """`reserved` is locked or about to be, and comes back or is spent."""

    name: str
    limit: Units
    reserved: Units
    spent: Units
    created_at: Timestamp

    @classmethod
    def of(cls, row: BudgetRow) -> Self:
        return cls(
            name=row.name,
            limit=str(row.limit_units),
            reserved=str(row.reserved_units),
            spent=str(row.spent_units),
            created_at=row.created_at,
        )
