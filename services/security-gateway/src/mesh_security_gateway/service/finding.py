"""Reads what bears on calls, for many callers at once.

Whoever comes while a read is under way shares the next one, which begins after they came: so all see every
change that was made before their call, on every replica, and a busy gateway reads no more often than a quiet
one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from mesh_shared.database.engine import Database, reachable
from mesh_shared.gathering import Gathering

from mesh_security_gateway.domain.leases import Lease
from mesh_security_gateway.repository.connections import WIRED_ROWS, Connections, Wired
from mesh_security_gateway.repository.leases import Leases
from mesh_security_gateway.service.deciding import KEPT, Deciding, Slice


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


class _Seen(NamedTuple):
    """A connection, and rows of it as old or older: it is as they say, or newer."""

    rows: list[tuple[Any, ...]]
    wired: Wired


class Finder:
    """Every call looks into the database; what it finds unchanged is not read again."""

    def __init__(self, database: Database, deciding: Deciding) -> None:
        self._seen = OrderedDict[str, _Seen]()
        self._database = database
        self._deciding = deciding
        self._reads = Gathering(self._read)
        self._turn = asyncio.Lock()

    async def find(self, wanted: Wanted) -> Found:
        """What is there now. Raises `Unavailable` without the database."""
        rows = self._database.peek(WIRED_ROWS, {"sought": wanted.connection})
        if rows and (unchanged := self._unchanged(wanted, rows)) is not None:
            return unchanged
        found = await self._reads.outcome(wanted)
        if rows and found.wired is not None:
            self._keep(wanted.connection, _Seen(rows, found.wired))
        return found

    def _unchanged(self, wanted: Wanted, rows: list[tuple[Any, ...]]) -> Found | None:
        """What was found last time, if it would be found again.

        Only for who has a grant: to all others a foreign connection costs what an unknown one does.
        """
        seen = self._seen.get(wanted.connection)
        if seen is None or seen.rows != rows or wanted.lease is not None:
            return None
        known = self._deciding.known(wanted.subject, seen.wired)
        return Found(seen.wired, known, None) if known is not None and known.is_known else None

    def _keep(self, connection: str, seen: _Seen) -> None:
        self._seen[connection] = seen
        self._seen.move_to_end(connection)
        while len(self._seen) > KEPT:
            self._seen.popitem(last=False)

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
