"""The data path: a request under a name goes out under a credential that its sender never sees."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from mesh_shared.auth.tokens import Principal
from mesh_shared.database.engine import Database
from mesh_shared.errors import MeshError, Unavailable
from sqlalchemy.exc import SQLAlchemyError

from mesh_security_gateway.domain import grants, headers, injection, paths
from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.redaction import Redactor, needles, redacted
from mesh_security_gateway.errors import (
    ConnectionNotFound,
    GrantMissing,
    UpstreamEncoding,
    UpstreamTooLarge,
)
from mesh_security_gateway.ports import Incoming, Outgoing, Upstream, Vault
from mesh_security_gateway.repository.connections import Connections, Wired
from mesh_security_gateway.repository.grants import Grants
from mesh_security_gateway.service.recording import Pending, Recorder

CALLER_LEFT = "caller-left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an agent wants done: `path` is canonical, `fields` are all that it sent, `length` is in bytes."""

    action: str
    connection: str
    method: str
    path: str
    query: str
    fields: Fields
    body: AsyncIterator[bytes] | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A call that is under way: the head of the answer is here, its body still flows."""

    pending: Pending
    permissions: tuple[str, ...]
    incoming: Incoming
    needles: tuple[bytes, ...]
    max_bytes: int

    @property
    def status(self) -> int:
        """The upstream's status."""
        return self.incoming.status

    def fields(self) -> Fields:
        """The upstream's header fields that may be passed on, without the secret."""
        passed = headers.for_caller(self.incoming.fields)
        clean = ((name, redacted(value, self.needles)) for name, value in passed)
        return tuple((name, value) for name, value in clean if redacted(name, self.needles) == name)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body without the secret, as it comes; when it ends, the outcome is on record.

        Raises `UpstreamTooLarge`, `UpstreamBroken` or `UpstreamTimeout`: what came so far is then no whole
        answer.
        """
        redactor, received, code = Redactor(self.needles), 0, CALLER_LEFT
        try:
            async for chunk in self.incoming.chunks():
                received += len(chunk)
                if received > self.max_bytes:
                    raise UpstreamTooLarge
                if piece := redactor.feed(chunk):
                    yield piece
            if rest := redactor.end():
                yield rest
            code = None
        except MeshError as failure:
            code = failure.code()
            raise
        finally:
            self.incoming.close()
            await self.pending.settle(code, self.status, received)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Lets agents use connections. Each step may refuse, and none knows what comes after the next."""

    database: Database
    recorder: Recorder
    vault: Vault
    upstream: Upstream
    max_response_bytes: int

    async def open(self, caller: Principal, asked: Asked) -> Exchange:
        """Sends the request with its credential, and is back when the head of the answer is here.

        Raises `ConnectionNotFound` for a connection that is unknown or none of the caller's business,
        `GrantMissing`, `AuditUnavailable`, and after the intent is on record `PathRefused` for a header field
        that is not forwarded, `SecretUnreadable`, and the failures of the upstream; `Unavailable` without the
        database.
        """
        wired, held = await self._find(caller, asked)
        intent = _intent(caller, asked, wired)
        if wired is None or not (held or wired.connection.owner == caller.subject):
            await self.recorder.write(intent.refused(ConnectionNotFound.code()))
            raise ConnectionNotFound
        now = time.time()
        if not any(grant.allows(asked.method, asked.path, now) for grant in held):
            await self.recorder.write(intent.refused(GrantMissing.code()))
            raise GrantMissing
        pending = await self.recorder.intend(intent)
        try:
            return await self._send(asked, wired, pending, grants.permissions(held, now))
        except MeshError as failure:
            await pending.settle(failure.code())
            raise

    async def _find(self, caller: Principal, asked: Asked) -> tuple[Wired | None, list[Grant]]:
        try:
            async with self.database.read() as session:
                wired = await Connections(session).find(asked.connection)
                if wired is None:
                    return None, []
                return wired, await Grants(session).of(caller.subject, wired.connection.id)
        except (SQLAlchemyError, OSError):
            raise Unavailable("database") from None

    async def _send(
        self, asked: Asked, wired: Wired, pending: Pending, permissions: tuple[str, ...]
    ) -> Exchange:
        injector = wired.provider.injector
        fields = headers.for_upstream(asked.fields, injector.field())
        secret = self.vault.open(wired.envelope, wired.sealing)
        fields, query = injection.inject(injector, secret, fields, asked.query)
        incoming = await self.upstream.send(_outgoing(asked, wired, fields, query))
        if headers.is_encoded(incoming.fields):
            incoming.close()
            raise UpstreamEncoding
        return Exchange(
            pending=pending,
            permissions=permissions,
            incoming=incoming,
            needles=needles(injection.secret_parts(injector.kind, secret)),
            max_bytes=self.max_response_bytes,
        )


def _intent(caller: Principal, asked: Asked, wired: Wired | None) -> Happening:
    return Happening(
        phase="intent",
        action=asked.action,
        agent=caller.subject,
        connection=asked.connection,
        secret_version=wired and wired.connection.version,
        fingerprint=wired and wired.connection.fingerprint,
        method=asked.method,
        origin=wired and wired.provider.origin,
        private_origin=wired and wired.provider.allow_private,
        path=asked.path,
        query_keys=paths.query_keys(asked.query),
        decision="allow",
    )


def _outgoing(asked: Asked, wired: Wired, fields: Fields, query: str) -> Outgoing:
    provider = wired.provider
    url = f"{provider.origin}{provider.base_path}{asked.path}"
    return Outgoing(
        method=asked.method,
        url=f"{url}?{query}" if query else url,
        fields=fields,
        body=asked.body,
        length=asked.length,
        allow_private=provider.allow_private,
    )
