"""Providers, and the connections that put a secret to their origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from mesh_shared.auth.tokens import ADMIN, Principal
from mesh_shared.database.engine import Database
from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.injectors import ClientCertificate, GithubApp, Injector, MintedJwt
from mesh_security_gateway.domain.providers import Provider, check_provider
from mesh_security_gateway.domain.secret_forms import check_secret
from mesh_security_gateway.domain.versions import Version
from mesh_security_gateway.errors import (
    ConnectionChanged,
    ConnectionExists,
    ConnectionNotFound,
    ProviderExists,
)
from mesh_security_gateway.events import (
    ConnectionCreated,
    ConnectionDeleted,
    ProviderRegistered,
)
from mesh_security_gateway.ports import HeadKey, PrivateKeys, Vault
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.repository.connections import Connection, Connections, Wired, sealing
from mesh_security_gateway.repository.providers import Providers
from mesh_security_gateway.repository.versions import Versions


def sees(caller: Principal, owner: str) -> bool:
    """True when what `owner` made is the caller's business: its own, or everything for an admin."""
    return caller.subject == owner or caller.can(ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Registers providers and keeps the secrets of connections. A secret goes in and never comes out."""

    database: Database
    vault: Vault
    keys: PrivateKeys
    head_key: HeadKey

    async def register(self, caller: Principal, provider: Provider) -> Provider:
        """Adds a provider for good; saying the same again is harmless.

        Raises `ProviderExists` when the name belongs to another one, and `ProviderUnfit`.
        """
        check_provider(provider)
        async with self.database.write() as session:
            await AuditLog(session, self.head_key).turn()
            providers = Providers(session)
            known = await providers.find(provider.name)
            if known is not None and known != provider:
                raise ProviderExists("The name belongs to another provider, and providers never change.")
            if known is None:
                providers.add(provider)
                await self._record_provider(session, caller.subject, provider)
        return provider

    async def _record_provider(self, session: AsyncSession, by: str, provider: Provider) -> None:
        happening = Happening(
            phase="change",
            action="provider-registered",
            agent=by,
            target=provider.name,
            origin=provider.origin,
            private_origin=provider.allow_private,
        )
        await AuditLog(session, self.head_key).append(happening)
        outbox.record(
            session,
            ProviderRegistered(
                name=provider.name, origin=provider.origin, allow_private=provider.allow_private, by=by
            ),
        )

    async def provider(self, name: str) -> Provider:
        """The provider of that name. Raises `ProviderNotFound`."""
        async with self.database.read() as session:
            return await Providers(session).get(name)

    async def providers(self, after: str, limit: int) -> Sequence[Provider]:
        """At most `limit` providers in the order of their names, above `after`."""
        async with self.database.read() as session:
            return await Providers(session).after(after, limit)

    async def connect(self, caller: Principal, *, name: str, provider: str, secret: str) -> Connection:
        """A new connection that belongs to the caller; saying the same again is harmless.

        Raises `ProviderNotFound`, `SecretUnfit`, and `ConnectionExists` when the name is taken.
        """
        target = await self.provider(provider)
        check_fit(self.keys, target.injector, secret)
        id, fingerprint = uuid4(), self.vault.fingerprint(secret)
        envelope = await self.vault.seal(secret, sealing(id, 1, target))
        async with self.database.write() as session:
            await AuditLog(session, self.head_key).turn()
            connections = Connections(session)
            if (known := await connections.find(name)) is not None:
                return _same(known.connection, caller, provider, fingerprint)
            await connections.add(
                id, name=name, provider=provider, owner=caller.subject, fingerprint=fingerprint
            )
            await Versions(session).add(id, 1, envelope, fingerprint)
            await connections.renew(id, 1, fingerprint)
            made = (await connections.get(name)).connection
            await self._record(session, "connection-created", caller, made)
            outbox.record(session, ConnectionCreated(provider=provider, **facts(made, caller)))
        return made

    async def disconnect(self, caller: Principal, name: str, revision: str) -> None:
        """Destroys the connection, every version of its secret and every grant on it.

        `revision` is the one that the caller saw. Raises `ConnectionNotFound`, and `ConnectionChanged` when
        it has been rotated or made anew since.
        """
        async with self.database.write() as session:
            known = (await own(session, caller, name, lock=True)).connection
            if known.revision != revision:
                raise ConnectionChanged
            await Connections(session).remove(known.id)
            await self._record(session, "connection-deleted", caller, known)
            outbox.record(session, ConnectionDeleted(**facts(known, caller)))

    async def connection(self, caller: Principal, name: str) -> Connection:
        """The connection without its secret. Raises `ConnectionNotFound`, also for somebody else's."""
        async with self.database.read() as session:
            return (await own(session, caller, name)).connection

    async def connections(self, caller: Principal, after: str, limit: int) -> Sequence[Connection]:
        """At most `limit` connections of the caller, of everyone for an admin, ordered by name."""
        owner = None if caller.can(ADMIN) else caller.subject
        async with self.database.read() as session:
            return await Connections(session).after(after, limit, owner)

    async def _record(self, session: AsyncSession, action: str, caller: Principal, made: Connection) -> None:
        happening = Happening(
            phase="change",
            action=action,
            agent=caller.subject,
            connection=made.name,
            secret_version=made.version,
            fingerprint=made.fingerprint,
        )
        await AuditLog(session, self.head_key).append(happening)


async def own(session: AsyncSession, caller: Principal, name: str, *, lock: bool = False) -> Wired:
    """The connection, if it is the caller's business. Raises `ConnectionNotFound`, for a foreign one too."""
    wired = await Connections(session).get(name, lock=lock)
    if not sees(caller, wired.connection.owner):
        raise ConnectionNotFound
    return wired


def _same(known: Connection, caller: Principal, provider: str, fingerprint: str) -> Connection:
    if (known.owner, known.provider, known.fingerprint) != (caller.subject, provider, fingerprint):
        raise ConnectionExists("That name is taken.")
    return known


def facts(made: Connection, caller: Principal, version: Version | None = None) -> dict[str, Any]:
    """What is told of the connection and its newest secret, or of the `version` named."""
    return {
        "name": made.name,
        "version": version.number if version else made.version,
        "fingerprint": version.fingerprint if version else made.fingerprint,
        "by": caller.subject,
    }


def check_fit(keys: PrivateKeys, injector: Injector, secret: str) -> None:
    """Raises `SecretUnfit` for a secret that the injector could do nothing with."""
    check_secret(injector, secret)
    match injector:
        case MintedJwt(algorithm=algorithm):
            keys.check_key(secret, algorithm)
        case GithubApp():
            keys.check_key(secret, "RS256")
        case ClientCertificate():
            keys.check_certificate(secret)
        case _:
            pass
