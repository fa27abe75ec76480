"""Grants, live and spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.errors import GrantNotFound
from mesh_security_gateway.repository.tables import ConnectionRow, GrantRow, ProviderRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A grant with its place in the list, who gave it, and whose connection it opens."""

    position: int
    grant: Grant
    owner: str
    created_by: str
    created_at: datetime


class Grants:
    """Every query on `grants`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, grant: Grant, *, connection_id: UUID, by: str) -> None:
        self._session.add(
            GrantRow(
                id=grant.id,
                connection_id=connection_id,
                subject=grant.subject,
                methods=list(grant.methods),
                paths=list(grant.paths),
                created_by=by,
                expires_at=grant.expires_at,
            )
        )
        await self._session.flush()

    async def find(self, id: UUID) -> Recorded | None:
        found = (await self._session.execute(_RECORDED.where(GrantRow.id == id))).first()
        return None if found is None else _recorded(*found)

    async def get(self, id: UUID) -> Recorded:
        """Raises `GrantNotFound`."""
        if (recorded := await self.find(id)) is None:
            raise GrantNotFound("There is no such grant.")
        return recorded

    async def of(self, subject: str, connection_id: UUID) -> list[Grant]:
        """Every grant that `subject` ever had on the connection."""
        query = _RECORDED.where(GrantRow.connection_id == connection_id, GrantRow.subject == subject)
        return [_recorded(*found).grant for found in await self._session.execute(query)]

    async def after(
        self, position: int, limit: int, *, owner: str | None, subject: str | None, connection: str | None
    ) -> Sequence[Recorded]:
        """Grants in the order in which they were given; on the connections of `owner` if so asked."""
        query = _RECORDED.where(GrantRow.position > position).order_by(GrantRow.position).limit(limit)
        if owner is not None:
            query = query.where(ConnectionRow.owner == owner)
        if subject is not None:
            query = query.where(GrantRow.subject == subject)
        if connection is not None:
            query = query.where(ConnectionRow.name == connection)
        return [_recorded(*found) for found in await self._session.execute(query)]

    async def reach(self, subject: str) -> list[tuple[Grant, str]]:
        """Every grant of `subject` with the origin that it opens."""
        query = _RECORDED.join(ProviderRow, ProviderRow.name == ConnectionRow.provider)
        query = query.add_columns(ProviderRow.origin).where(GrantRow.subject == subject)
        found = await self._session.execute(query)
        return [(_recorded(row, connection).grant, origin) for row, connection, origin in found]

    async def revoke(self, id: UUID) -> None:
        live = (GrantRow.id == id, GrantRow.revoked_at.is_(None))
        await self._session.execute(update(GrantRow).where(*live).values(revoked_at=datetime.now(UTC)))


_RECORDED = (
    select(GrantRow, ConnectionRow)
    .join(ConnectionRow, ConnectionRow.id == GrantRow.connection_id)
    .execution_options(populate_existing=True)
)


def _recorded(row: GrantRow, connection: ConnectionRow) -> Recorded:
    grant = Grant(
        id=row.id,
        subject=row.subject,
        connection=connection.name,
        methods=tuple(row.methods),
        paths=tuple(row.paths),
        expires_at=row.expires_at,
        is_revoked=row.revoked_at is not None,
    )
    return Recorded(
        position=row.position,
        grant=grant,
        owner=connection.owner,
        created_by=row.created_by,
        created_at=row.created_at,
    )
