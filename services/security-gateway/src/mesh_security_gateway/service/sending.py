"""Sends a request under its connection's credential, a second time if the first credential is out of date."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from mesh_shared.errors import BodyTooLarge, MeshError
from msgspec import Struct, structs

from mesh_security_gateway.domain import headers, injectors
from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.injection import Draft
from mesh_security_gateway.domain.providers import Provider
from mesh_security_gateway.errors import UpgradeRefused, UpstreamEncoding, UpstreamStatus
from mesh_security_gateway.ports import Incoming, Outgoing, Socket, Sockets, Upstream
from mesh_security_gateway.repository.connections import Stored, Wired
from mesh_security_gateway.service.bodies import once, whole
from mesh_security_gateway.service.credentials import Attempt, Credentials

WEBSOCKET = "WEBSOCKET"
"""The method of a call that opens one; on the wire it is a GET."""
_NO_STATUS = 600
_REPEATABLE = ("GET", "HEAD")


class Asked(Struct, frozen=True, kw_only=True):
    """What an agent wants done: `path` is canonical, `fields` are all that it sent, `length` is in bytes.

    `approval` is a person's word on it and `lease` what it is made under, as the agent says. `protocols` are
    what it would speak in a WebSocket.
    """

    action: str
    connection: str
    method: str
    path: str
    query: str
    fields: Fields
    body: AsyncIterator[bytes] | None = None
    length: int | None = None
    approval: UUID | None = None
    lease: UUID | None = None
    protocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sent:
    """The head of the answer, the secret that it came for, and the texts that must not be in the rest."""

    incoming: Incoming
    secret: Stored
    sensitive: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Opened:
    """A WebSocket, the secret that it was opened with, and the texts that must not be said in it."""

    socket: Socket
    secret: Stored
    sensitive: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """`max_signed_bytes` is how much of a body is kept in memory to be signed."""

    credentials: Credentials
    upstream: Upstream
    sockets: Sockets
    max_signed_bytes: int

    async def send(self, asked: Asked, wired: Wired, by: str) -> Sent:
        """The answer's head. A GET or HEAD without a body that is refused with 401 is sent once more, if
        there is another token or secret to send it with.

        Raises what `Credentials.first` and `Upstream.send` raise, `PathRefused` for a header field that is
        not forwarded, `BodyTooLarge` for a body that cannot be signed, `UpstreamStatus`, `UpstreamEncoding`.
        """
        fields = headers.for_upstream(asked.fields, injectors.written_fields(wired.provider.injector))
        if asked.body is not None and injectors.signs_body(wired.provider.injector):
            body = await whole(asked.body, self.max_signed_bytes, BodyTooLarge(self.max_signed_bytes))
            asked = structs.replace(asked, body=once(body), length=len(body))
        else:
            body = b""
        draft = _draft(asked, wired.provider, fields, body)
        attempt = await self.credentials.first(wired, draft, by)
        sensitive = attempt.credentialed.sensitive
        incoming = await self._send(asked, wired, draft, attempt)
        if _may_repeat(asked, incoming) and self.credentials.has_more(wired, attempt):
            incoming.close()
            attempt = await self.credentials.second(wired, draft, by, attempt)
            sensitive = tuple({*sensitive, *attempt.credentialed.sensitive})
            incoming = await self._send(asked, wired, draft, attempt)
        return Sent(incoming=incoming, secret=attempt.secret, sensitive=sensitive)

    async def connect(self, asked: Asked, wired: Wired, by: str) -> Opened:
        """A WebSocket with the upstream. What refuses the first credential with 401 gets the next, if any.

        Raises what `Credentials.first` and `Sockets.connect` raise, and `PathRefused`.
        """
        asked = structs.replace(asked, method="GET")
        fields = headers.for_upstream(asked.fields, injectors.written_fields(wired.provider.injector))
        draft = _draft(asked, wired.provider, fields, b"")
        attempt = await self.credentials.first(wired, draft, by)
        sensitive = attempt.credentialed.sensitive
        try:
            socket = await self.sockets.connect(_outgoing(asked, wired, draft, attempt))
        except UpgradeRefused as refusal:
            is_last = not self.credentials.has_more(wired, attempt)
            if refusal.answered != HTTPStatus.UNAUTHORIZED or is_last:
                raise
            attempt = await self.credentials.second(wired, draft, by, attempt)
            sensitive = tuple({*sensitive, *attempt.credentialed.sensitive})
            socket = await self.sockets.connect(_outgoing(asked, wired, draft, attempt))
        return Opened(socket=socket, secret=attempt.secret, sensitive=sensitive)

    async def _send(self, asked: Asked, wired: Wired, draft: Draft, attempt: Attempt) -> Incoming:
        incoming = await self.upstream.send(_outgoing(asked, wired, draft, attempt))
        if refusal := _refusal(incoming):
            incoming.close()
            raise refusal
        return incoming


def _draft(asked: Asked, provider: Provider, fields: Fields, body: bytes) -> Draft:
    return Draft(
        method=asked.method,
        origin=provider.origin,
        path=f"{provider.base_path}{asked.path}",
        query=asked.query,
        fields=fields,
        body=body,
    )


def _outgoing(asked: Asked, wired: Wired, draft: Draft, attempt: Attempt) -> Outgoing:
    url, query = f"{draft.origin}{draft.path}", attempt.credentialed.query
    return Outgoing(
        method=asked.method,
        url=f"{url}?{query}" if query else url,
        fields=attempt.credentialed.fields,
        body=asked.body,
        length=asked.length,
        allow_private=wired.provider.allow_private,
        certificate=attempt.credentialed.certificate,
        identity=f"{wired.connection.id.hex}/{attempt.secret.version.number}",
        protocols=asked.protocols,
    )


def _may_repeat(asked: Asked, incoming: Incoming) -> bool:
    is_safe = asked.method in _REPEATABLE and asked.body is None
    return is_safe and incoming.status == HTTPStatus.UNAUTHORIZED


def _refusal(incoming: Incoming) -> MeshError | None:
    """Why an answer cannot be passed on, as far as its head tells."""
    if not HTTPStatus.OK <= incoming.status < _NO_STATUS:
        return UpstreamStatus()
    return UpstreamEncoding() if headers.is_encoded(incoming.fields) else None
