"""Connections and the versions of their sealed secrets."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.providers import Provider
from mesh_security_gateway.domain.versions import LIVE, Version
from mesh_security_gateway.errors import ConnectionNotFound
from mesh_security_gateway.ports import Envelope, Sealing
from mesh_security_gateway.repository.providers import provider_of
from mesh_security_gateway.repository.tables import (
    ConnectionRow,
    PolicyRow,
    ProviderRow,
    SecretVersionRow,
    TokenRow,
)
from mesh_security_gateway.repository.tokens import envelope_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as it may be shown: `version` and `fingerprint` are the newest secret's."""

    id: UUID
    name: str
    provider: str
    owner: str
    version: int
    rules: int
    fingerprint: str
    created_at: datetime
    rotated_at: datetime

    @property
    def revision(self) -> str:
        """Changes with every rotation, and is another for a later connection of the same name."""
        return f"{self.id.hex[:12]}-{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A version of a secret, sealed, what that ties it to, and the token that was fetched with it, if any."""

    version: Version
    envelope: Envelope
    sealing: Sealing
    token: Envelope | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A connection with all that a call needs of it; `secrets` are those that may be live, newest first.

    `policies` is the place of the newest publication, 0 before the first.
    """

    connection: Connection
    provider: Provider
    secrets: tuple[Stored, ...]
    policies: int

    def live(self, now: float) -> tuple[Stored, ...]:
        """The secrets that a call may go out under at `now` (Unix seconds), newest first."""
        return tuple(secret for secret in self.secrets if secret.version.is_live(now))

    def token_sealing(self, secret: Stored) -> Sealing:
        """What the token is tied to that was fetched with this version."""
        return sealing(self.connection.id, secret.version.number, self.provider, "token")


def sealing(connection: UUID, version: int, provider: Provider, use: str = "secret") -> Sealing:
    """What the secret of that version is tied to, or for the use `token` what was fetched with it."""
    return Sealing(connection=str(connection), version=version, provider=provider, use=use)


class Connections:
    """Every query on `connections`, and those on `secret_versions` that calls make."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, id: UUID, *, name: str, provider: str, owner: str, fingerprint: str) -> None:
        """A connection that has no secret yet."""
        self._session.add(
            ConnectionRow(
                id=id, name=name, provider=provider, owner=owner, version=0, fingerprint=fingerprint
            )
        )
        await self._session.flush()

    async def renew(self, id: UUID, version: int, fingerprint: str) -> None:
        """Names the secret that holds from now on."""
        changed = {"version": version, "fingerprint": fingerprint, "rotated_at": datetime.now(UTC)}
        await self._session.execute(update(ConnectionRow).where(ConnectionRow.id == id).values(changed))

    async def remove(self, id: UUID) -> None:
        """Destroys the connection with every version of its secret and every grant on it."""
        await self._session.execute(delete(ConnectionRow).where(ConnectionRow.id == id))

    async def find(self, name: str, *, lock: bool = False) -> Wired | None:
        """The connection `name`; with `lock` it stays as it is until the transaction ends."""
        if lock:
            # By itself: a joined query that waited would pair the new row with the old version's secret.
            await self._session.execute(
                select(ConnectionRow.id).where(ConnectionRow.name == name).with_for_update()
            )
        query = _WIRED.where(ConnectionRow.name == name).execution_options(populate_existing=True)
        found = [cast(_Found, tuple(row)) for row in await self._session.execute(query)]
        return _wired(found) if found else None

    async def named(self, names: Collection[str]) -> dict[str, Wired]:
        """Those of the connections that there are."""
        query = _WIRED.where(ConnectionRow.name.in_(sorted(names)))
        found = dict[str, list[_Found]]()
        for row in await self._session.execute(query):
            connection: ConnectionRow = row[0]
            found.setdefault(connection.name, []).append(cast(_Found, tuple(row)))
        return {name: _wired(rows) for name, rows in found.items()}

    async def exist(self) -> bool:
        """True when there is at least one."""
        return await self._session.scalar(select(ConnectionRow.id).limit(1)) is not None

    async def get(self, name: str, *, lock: bool = False) -> Wired:
        """Raises `ConnectionNotFound`."""
        if (found := await self.find(name, lock=lock)) is None:
            raise ConnectionNotFound
        return found

    async def after(self, name: str, limit: int, owner: str | None) -> Sequence[Connection]:
        """Connections in the order of their names, of one owner if so asked."""
        query = select(ConnectionRow).where(ConnectionRow.name > name).order_by(ConnectionRow.name)
        if owner is not None:
            query = query.where(ConnectionRow.owner == owner)
        return [_connection(row) for row in await self._session.scalars(query.limit(limit))]


_NEWEST = select(func.coalesce(func.max(PolicyRow.position), 0)).scalar_subquery()
_WIRED = (
    select(ConnectionRow, ProviderRow, SecretVersionRow, TokenRow, _NEWEST)
    .join(ProviderRow, ProviderRow.name == ConnectionRow.provider)
    .outerjoin(
        SecretVersionRow,
        (SecretVersionRow.connection_id == ConnectionRow.id) & SecretVersionRow.state.in_(LIVE),
    )
    .outerjoin(
        TokenRow,
        (TokenRow.connection_id == SecretVersionRow.connection_id)
        & (TokenRow.version == SecretVersionRow.version),
    )
    .order_by(SecretVersionRow.version.desc())
)


WIRED_ROWS = _WIRED.with_only_columns(
    ConnectionRow.__table__,
    ProviderRow.__table__,
    SecretVersionRow.__table__,
    TokenRow.__table__,
    _NEWEST,
).where(ConnectionRow.name == bindparam("sought", ""))
"""All that `Connections.named` makes a connection of: while it reads the same, the connection is the same."""

_Found = tuple[ConnectionRow, ProviderRow, SecretVersionRow | None, TokenRow | None, int]
"""What an outer join really brings; its type says that nothing is missing."""


def _wired(found: Sequence[_Found]) -> Wired:
    connection, row, _, _, policies = found[0]
    provider = provider_of(row)
    return Wired(
        connection=_connection(connection),
        provider=provider,
        secrets=tuple(_stored(provider, ((secret, token) for _, _, secret, token, _ in found))),
        policies=policies,
    )


def _stored(
    provider: Provider, found: Iterable[tuple[SecretVersionRow | None, TokenRow | None]]
) -> Iterable[Stored]:
    for secret, token in found:
        if secret is not None:
            yield Stored(
                version=version_of(secret),
                envelope=envelope_of(secret),
                sealing=sealing(secret.connection_id, secret.version, provider),
                token=token and envelope_of(token),
            )


def version_of(row: SecretVersionRow) -> Version:
    state: Any = row.state
    return Version(
        number=row.version,
        state=state,
        fingerprint=row.fingerprint,
        created_at=row.created_at,
        not_after=row.not_after,
    )


def _connection(row: ConnectionRow) -> Connection:
    return Connection(
        id=row.id,
        name=row.name,
        provider=row.provider,
        owner=row.owner,
        version=row.version,
        rules=row.rules,
        fingerprint=row.fingerprint,
        created_at=row.created_at,
        rotated_at=row.rotated_at,
    )
