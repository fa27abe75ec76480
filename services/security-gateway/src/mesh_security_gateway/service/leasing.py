"""Takes, renews and revokes leases."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from mesh_shared.auth.tokens import ADMIN, Principal
from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.leases import Lease
from mesh_security_gateway.errors import (
    ConnectionNotFound,
    GrantMissing,
    LeaseEnded,
    LeaseNotFound,
    LeasesFull,
)
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.repository.connections import Connections
from mesh_security_gateway.repository.grants import Grants
from mesh_security_gateway.repository.leases import Leases
from mesh_security_gateway.service.connections import sees

MOST_LIVE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Leasing:
    """A lease allows nothing that no grant does; it ends what goes on under it, by time or by word."""

    database: Database
    head_key: HeadKey
    clock: Callable[[], float] = time.time

    async def take(self, caller: Principal, connection: str, *, ttl_s: int, max_ttl_s: int) -> Lease:
        """A lease for `ttl_s` seconds that may be renewed until `max_ttl_s` are over.

        Raises `ConnectionNotFound` for who never had a grant there, `GrantMissing` for who has none now, and
        `LeasesFull`.
        """
        now = int(self.clock())
        async with self.database.write() as session:
            target = (await Connections(session).get(connection)).connection
            given = Grants(session).of(caller.subject, target.id)
            grants = [grant async for portion in given for grant in portion]
            if not grants and target.owner != caller.subject:
                raise ConnectionNotFound
            if not any(grant.is_live(now) for grant in grants):
                raise GrantMissing
            if await Leases(session).live(caller.subject, now) >= MOST_LIVE:
                raise LeasesFull
            lease = Lease(
                id=uuid4(),
                connection_id=target.id,
                connection=target.name,
                owner=target.owner,
                holder=caller.subject,
                created_at=now,
                expires_at=now + min(ttl_s, max_ttl_s),
                ends_at=now + max_ttl_s,
                is_revoked=False,
            )
            await Leases(session).add(lease)
            await self._record(session, "lease-taken", caller, lease)
        return lease

    async def renew(self, caller: Principal, id: UUID, ttl_s: int) -> Lease:
        """`ttl_s` seconds from now, but never beyond its end.

        Raises `LeaseNotFound`, also for somebody else's, and `LeaseEnded` for one that is over.
        """
        now = int(self.clock())
        async with self.database.write() as session:
            lease = await Leases(session).get(id)
            if lease.holder != caller.subject:
                raise LeaseNotFound
            if not lease.is_live(now):
                raise LeaseEnded
            await Leases(session).renew(id, lease.renewed(now, ttl_s))
            await self._record(session, "lease-renewed", caller, lease)
            return await Leases(session).get(id)

    async def revoke(self, caller: Principal, id: UUID) -> Lease:
        """The next call finds it over. Repeating is harmless.

        Raises `LeaseNotFound` unless the lease or its connection is the caller's.
        """
        async with self.database.write() as session:
            lease = await Leases(session).get(id)
            if lease.holder != caller.subject and not sees(caller, lease.owner):
                raise LeaseNotFound
            ended = await Leases(session).revoke(lease.path, may=None)
            await self._record(session, "lease-revoked", caller, *ended)
            return await Leases(session).get(id)

    async def revoke_under(self, caller: Principal, prefix: str) -> int:
        """Ends all leases under `prefix` that are the caller's or on its connections; returns how many."""
        async with self.database.write() as session:
            ended = await Leases(session).revoke(prefix, may=_only(caller))
            await self._record(session, "lease-revoked", caller, *ended)
        return len(ended)

    async def page(self, caller: Principal, after: str, limit: int, *, prefix: str) -> Sequence[Lease]:
        """At most `limit` leases of the caller or on its connections, in the order of their paths."""
        async with self.database.read() as session:
            return await Leases(session).after(after, limit, prefix=prefix, may=_only(caller))

    async def _record(self, session: AsyncSession, action: str, caller: Principal, *leases: Lease) -> None:
        happened = [
            Happening(
                phase="change",
                action=action,
                agent=caller.subject,
                holder=lease.holder,
                connection=lease.connection,
                lease=str(lease.id),
            )
            for lease in leases
        ]
        if happened:
            await AuditLog(session, self.head_key).extend(happened)


def _only(caller: Principal) -> str | None:
    return None if caller.can(ADMIN) else caller.subject
