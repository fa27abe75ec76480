"""The data path: a request under a name goes out under a credential that its sender never sees."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from mesh_shared.auth.tokens import Principal
from mesh_shared.errors import BodyTooLarge, MeshError
from msgspec import Struct

from mesh_security_gateway.domain import grants, headers, paths
from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.leases import Lease
from mesh_security_gateway.domain.redaction import Redactor, needles, redacted_fields, scrubbed
from mesh_security_gateway.errors import (
    CircuitOpen,
    ConnectionNotFound,
    Interrupted,
    KekUnavailable,
    LeaseEnded,
    PathRefused,
    SecretRevoked,
    SecretUnreadable,
    UpstreamAddress,
    UpstreamTls,
    UpstreamToken,
    UpstreamTooLarge,
)
from mesh_security_gateway.ports import Incoming
from mesh_security_gateway.repository.connections import Wired
from mesh_security_gateway.service.admitting import Admitting
from mesh_security_gateway.service.conversations import Conversation
from mesh_security_gateway.service.deciding import Call, Slice, Verdict
from mesh_security_gateway.service.finding import Finder, Found, Wanted
from mesh_security_gateway.service.limiting import Reservation
from mesh_security_gateway.service.recording import Pending, Recorder
from mesh_security_gateway.service.sending import Asked, Sender

BegunT = TypeVar("BegunT")
_INTERRUPTED = Interrupted.code()
_BEFORE_SENDING = (
    BodyTooLarge,
    CircuitOpen,
    KekUnavailable,
    PathRefused,
    SecretRevoked,
    SecretUnreadable,
    UpstreamAddress,
    UpstreamTls,
    UpstreamToken,
)
NEVER_SENT = frozenset(failure.code() for failure in _BEFORE_SENDING)
"""Codes of calls of which the upstream got nothing, so that they cost nothing."""


@dataclass(slots=True)
class _Progress:
    """Bytes that have come of an answer, and the code that its outcome gets; null once it came whole."""

    received: int = 0
    code: str | None = _INTERRUPTED


class Exchange(Struct, frozen=True, kw_only=True):
    """A call that is under way: the head of the answer is here, its body still flows."""

    pending: Pending
    held: tuple[Grant, ...]
    incoming: Incoming
    needles: tuple[bytes, ...]
    max_bytes: int

    @property
    def status(self) -> int:
        """The upstream's status."""
        return self.incoming.status

    def permissions(self) -> tuple[str, ...]:
        """What the caller may do with the connection now, as `METHOD pattern`."""
        return grants.permissions(self.held, time.time())

    def fields(self) -> Fields:
        """The upstream's header fields that may be passed on, without the secret."""
        return redacted_fields(headers.for_caller(self.incoming.fields), self.needles)

    def clean(self, data: bytes) -> bytes:
        """`data`, made of what the upstream said, without the secret."""
        return scrubbed(data, self.needles)

    async def pass_on(self, send: Callable[[bytes], Awaitable[None]]) -> bool:
        """Sends the body without the secret if all of it is here, and puts the outcome on record.

        False, and nothing is done, for an answer that still comes: see `answer`.
        """
        body = self.incoming.at_hand(self.max_bytes)
        if body is None:
            return False
        try:
            await send(self.clean(body))
        finally:
            await self._settle(None, len(body))
        return True

    async def _settle(self, code: str | None, received: int) -> None:
        self.incoming.close()
        await self.pending.settle(code, self.status, received)

    @asynccontextmanager
    async def answer(self) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """The body without the secret, as it comes. However the block ends, the outcome is then on record.

        The iterator raises `UpstreamTooLarge`, `UpstreamBroken` or `UpstreamTimeout`: what came so far is
        then no whole answer.
        """
        progress = _Progress()
        try:
            async with aclosing(self._pieces(progress)) as pieces:
                yield pieces
        finally:
            await self._settle(progress.code, progress.received)

    async def _pieces(self, progress: _Progress) -> AsyncGenerator[bytes, None]:
        redactor = Redactor(self.needles)
        try:
            async for chunk in self.incoming.chunks():
                progress.received += len(chunk)
                if progress.received > self.max_bytes:
                    raise UpstreamTooLarge
                if piece := redactor.feed(chunk):
                    yield piece
            if rest := redactor.end():
                yield rest
            progress.code = None
        except MeshError as failure:
            progress.code = failure.code()
            raise


class _Going(Struct, frozen=True, kw_only=True):
    """A call that may go out: what it takes is reserved, and its intent is on record."""

    asked: Asked
    wired: Wired
    known: Slice
    pending: Pending
    reserved: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Lets agents use connections. Each step may refuse, and none knows what comes after the next."""

    finder: Finder
    recorder: Recorder
    admitting: Admitting
    sender: Sender
    max_response_bytes: int

    async def open(self, caller: Principal, asked: Asked) -> Exchange:
        """Sends the request with its credential, and is back when the head of the answer is here.

        Raises `ConnectionNotFound` for a connection that is unknown or none of the caller's business,
        `LeaseEnded`, what `Verdict.granted` and `Admitting.admit` raise, `AuditUnavailable`, and after the
        intent is on record what `Sender.send` raises; `Unavailable` without the database.
        """
        going = await self._let_out(caller, asked)
        sent = await self._begin(going, self.sender.send)
        return Exchange(
            pending=going.pending.under(sent.secret.version),
            held=going.known.holding.grants,
            incoming=sent.incoming,
            needles=needles(sent.sensitive),
            max_bytes=self.max_response_bytes,
        )

    async def connect(self, caller: Principal, asked: Asked) -> Conversation:
        """Opens a WebSocket with its credential. Raises what `open` does, and `SocketUnapprovable`."""
        going = await self._let_out(caller, asked)
        opened = await self._begin(going, self.sender.connect)
        return Conversation(
            pending=going.pending.under(opened.secret.version),
            upstream=opened.socket,
            needles=needles(opened.sensitive),
            max_bytes=self.max_response_bytes,
        )

    async def require(self, caller: Principal, asked: Asked) -> None:
        """Lets pass a call that might go out now; nothing is sent, charged or put on record.

        Raises `ConnectionNotFound`, `LeaseEnded`, what `Verdict.granted` raises, and `SecretRevoked`.
        """
        wired, known, lease = await self._find(caller, asked)
        if wired is None or known is None:
            raise ConnectionNotFound
        _require(lease, caller, asked, wired)
        known.decide(_call(caller, asked)).granted()
        if not wired.live(time.time()):
            raise SecretRevoked

    async def _let_out(self, caller: Principal, asked: Asked) -> _Going:
        wired, known, lease = await self._find(caller, asked)
        call = _call(caller, asked)
        if wired is None or known is None or not (known.is_known or wired.connection.owner == caller.subject):
            intent = _intent(caller, asked, call, wired, None)
            await self.recorder.write(intent.refused(ConnectionNotFound.code()))
            raise ConnectionNotFound
        verdict = known.decide(call)
        intent = _intent(caller, asked, call, wired, verdict)
        try:
            _require(lease, caller, asked, wired)
            asked, reserved = await self.admitting.admit(caller.subject, asked, wired, verdict.granted())
        except MeshError as refusal:
            await self.recorder.write(intent.refused(refusal.code()))
            raise
        pending = await self._intend(intent, reserved)
        return _Going(asked=asked, wired=wired, known=known, pending=pending, reserved=reserved)

    async def _find(self, caller: Principal, asked: Asked) -> Found:
        return await self.finder.find(Wanted(caller.subject, asked.connection, asked.lease))

    async def _intend(self, intent: Happening, reserved: Reservation) -> Pending:
        try:
            return await self.recorder.intend(intent)
        except MeshError:
            await reserved.release()
            raise

    async def _begin(self, going: _Going, send: Callable[[Asked, Wired, str], Awaitable[BegunT]]) -> BegunT:
        code = _INTERRUPTED
        try:
            begun = await send(going.asked, going.wired, going.pending.intent.agent)
            code = None
        except MeshError as failure:
            code = failure.code()
            raise
        finally:
            if code is not None:
                await going.pending.settle(code)
            if code in NEVER_SENT:
                await going.reserved.release()
        return begun


def _require(lease: Lease | None, caller: Principal, asked: Asked, wired: Wired) -> None:
    """Lets pass a call that names no lease, or one that holds here. Raises `LeaseEnded`."""
    holds = lease is not None and lease.covers(caller.subject, wired.connection.id, time.time())
    if asked.lease is not None and not holds:
        raise LeaseEnded


def _call(caller: Principal, asked: Asked) -> Call:
    return Call(
        subject=caller.subject,
        method=asked.method,
        path=asked.path,
        query_keys=paths.query_keys(asked.query),
        now=time.time(),
        is_leased=asked.lease is not None,
    )


def _intent(
    caller: Principal, asked: Asked, call: Call, wired: Wired | None, verdict: Verdict | None
) -> Happening:
    live = wired.live(call.now)[:1] if wired else ()
    version = live[0].version if live else None
    return Happening(
        phase="intent",
        action=asked.action,
        agent=caller.subject,
        actors=caller.actors,
        connection=asked.connection,
        secret_version=version and version.number,
        fingerprint=version and version.fingerprint,
        method=asked.method,
        origin=wired and wired.provider.origin,
        private_origin=wired and wired.provider.allow_private,
        path=asked.path,
        query_keys=call.query_keys,
        decision="allow",
        grant=str(verdict.grant.id) if verdict and verdict.grant else None,
        policies=verdict.policies if verdict else (),
        policy_hash=verdict.policy_hash if verdict else None,
        approval=asked.approval and str(asked.approval),
        lease=asked.lease and str(asked.lease),
    )
