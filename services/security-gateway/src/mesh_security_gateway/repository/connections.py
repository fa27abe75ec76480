"""Providers, connections and their sealed secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.injection import Injector, Provider
from mesh_security_gateway.errors import ConnectionNotFound, ProviderNotFound
from mesh_security_gateway.ports import Envelope, Sealing
from mesh_security_gateway.repository.tables import ConnectionRow, ProviderRow, SecretVersionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as it may be shown: its secret has a version and a fingerprint."""

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
class Wired:
    """A connection with all that a call needs of it."""

    connection: Connection
    provider: Provider
    envelope: Envelope

    @property
    def sealing(self) -> Sealing:
        """What the active secret is tied to."""
        return sealing(self.connection.id, self.connection.version, self.provider)


def sealing(connection: UUID, version: int, provider: Provider) -> Sealing:
    """What the secret of that version is tied to."""
    return Sealing(connection=str(connection), version=version, provider=provider)


class Providers:
    """Every query on `providers`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, provider: Provider) -> None:
        self._session.add(
            ProviderRow(
                name=provider.name,
                origin=provider.origin,
                base_path=provider.base_path,
                injector_kind=provider.injector.kind,
                injector_name=provider.injector.name,
                allow_private=provider.allow_private,
            )
        )

    async def find(self, name: str) -> Provider | None:
        row = await self._session.get(ProviderRow, name)
        return row and _provider(row)

    async def get(self, name: str) -> Provider:
        """Raises `ProviderNotFound`."""
        if (provider := await self.find(name)) is None:
            raise ProviderNotFound("There is no such provider.")
        return provider

    async def after(self, name: str, limit: int) -> Sequence[Provider]:
        query = select(ProviderRow).where(ProviderRow.name > name).order_by(ProviderRow.name).limit(limit)
        return [_provider(row) for row in await self._session.scalars(query)]


class Connections:
    """Every query on `connections` and `secret_versions`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, id: UUID, *, name: str, provider: str, owner: str, envelope: Envelope, fingerprint: str
    ) -> None:
        self._session.add(ConnectionRow(id=id, name=name, provider=provider, owner=owner, version=1))
        await self._session.flush()
        self._add_version(id, 1, envelope, fingerprint)

    async def rotate(self, id: UUID, version: int, envelope: Envelope, fingerprint: str) -> None:
        """Makes `version` the active one; those before it are revoked."""
        older = (SecretVersionRow.connection_id == id, SecretVersionRow.state == "active")
        await self._session.execute(update(SecretVersionRow).where(*older).values(state="revoked"))
        self._add_version(id, version, envelope, fingerprint)
        changed = {"version": version, "rotated_at": datetime.now(UTC)}
        await self._session.execute(update(ConnectionRow).where(ConnectionRow.id == id).values(changed))

    def _add_version(self, id: UUID, version: int, envelope: Envelope, fingerprint: str) -> None:
        self._session.add(
            SecretVersionRow(
                connection_id=id,
                version=version,
                state="active",
                wrapped_key=envelope.wrapped_key,
                ciphertext=envelope.ciphertext,
                fingerprint=fingerprint,
            )
        )

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
        found = (await self._session.execute(query)).first()
        return None if found is None else _wired(*found)

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
        query = _WIRED.where(ConnectionRow.name > name).order_by(ConnectionRow.name).limit(limit)
        if owner is not None:
            query = query.where(ConnectionRow.owner == owner)
        return [_wired(*found).connection for found in await self._session.execute(query)]


_WIRED = (
    select(ConnectionRow, ProviderRow, SecretVersionRow)
    .join(ProviderRow, ProviderRow.name == ConnectionRow.provider)
    .join(
        SecretVersionRow,
        (SecretVersionRow.connection_id == ConnectionRow.id)
        & (SecretVersionRow.version == ConnectionRow.version),
    )
)


def _provider(row: ProviderRow) -> Provider:
    kind: Any = row.injector_kind
    return Provider(
        name=row.name,
        origin=row.origin,
        base_path=row.base_path,
        injector=Injector(kind, row.injector_name),
        allow_private=row.allow_private,
    )


def _wired(row: ConnectionRow, provider: ProviderRow, secret: SecretVersionRow) -> Wired:
    connection = Connection(
        id=row.id,
        name=row.name,
        provider=row.provider,
        owner=row.owner,
        version=row.version,
        rules=row.rules,
        fingerprint=secret.fingerprint,
        created_at=row.created_at,
        rotated_at=row.rotated_at,
    )
    envelope = Envelope(wrapped_key=secret.wrapped_key, ciphertext=secret.ciphertext)
    return Wired(connection=connection, provider=_provider(provider), envelope=envelope)
