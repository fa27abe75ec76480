"""Secrets of connections after the first: put in place, given time to end, revoked, destroyed."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from mesh_shared.auth.tokens import Principal
from mesh_shared.database.engine import Database
from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.versions import State, Version
from mesh_security_gateway.events import ConnectionRotated, SecretDestroyed, SecretRevoked
from mesh_security_gateway.ports import Envelope, HeadKey, PrivateKeys, Vault
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.repository.connections import Connection, Connections, Wired, sealing
from mesh_security_gateway.repository.tokens import Tokens
from mesh_security_gateway.repository.versions import Versions
from mesh_security_gateway.service.connections import check_fit, facts, own


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Changes which secret holds. Every change is on record, and holds from the next call on."""

    database: Database
    vault: Vault
    keys: PrivateKeys
    head_key: HeadKey
    clock: Callable[[], float] = time.time

    async def rotate(self, caller: Principal, name: str, secret: str, grace_s: int) -> Connection:
        """Puts a new secret in place, which the next call uses; the old one is good for `grace_s` more
        seconds, for upstreams that do not know the new one yet. The same secret again changes nothing.

        Raises `ConnectionNotFound` and `SecretUnfit`.
        """
        made, fingerprint = None, self.vault.fingerprint(secret)
        while made is None:  # somebody else's rotation may take the number
            async with self.database.read() as session:
                known = await own(session, caller, name)
            check_fit(self.keys, known.provider.injector, secret)
            if self._holds(known, fingerprint):
                return known.connection
            place = sealing(known.connection.id, known.connection.version + 1, known.provider)
            envelope = await self.vault.seal(secret, place)
            made = await self._put(caller, known.connection, envelope, fingerprint, grace_s)
        return made

    async def _put(
        self, caller: Principal, seen: Connection, envelope: Envelope, fingerprint: str, grace_s: int
    ) -> Connection | None:
        """The connection with the new version; None when it is not any more what was `seen`."""
        number = seen.version + 1
        async with self.database.write() as session:
            now = (await own(session, caller, seen.name, lock=True)).connection
            if (now.id, now.version) != (seen.id, seen.version):
                return None
            await Versions(session).retire(now.id, not_after=self._end(grace_s))
            await Versions(session).add(now.id, number, envelope, fingerprint)
            await Connections(session).renew(now.id, number, fingerprint)
            made = (await Connections(session).get(seen.name)).connection
            await self._record(session, "connection-rotated", caller, made)
            outbox.record(session, ConnectionRotated(**facts(made, caller)))
        return made

    def _holds(self, known: Wired, fingerprint: str) -> bool:
        live = known.live(self.clock())
        is_newest = bool(live) and live[0].version.number == known.connection.version
        return is_newest and known.connection.fingerprint == fingerprint

    def _end(self, grace_s: int) -> int | None:
        return int(self.clock()) + grace_s if grace_s else None

    async def versions(self, caller: Principal, name: str) -> Sequence[Version]:
        """Every secret that the connection ever had, newest first. Raises `ConnectionNotFound`."""
        async with self.database.read() as session:
            known = await own(session, caller, name)
            return await Versions(session).of(known.connection.id)

    async def revoke(self, caller: Principal, name: str, number: int) -> Version:
        """The next call finds it dead; the newest that is still live takes its place. Repeating is harmless.

        Raises `ConnectionNotFound` and `SecretVersionNotFound`.
        """
        return await self._end_of(caller, name, number, _REVOKED)

    async def destroy(self, caller: Principal, name: str, number: int) -> Version:
        """Revokes it and overwrites its ciphertext, for good. Repeating is harmless.

        Raises `ConnectionNotFound` and `SecretVersionNotFound`.
        """
        return await self._end_of(caller, name, number, _DESTROYED)

    async def _end_of(self, caller: Principal, name: str, number: int, end: "_End") -> Version:
        async with self.database.write() as session:
            known = await own(session, caller, name, lock=True)
            versions, id = Versions(session), known.connection.id
            version = await versions.get(id, number)
            if version.at(self.clock()) not in end.over:
                await end.change(versions, id, number)
                await Tokens(session).drop(id, number)
                await self._record(session, end.action, caller, known.connection, version)
                outbox.record(session, end.event(**facts(known.connection, caller, version)))
            return await versions.get(id, number)

    async def _record(
        self,
        session: AsyncSession,
        action: str,
        caller: Principal,
        made: Connection,
        version: Version | None = None,
    ) -> None:
        happening = Happening(
            phase="change",
            action=action,
            agent=caller.subject,
            connection=made.name,
            secret_version=version.number if version else made.version,
            fingerprint=version.fingerprint if version else made.fingerprint,
        )
        await AuditLog(session, self.head_key).append(happening)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """A way to end a version that is not `over` so already."""

    action: str
    event: type[SecretRevoked | SecretDestroyed]
    change: Callable[[Versions, UUID, int], Awaitable[None]]
    over: tuple[State, ...]


_REVOKED = _End(
    action="secret-revoked", event=SecretRevoked, change=Versions.revoke, over=("revoked", "destroyed")
)
_DESTROYED = _End(
    action="secret-destroyed", event=SecretDestroyed, change=Versions.destroy, over=("destroyed",)
)
