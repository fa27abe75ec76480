"""Reads what bears on calls, for many callers at once.

Whoever comes while a read is under way shares the next one, which begins after they came: so all see every
change that was made before their call, on every replica, and a busy gateway reads no more often than a quiet
one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from mesh_shared.database.engine import Database, reachable
from mesh_shared.gathering import Gathering

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


class Finder:
    """Keeps nothing between reads but what `Deciding` keeps."""

    def __init__(self, database: Database, deciding: Deciding) -> None:
        self._database = database
        self._deciding = deciding
        self._reads = Gathering(self._read)
        self._turn = asyncio.Lock()

    async def find(self, wanted: Wanted) -> Found:
        """What is there now. Raises `Unavailable` without the database."""
        return await self._reads.outcome(wanted)

    async def _read(self, take: Callable[[], list[Wanted]]) -> Sequence[Found]:
        async with self._turn:
            wanted = take()  # whoever comes now may have changed something that this read does not see
            with reachable():
                async with self._database.read() as session:
                    connections = await Connections(session).named({each.connection for each in wanted})
                    found = dict[Wanted, Found]()
                    for each in set(wanted):
                        wired = connections.get(each.connection)
                        known = wired and await self._deciding.slice(session, each.subject, wired)
                        lease = each.lease and await Leases(session).find(each.lease)
                        found[each] = Found(wired, known, lease)
                    return [found[each] for each in wanted]
