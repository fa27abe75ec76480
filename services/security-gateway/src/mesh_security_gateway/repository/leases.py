"""Leases, live and over."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.leases import Lease
from mesh_security_gateway.errors import LeaseNotFound
from mesh_security_gateway.repository.tables import ConnectionRow, LeaseRow


class Leases:
    """Every query on `leases`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, lease: Lease) -> None:
        self._session.add(
            LeaseRow(
                id=lease.id,
                path=lease.path,
                connection_id=lease.connection_id,
                holder=lease.holder,
                created_at=lease.created_at,
                expires_at=lease.expires_at,
                ends_at=lease.ends_at,
            )
        )
        await self._session.flush()

    async def find(self, id: UUID) -> Lease | None:
        found = (await self._session.execute(_LISTED.where(LeaseRow.id == id))).first()
        return None if found is None else _lease(*found)

    async def get(self, id: UUID) -> Lease:
        """Raises `LeaseNotFound`."""
        if (lease := await self.find(id)) is None:
            raise LeaseNotFound
        return lease

    async def live(self, holder: str, now: int) -> int:
        """How many `holder` has; those that are over are forgotten, as the audit knows them."""
        own = LeaseRow.holder == holder
        await self._session.execute(delete(LeaseRow).where(own, LeaseRow.expires_at <= now))
        return await self._session.scalar(select(func.count()).where(own, ~LeaseRow.is_revoked)) or 0

    async def renew(self, id: UUID, expires_at: int) -> None:
        await self._session.execute(update(LeaseRow).where(LeaseRow.id == id).values(expires_at=expires_at))

    async def revoke(self, prefix: str, *, may: str | None) -> list[Lease]:
        """Ends those whose path begins with `prefix`, of holder or owner `may` only if so asked."""
        under = (LeaseRow.path.startswith(prefix, autoescape=True), ~LeaseRow.is_revoked, *_seen_by(may))
        found = [_lease(*row) for row in await self._session.execute(_LISTED.where(*under))]
        ids = [lease.id for lease in found]
        await self._session.execute(update(LeaseRow).where(LeaseRow.id.in_(ids)).values(is_revoked=True))
        return found

    async def after(self, path: str, limit: int, *, prefix: str, may: str | None) -> Sequence[Lease]:
        """In the order of their paths, above `path`."""
        under = (LeaseRow.path > path, LeaseRow.path.startswith(prefix, autoescape=True), *_seen_by(may))
        query = _LISTED.where(*under).order_by(LeaseRow.path).limit(limit)
        return [_lease(*row) for row in await self._session.execute(query)]


_LISTED = (
    select(LeaseRow, ConnectionRow)
    .join(ConnectionRow, ConnectionRow.id == LeaseRow.connection_id)
    .execution_options(populate_existing=True)
)


def _seen_by(may: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if may is None else ((LeaseRow.holder == may) | (ConnectionRow.owner == may),)


def _lease(row: LeaseRow, connection: ConnectionRow) -> Lease:
    said: dict[str, Any] = {name: getattr(row, name) for name in ("created_at", "expires_at", "ends_at")}
    return Lease(
        id=row.id,
        connection_id=row.connection_id,
        connection=connection.name,
        owner=connection.owner,
        holder=row.holder,
        is_revoked=row.is_revoked,
        **said,
    )
