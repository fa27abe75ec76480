"""Grants, live and spent."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.grants import Budget, Grant, Rate
from mesh_security_gateway.errors import GrantNotFound
from mesh_security_gateway.repository.tables import ConnectionRow, GrantRow, ProviderRow

PORTION = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A grant with its place in the list, who gave it, and whose connection it opens.

    `spent` are units of its budget.
    """

    position: int
    grant: Grant
    spent: int
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
                calls=grant.rate and grant.rate.calls,
                per_s=grant.rate and grant.rate.per_s,
                units=grant.budget and grant.budget.units,
                per_call=grant.budget and grant.budget.per_call,
                needs_approval=grant.needs_approval,
                changed_in=await self._changed(connection_id),
            )
        )
        await self._session.flush()

    async def _changed(self, connection_id: UUID) -> int:
        """Tells all who read the rules of the connection that they are old; returns what they are now."""
        changed = update(ConnectionRow).where(ConnectionRow.id == connection_id)
        now = changed.values(rules=ConnectionRow.rules + 1).returning(ConnectionRow.rules)
        return (await self._session.execute(now)).scalar_one()

    async def find(self, id: UUID) -> Recorded | None:
        found = (await self._session.execute(_RECORDED.where(GrantRow.id == id))).first()
        return None if found is None else _recorded(*found)

    async def get(self, id: UUID) -> Recorded:
        """Raises `GrantNotFound`."""
        if (recorded := await self.find(id)) is None:
            raise GrantNotFound("There is no such grant.")
        return recorded

    async def of(self, subject: str, connection_id: UUID, *, after: int = 0) -> AsyncGenerator[list[Grant]]:
        """The grants that `subject` ever had on the connection and that changed after its rules were `after`.

        A hundred at a time, so that nobody waits long for who has thousands.
        """
        own = (GrantRow.connection_id == connection_id, GrantRow.subject == subject)
        query = _RECORDED.where(*own, GrantRow.changed_in > after).order_by(GrantRow.position).limit(PORTION)
        position = 0
        while found := [
            _recorded(*row) for row in await self._session.execute(query.where(GrantRow.position > position))
        ]:
            yield [recorded.grant for recorded in found]
            if len(found) < PORTION:
                return
            position = found[-1].position

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
        # The connection first: whoever deletes it takes the two in this order.
        connection_id = await self._session.scalar(select(GrantRow.connection_id).where(GrantRow.id == id))
        if connection_id is None:
            return
        changed = {"revoked_at": datetime.now(UTC), "changed_in": await self._changed(connection_id)}
        live = (GrantRow.id == id, GrantRow.revoked_at.is_(None))
        await self._session.execute(update(GrantRow).where(*live).values(changed))

    async def reserve(self, id: UUID) -> bool:
        """Takes a call's units from the budget; False when they are not there."""
        room = (GrantRow.id == id, GrantRow.spent + GrantRow.per_call <= GrantRow.units)
        taken = update(GrantRow).where(*room).values(spent=GrantRow.spent + GrantRow.per_call)
        return (await self._session.execute(taken.returning(GrantRow.id))).first() is not None

    async def release(self, id: UUID) -> None:
        """Puts a call's units back."""
        given = update(GrantRow).where(GrantRow.id == id)
        await self._session.execute(given.values(spent=GrantRow.spent - GrantRow.per_call))


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
        rate=_rate(row.calls, row.per_s),
        budget=_budget(row.units, row.per_call),
        needs_approval=row.needs_approval,
    )
    return Recorded(
        position=row.position,
        grant=grant,
        spent=row.spent,
        owner=connection.owner,
        created_by=row.created_by,
        created_at=row.created_at,
    )


def _rate(calls: int | None, per_s: int | None) -> Rate | None:
    return None if calls is None or per_s is None else Rate(calls=calls, per_s=per_s)


def _budget(units: int | None, per_call: int | None) -> Budget | None:
    return None if units is None or per_call is None else Budget(units=units, per_call=per_call)
