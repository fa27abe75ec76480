"""Who conducts which run: every run names its conductor, and that name is a role that its holder holds.

A replica conducts what it accepts, under a name that is new whenever it begins. So a run whose conductor's
role is free has none any more: the next replica that looks takes it over, with all others of that name.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from mesh_shared.database.engine import Database

from mesh_coordinator.repository.runs import Runs, role_of


@dataclass(slots=True)
class Claims:
    """What one replica conducts. What it accepts before it holds its role waits for the first `adopt`."""

    database: Database
    name: UUID = field(default_factory=uuid4)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None, None]:
        """Conducts under a new name while the block lasts. Raises `Unavailable` when the role is lost."""
        self.name = uuid4()
        async with self.database.sole(role_of(self.name)):
            yield

    async def adopt(self) -> None:
        """Takes the runs of conductors that are gone."""
        async with self.database.read() as session:
            strangers = await Runs(session).strangers(self.name)
        for name in strangers:
            async with self.database.write() as session:
                await Runs(session).take_over(name, self.name)
