"""Published policies, each kept under its hash, and which of them holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.errors import PolicyNotFound
from mesh_security_gateway.repository.tables import PolicyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A text that was published; `hash` is SHA-256 of it, hex, and the newest publication holds."""

    position: int
    hash: str
    text: str
    author: str
    created_at: datetime


class Policies:
    """Every query on `policies`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def adopt(self, text: str, *, hash: str, author: str) -> Policy:
        """Makes `text` what holds from the next call on, on every replica."""
        row = PolicyRow(hash=hash, text=text, author=author)
        self._session.add(row)
        await self._session.flush()
        return _policy(row)

    async def current(self) -> Policy | None:
        """What holds now; None before the first publication."""
        row = await self._session.scalar(select(PolicyRow).order_by(PolicyRow.position.desc()).limit(1))
        return row and _policy(row)

    async def get(self, hash: str) -> Policy:
        """The newest publication of that text. Raises `PolicyNotFound`."""
        query = select(PolicyRow).where(PolicyRow.hash == hash).order_by(PolicyRow.position.desc()).limit(1)
        row = await self._session.scalar(query)
        if row is None:
            raise PolicyNotFound("No policies were published under that hash.")
        return _policy(row)

    async def before(self, position: int | None, limit: int) -> Sequence[Policy]:
        """The publications before `position`, newest first."""
        query = select(PolicyRow).order_by(PolicyRow.position.desc()).limit(limit)
        if position is not None:
            query = query.where(PolicyRow.position < position)
        return [_policy(row) for row in await self._session.scalars(query)]


def _policy(row: PolicyRow) -> Policy:
    return Policy(
        position=row.position, hash=row.hash, text=row.text, author=row.author, created_at=row.created_at
    )
