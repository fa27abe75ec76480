"""Approvals, asked and given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.approvals import Approval
from mesh_security_gateway.errors import ApprovalNotFound
from mesh_security_gateway.repository.tables import ApprovalRow, ConnectionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An approval with its place in the list."""

    position: int
    approval: Approval


class Approvals:
    """Every query on `approvals`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, approval: Approval, connection_id: UUID) -> None:
        self._session.add(
            ApprovalRow(
                id=approval.id,
                digest=approval.digest,
                agent=approval.agent,
                connection_id=connection_id,
                method=approval.method,
                path=approval.path,
                query_keys=list(approval.query_keys),
                body_digest=approval.body_digest,
                body_bytes=approval.body_bytes,
                state=approval.said,
                created_at=approval.created_at,
                expires_at=approval.expires_at,
            )
        )
        await self._session.flush()

    async def get(self, id: UUID) -> Approval:
        """Raises `ApprovalNotFound`."""
        found = (await self._session.execute(_LISTED.where(ApprovalRow.id == id))).first()
        if found is None:
            raise ApprovalNotFound
        return _approval(*found)

    async def open(self, digest: str, now: int) -> Approval | None:
        """The question about that request that nobody has answered yet, or whose answer was not used yet."""
        live = (ApprovalRow.state.in_(("pending", "approved")), ApprovalRow.expires_at > now)
        query = _LISTED.where(ApprovalRow.digest == digest, *live).limit(1)
        found = (await self._session.execute(query)).first()
        return None if found is None else _approval(*found)

    async def pending(self, agent: str, now: int) -> int:
        """How many questions of `agent` are open."""
        waiting = (ApprovalRow.agent == agent, ApprovalRow.state == "pending", ApprovalRow.expires_at > now)
        return await self._session.scalar(select(func.count()).where(*waiting)) or 0

    async def decide(self, id: UUID, *, state: str, approver: str, now: int) -> bool:
        """Answers an open question; False when it is none any more."""
        still = (ApprovalRow.id == id, ApprovalRow.state == "pending", ApprovalRow.expires_at > now)
        return await self._change(still, state=state, approver=approver)

    async def use(self, id: UUID, digest: str, now: int) -> bool:
        """Uses the word up; False when there is none for exactly that request."""
        given = (ApprovalRow.id == id, ApprovalRow.digest == digest, ApprovalRow.state == "approved")
        return await self._change((*given, ApprovalRow.expires_at > now), state="used")

    async def _change(self, where: tuple[Any, ...], **values: Any) -> bool:
        changed = update(ApprovalRow).where(*where).values(values).returning(ApprovalRow.id)
        return (await self._session.execute(changed)).first() is not None

    async def before(
        self, position: int | None, limit: int, *, owner: str | None, pending_at: int | None
    ) -> Sequence[Listed]:
        """Newest first, on connections of `owner` and only what is open at `pending_at` if so asked."""
        query = _LISTED.order_by(ApprovalRow.position.desc()).limit(limit)
        if position is not None:
            query = query.where(ApprovalRow.position < position)
        if owner is not None:
            query = query.where(ConnectionRow.owner == owner)
        if pending_at is not None:
            query = query.where(ApprovalRow.state == "pending", ApprovalRow.expires_at > pending_at)
        found = await self._session.execute(query)
        return [Listed(position=row.position, approval=_approval(row, at)) for row, at in found]


_LISTED = (
    select(ApprovalRow, ConnectionRow)
    .join(ConnectionRow, ConnectionRow.id == ApprovalRow.connection_id)
    .execution_options(populate_existing=True)
)


def _approval(row: ApprovalRow, connection: ConnectionRow) -> Approval:
    said: Any = row.state
    return Approval(
        id=row.id,
        digest=row.digest,
        agent=row.agent,
        connection=connection.name,
        owner=connection.owner,
        method=row.method,
        path=row.path,
        query_keys=tuple(row.query_keys),
        body_digest=row.body_digest,
        body_bytes=row.body_bytes,
        said=said,
        approver=row.approver,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
