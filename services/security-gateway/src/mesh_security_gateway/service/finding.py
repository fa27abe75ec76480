"""Reads what bears on calls, for many callers at once.

Whoever comes while a read is under way shares the next one, which begins after they came: so all see every
change that was made before their call, on every replica, and a busy gateway reads no more often than a quiet
one.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from mesh_shared.database.engine import Database, reachable

from mesh_security_gateway.domain.leases import Lease
from mesh_security_gateway.repository.connections import Connections, Wired
from mesh_security_gateway.repository.leases import Leases
from mesh_security_gateway.service.deciding import Deciding, Slice


class Wanted(NamedTuple):
    """Whose call it is, through which connection, under which lease if any."""

    subject: str
    connection: str
    lease: UUID | None


class Found(NamedTuple):
    """All of one moment; null is what there is not."""

    wired: Wired | None
    known: Slice | None
    lease: Lease | None


@dataclass(slots=True, kw_only=True)
class Finder:
    """Keeps nothing between reads but what `Deciding` keeps."""

    database: Database
    deciding: Deciding
    _wanted: set[Wanted] | None = None
    """What the next read is for; null when nobody waits for one."""
    _reading: asyncio.Task[Mapping[Wanted, Found]] | None = None

    async def find(self, wanted: Wanted) -> Found:
        """What is there now. Raises `Unavailable` without the database."""
        if self._reading is None or self._wanted is None:
            self._wanted = set()
            self._reading = asyncio.create_task(self._read(self._reading, self._wanted))
        self._wanted.add(wanted)
        return (await asyncio.shield(self._reading))[wanted]

    async def _read(
        self, earlier: asyncio.Task[Mapping[Wanted, Found]] | None, wanted: set[Wanted]
    ) -> Mapping[Wanted, Found]:
        if earlier is not None:
            await asyncio.wait([earlier])
        self._wanted = None  # whoever comes now may have changed something that this read does not see
        with reachable():
            async with self.database.read() as session:
                connections = await Connections(session).named({each.connection for each in wanted})
                found = dict[Wanted, Found]()
                for each in wanted:
                    wired = connections.get(each.connection)
                    known = wired and await self.deciding.slice(session, each.subject, wired)
                    lease = each.lease and await Leases(session).find(each.lease)
                    found[each] = Found(wired, known, lease)
                return found
