"""Those who wait for the same news look together: one query, however many they are."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from mesh_shared.database.engine import Database

from mesh_registry.domain.chain import Depths
from mesh_registry.domain.operations import Operation
from mesh_registry.repository.operations import Operations

Found = Mapping[UUID, Operation]


@dataclass(slots=True)
class _Look:
    """A query that has not begun: whoever comes until then is in it."""

    ids: set[UUID] = field(default_factory=set[UUID])
    task: asyncio.Task[Found] | None = None


@dataclass(slots=True)
class Lookout:
    """Where operations stand."""

    database: Database
    depths: Depths
    _next: _Look = field(default_factory=_Look)

    async def operation(self, id: UUID) -> Operation | None:
        """The operation as it is after this call; None when there is none."""
        look = self._next
        look.ids.add(id)
        if look.task is None:
            look.task = asyncio.create_task(self._read(look))
        return (await asyncio.shield(look.task)).get(id)  # one who leaves spoils it for nobody

    async def _read(self, look: _Look) -> Found:
        self._next = _Look()
        async with self.database.read() as session:
            return await Operations(session, self.depths).of(look.ids)
