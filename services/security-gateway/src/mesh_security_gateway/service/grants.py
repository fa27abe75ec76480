"""Who may use a connection, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from mesh_shared.auth.tokens import ADMIN, Principal
from mesh_shared.database.engine import Database
from mesh_shared.errors import IdempotencyKeyReused
from mesh_shared.events import outbox

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.grants import Budget, Grant, Rate
from mesh_security_gateway.errors import ConnectionNotFound, GrantNotFound
from mesh_security_gateway.events import GrantGiven, GrantRevoked
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.repository.connections import Connections
from mesh_security_gateway.repository.grants import Grants, Recorded
from mesh_security_gateway.service.connections import sees


@dataclass(frozen=True, slots=True, kw_only=True)
class Granting:
    """Gives, lists and revokes grants on connections that the caller owns; an admin's are all."""

    database: Database
    head_key: HeadKey

    async def give(
        self,
        caller: Principal,
        *,
        subject: str,
        connection: str,
        methods: Sequence[str],
        paths: Sequence[str],
        expires_at: int | None,
        key: str | None,
        rate: Rate | None = None,
        budget: Budget | None = None,
        needs_approval: bool = False,
    ) -> Recorded:
        """Lets `subject` use the connection until `expires_at` (Unix seconds), or without end; no more often
        than `rate`, for no more than `budget`, and when it `needs_approval` only as somebody approves.

        With the same idempotency `key` the caller gets the grant that it gave already.
        Raises `ConnectionNotFound`, also for somebody else's connection, and `IdempotencyKeyReused` when the
        grant given with that key was another.
        """
        grant = Grant(
            id=uuid5(NAMESPACE_URL, f"grant\0{caller.subject}\0{key}") if key else uuid4(),
            subject=subject,
            connection=connection,
            methods=tuple(sorted(set(methods))),
            paths=tuple(dict.fromkeys(paths)),
            expires_at=expires_at,
            is_revoked=False,
            rate=rate,
            budget=budget,
            needs_approval=needs_approval,
        )
        async with self.database.write() as session:
            grants = Grants(session)
            target = (await Connections(session).get(connection, lock=True)).connection
            if not sees(caller, target.owner):
                raise ConnectionNotFound
            if (given := await grants.find(grant.id)) is not None:
                if replace(given.grant, is_revoked=False) != grant:
                    raise IdempotencyKeyReused("This key belongs to another grant.")
                return given
            await grants.add(grant, connection_id=target.id, by=caller.subject)
            await AuditLog(session, self.head_key).append(_change("grant-given", caller, grant))
            outbox.record(session, _given(grant, caller))
            return await grants.get(grant.id)

    async def page(
        self, caller: Principal, after: int, limit: int, *, subject: str | None, connection: str | None
    ) -> Sequence[Recorded]:
        """At most `limit` grants in the order in which they were given, from the one after `after` on."""
        owner = None if caller.can(ADMIN) else caller.subject
        async with self.database.read() as session:
            return await Grants(session).after(
                after, limit, owner=owner, subject=subject, connection=connection
            )

    async def revoke(self, caller: Principal, id: UUID) -> Recorded:
        """Ends the grant: the next request finds it dead. Repeating it is harmless.

        Raises `GrantNotFound`, also for a grant on somebody else's connection.
        """
        async with self.database.write() as session:
            grants = Grants(session)
            given = await grants.get(id)
            if not sees(caller, given.owner):
                raise GrantNotFound("There is no such grant.")
            if not given.grant.is_revoked:
                await grants.revoke(id)
                await AuditLog(session, self.head_key).append(_change("grant-revoked", caller, given.grant))
                outbox.record(session, _revoked(given.grant, caller))
            return await grants.get(id)


def _change(action: str, caller: Principal, grant: Grant) -> Happening:
    return Happening(
        phase="change",
        action=action,
        agent=caller.subject,
        target=str(grant.id),
        holder=grant.subject,
        connection=grant.connection,
    )


def _given(grant: Grant, caller: Principal) -> GrantGiven:
    return GrantGiven(
        id=grant.id,
        grantee=grant.subject,
        connection=grant.connection,
        by=caller.subject,
        methods=list(grant.methods),
        paths=list(grant.paths),
        expires_at=grant.expires_at,
    )


def _revoked(grant: Grant, caller: Principal) -> GrantRevoked:
    return GrantRevoked(id=grant.id, grantee=grant.subject, connection=grant.connection, by=caller.subject)
