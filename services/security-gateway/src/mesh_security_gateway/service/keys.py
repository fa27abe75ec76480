"""API keys, and the sessions that they open."""

import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog
from joserfc.jwk import OKPKey
from mesh_shared.auth.tokens import ADMIN, Principal
from mesh_shared.database.engine import Database
from mesh_shared.events import outbox
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.scopes import exceeding, may_name, service_scopes
from mesh_security_gateway.errors import (
    DelegationTooLong,
    KeyNotFound,
    KeyRefused,
    KeyUnproved,
    ScopesExceeded,
    SubjectForeign,
)
from mesh_security_gateway.events import ApiKeyCreated, ApiKeyRescoped, ApiKeyRevoked
from mesh_security_gateway.ports import HeadKey, KeyFile, KeyFileUnfit
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.repository.keys import ApiKey, ApiKeys
from mesh_security_gateway.service.sessions import SESSION_S, Session, sign

MOST_ACTORS = 8
FIRST_START = "first-start"
ADMIN_SUBJECT = "admin"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Makes, lists and revokes API keys, and opens sessions for them."""

    database: Database
    signing_key: OKPKey
    head_key: HeadKey
    pepper: bytes

    async def holder(self, key: str | None) -> ApiKey:
        """Whose key this is. Raises `KeyRefused` for one that is missing, unknown, revoked or expired."""
        if not key:
            raise KeyRefused
        # Found by its HMAC: whoever guesses keys cannot steer the comparison, so its time tells nothing.
        async with self.database.read() as session:
            known = await ApiKeys(session).by_digest(self._digest(key))
        if known is None or not known.is_live(time.time()):
            raise KeyRefused
        return known

    def open_session(
        self,
        holder: ApiKey,
        *,
        audiences: Sequence[str] | None,
        scopes: Sequence[str] | None,
        jkt: str | None = None,
    ) -> Session:
        """A token for 15 minutes, by default for all five services and with all scopes of the key.

        With `jkt` it is bound to the key with that thumbprint, which the caller has proved to hold.
        Raises `ScopesExceeded` naming the scopes that the key does not hold, and `KeyUnproved` when the API
        key opens sessions for another proved key only.
        """
        if holder.jkt is not None and holder.jkt != jkt:
            raise KeyUnproved
        principal = Principal(holder.subject, frozenset(holder.scopes))
        if lacking := exceeding(principal, scopes or ()):
            raise ScopesExceeded(lacking)
        return sign(
            self.signing_key,
            subject=holder.subject,
            scopes=holder.scopes if scopes is None else scopes,
            audiences=audiences,
            jkt=jkt,
        )

    async def delegate(
        self,
        actor: Principal,
        subject: Principal,
        *,
        audiences: Sequence[str] | None,
        scopes: Sequence[str] | None,
    ) -> Session:
        """A token with which `actor` acts for `subject`: with no more scopes, and no longer, than its token.

        It is bound to the key that the actor proved, if any, hangs on the wallets of both, and names all who
        act (RFC 8693 §4.1). Raises `ScopesExceeded` naming the scopes that the subject's token does not hold,
        `DelegationTooLong` and `AudienceExceeded`.
        """
        if lacking := exceeding(subject, scopes or ()):
            raise ScopesExceeded(lacking)
        actors = (actor.subject, *actor.actors, *subject.actors)
        if len(actors) > MOST_ACTORS:
            raise DelegationTooLong
        async with self.database.write() as session:
            delegated = Happening(
                phase="change",
                action="delegated",
                agent=actor.subject,
                holder=subject.subject,
                actors=actors,
            )
            await AuditLog(session, self.head_key).append(delegated)
        return sign(
            self.signing_key,
            subject=subject.subject,
            scopes=subject.scopes if scopes is None else scopes,
            audiences=audiences,
            ttl_s=max(0, min(SESSION_S, subject.expires_at - int(time.time()))),
            jkt=actor.jkt,
            actors=actors,
            wallets=(*subject.wallets, *actor.wallets),
        )

    async def create(
        self,
        caller: Principal,
        *,
        subject: str,
        scopes: Sequence[str],
        expires_in_s: int | None,
        jkt: str | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and its text, kept nowhere.

        Raises `SubjectForeign` for a subject that is neither the caller nor below it, and `ScopesExceeded`
        beyond the caller's scopes.
        """
        if not may_name(caller, subject):
            raise SubjectForeign
        if lacking := exceeding(caller, scopes):
            raise ScopesExceeded(lacking)
        text = _new_key()
        expires_at = None if expires_in_s is None else int(time.time()) + expires_in_s
        async with self.database.write() as session:
            key = await self._add(
                session, text, subject, scopes, by=caller.subject, expires_at=expires_at, jkt=jkt
            )
        return key, text

    async def page(self, caller: Principal, after: int, limit: int) -> list[ApiKey]:
        """At most `limit` keys of the caller and of subjects below it, of everyone for an admin.

        In the order of their making, from the one after position `after` on.
        """
        within = None if caller.can(ADMIN) else caller.subject
        async with self.database.read() as session:
            return await ApiKeys(session).after(after, limit, within=within)

    async def revoke(self, caller: Principal, id: UUID) -> ApiKey:
        """Ends the key; sessions that it opened end by themselves within 15 minutes. Repeating it is
        harmless.

        Raises `KeyNotFound`, also for somebody else's key, and `ScopesExceeded` for one that can do more than
        the caller.
        """
        async with self.database.write() as session:
            keys = ApiKeys(session)
            key = await keys.get(id)
            if not may_name(caller, key.subject):
                raise KeyNotFound
            if lacking := exceeding(caller, key.scopes):
                raise ScopesExceeded(lacking)
            if key.revoked_at is None:
                await self._end(session, key, caller.subject)
            return await keys.get(id)

    async def welcome(self, admin: KeyFile, services: dict[str, KeyFile]) -> None:
        """First start: the admin's key and one for each service, each in a file of its own.

        A key file that is there is kept, and its key gets the scopes that its service needs by now. Without
        one a service gets a new key and its old ones end; the admin gets one only while no admin key lives,
        so that it can be kept elsewhere.
        """
        holders = [(service, service_scopes(service), file) for service, file in services.items()]
        if admin.read() is not None or not await self._has_live(ADMIN_SUBJECT):
            holders.append((ADMIN_SUBJECT, (ADMIN,), admin))
        async with self.database.write() as session:
            for subject, scopes, file in holders:
                await self._hold(session, subject, scopes, _text(subject, file))

    async def _hold(self, session: AsyncSession, subject: str, scopes: tuple[str, ...], text: str) -> None:
        keys = ApiKeys(session)
        known = await keys.by_digest(self._digest(text))
        if known is None:
            for old in await keys.of_subject(subject):
                if old.created_by == FIRST_START and old.revoked_at is None:
                    await self._end(session, old, FIRST_START)
            await self._add(session, text, subject, scopes, by=FIRST_START, expires_at=None)
        elif known.subject != subject:
            raise KeyFileUnfit(f"The key file of {subject} holds the key of {known.subject}.")
        elif known.scopes != scopes:
            await self._rescope(session, known, scopes)

    async def _has_live(self, subject: str) -> bool:
        async with self.database.read() as session:
            return any(key.is_live(time.time()) for key in await ApiKeys(session).of_subject(subject))

    async def _add(
        self,
        session: AsyncSession,
        text: str,
        subject: str,
        scopes: Sequence[str],
        *,
        by: str,
        expires_at: int | None,
        jkt: str | None = None,
    ) -> ApiKey:
        key = await ApiKeys(session).add(
            uuid4(),
            digest=self._digest(text),
            subject=subject,
            scopes=scopes,
            by=by,
            expires_at=expires_at,
            jkt=jkt,
        )
        await AuditLog(session, self.head_key).append(_change("api-key-created", by, key))
        outbox.record(session, ApiKeyCreated(id=key.id, holder=subject, by=by, scopes=list(key.scopes)))
        return key

    async def _rescope(self, session: AsyncSession, key: ApiKey, scopes: tuple[str, ...]) -> None:
        await ApiKeys(session).rescope(key.id, scopes)
        await AuditLog(session, self.head_key).append(_change("api-key-rescoped", FIRST_START, key))
        outbox.record(
            session, ApiKeyRescoped(id=key.id, holder=key.subject, by=FIRST_START, scopes=list(scopes))
        )

    async def _end(self, session: AsyncSession, key: ApiKey, by: str) -> None:
        await ApiKeys(session).revoke(key.id)
        await AuditLog(session, self.head_key).append(_change("api-key-revoked", by, key))
        outbox.record(session, ApiKeyRevoked(id=key.id, holder=key.subject, by=by))

    def _digest(self, key: str) -> str:
        return hmac.digest(self.pepper, b"api-key\0" + key.encode(errors="replace"), "sha256").hex()


def _new_key() -> str:
    return f"mesh_{secrets.token_urlsafe(32)}"


def _text(subject: str, file: KeyFile) -> str:
    """The key in `file`, made when there is none."""
    text = file.read()
    if text is None:
        text = file.create(_new_key())
        log.info("key_created", holder=subject, file=file.place)
    return text


def _change(action: str, by: str, key: ApiKey) -> Happening:
    return Happening(phase="change", action=action, agent=by, target=str(key.id), holder=key.subject)
