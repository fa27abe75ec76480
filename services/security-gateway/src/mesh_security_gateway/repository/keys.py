"""API keys, by the HMAC of what their holders know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.errors import KeyNotFound
from mesh_security_gateway.repository.tables import ApiKeyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it may be shown; `expires_at` is in Unix seconds. With `jkt` it opens only sessions that are
    bound to the key with that thumbprint.
    """

    position: int
    id: UUID
    subject: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: int | None
    revoked_at: datetime | None
    jkt: str | None

    def is_live(self, now: float) -> bool:
        """True before the expiry, unless revoked; `now` in Unix seconds."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class ApiKeys:
    """Every query on `api_keys`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self,
        id: UUID,
        *,
        digest: str,
        subject: str,
        scopes: Sequence[str],
        by: str,
        expires_at: int | None,
        jkt: str | None,
    ) -> ApiKey:
        row = ApiKeyRow(
            id=id,
            digest=digest,
            subject=subject,
            scopes=sorted(set(scopes)),
            created_by=by,
            expires_at=expires_at,
            jkt=jkt,
        )
        self._session.add(row)
        await self._session.flush()
        return _key(row)

    async def by_digest(self, digest: str) -> ApiKey | None:
        row = await self._session.scalar(select(ApiKeyRow).where(ApiKeyRow.digest == digest))
        return row and _key(row)

    async def get(self, id: UUID) -> ApiKey:
        """Raises `KeyNotFound`."""
        row = await self._session.scalar(select(ApiKeyRow).where(ApiKeyRow.id == id))
        if row is None:
            raise KeyNotFound
        return _key(row)

    async def after(self, position: int, limit: int, *, within: str | None) -> list[ApiKey]:
        """Keys in the order of their making, of the subject `within` and those below it if so asked."""
        query = (
            select(ApiKeyRow).where(ApiKeyRow.position > position).order_by(ApiKeyRow.position).limit(limit)
        )
        if within is not None:
            below = ApiKeyRow.subject.startswith(f"{within}/", autoescape=True)
            query = query.where((ApiKeyRow.subject == within) | below)
        return [_key(row) for row in await self._session.scalars(query)]

    async def of_subject(self, subject: str) -> list[ApiKey]:
        rows = await self._session.scalars(select(ApiKeyRow).where(ApiKeyRow.subject == subject))
        return [_key(row) for row in rows]

    async def rescope(self, id: UUID, scopes: Sequence[str]) -> None:
        await self._session.execute(
            update(ApiKeyRow).where(ApiKeyRow.id == id).values(scopes=sorted(set(scopes)))
        )

    async def revoke(self, id: UUID) -> None:
        live = (ApiKeyRow.id == id, ApiKeyRow.revoked_at.is_(None))
        await self._session.execute(update(ApiKeyRow).where(*live).values(revoked_at=datetime.now(UTC)))


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        position=row.position,
        id=row.id,
        subject=row.subject,
        scopes=tuple(row.scopes),
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        jkt=row.jkt,
    )
