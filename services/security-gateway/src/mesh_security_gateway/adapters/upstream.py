"""Implements `ports.Upstream` over the lower half of aiohttp: its pool, dialling, parser and streams.

The upper half, sessions and their requests and responses, is for redirects, cookies, proxies, compression and
tracing, none of which there may be here. It took a fifth of all that a call costs.
"""

import asyncio
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError, RawResponseMessage, StreamWriter
from cryptography.hazmat.primitives import serialization
from mesh_shared import dial
from mesh_shared.errors import MeshError
from multidict import CIMultiDict
from yarl import URL

from mesh_security_gateway.adapters.circuits import Circuit
from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.errors import (
    UpstreamAddress,
    UpstreamBroken,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnreachable,
)
from mesh_security_gateway.ports import Outgoing

CONNECT_S = 5.0
KEPT_IDENTITIES = 200
"""TLS contexts with client certificates that are kept; a connection belongs to the one it was made in."""
KEPT_PLACES = 1000
MOST_CONNECTIONS, MOST_EACH = 400, 100
"""Connections in use at once to all upstreams, and under one secret: none takes all from the others."""
MOST_SPOILT = 8
"""Kept connections that are dropped for one call because something came on them unasked."""
MOST_INTERIM = 16
"""Interim answers (RFC 9110 §15.2) that are waited past: each may take as long as a silence may."""
READ_AHEAD = 1 << 16
"""Bytes. No more is read while twice as much waits, and a read brings up to 256 KiB: so each goes on as it
came and is not put together with the next.
"""
_BODILESS = ("GET", "HEAD")
_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
_CONNECTING = aiohttp.ClientTimeout(total=None, connect=CONNECT_S)


class AiohttpUpstream:
    """Sends exactly what it is given, to addresses that its policy allows; `idle_s` is how long an upstream
    may say nothing.
    """

    def __init__(self, public: aiohttp.BaseConnector, private: aiohttp.BaseConnector, idle_s: float) -> None:
        self._public = public
        self._private = private
        self._idle_s = idle_s
        self._identities: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self._place = lru_cache(KEPT_PLACES)(_place)

    async def send(self, request: Outgoing) -> "AiohttpIncoming":
        url = URL(request.url, encoded=True)
        try:
            place = await self.place(request, url)
            try:
                return await self._send(request, url, place)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                # A kept connection that ends as it is used again: RFC 9112 §9.3.1 says who may repeat.
                if request.body is not None or request.method not in _IDEMPOTENT:
                    raise
                return await self._send(request, url, place)
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise outcome(error) from None

    async def _send(self, request: Outgoing, url: URL, place: "Place") -> "AiohttpIncoming":
        connection = await self._connection(request, place)
        exchange = _Exchange(connection, self._idle_s, has_body=request.method != "HEAD")
        try:
            await exchange.ask(request, f"{request.method} {url.raw_path_qs} HTTP/1.1", place)
            return AiohttpIncoming(exchange, *await exchange.answered())
        except BaseException:
            exchange.close()
            raise

    async def place(self, request: Outgoing, url: URL) -> "Place":
        """Where the request goes, whose `url` is read already."""
        return self._place(url.scheme, url.raw_authority, request.identity, await self._tls(request))

    async def _connection(self, request: Outgoing, place: "Place") -> Any:
        """One on which nothing has come yet: what came unasked would be taken for this call's answer."""
        connector = self._private if request.allow_private else self._public
        for _ in range(MOST_SPOILT):
            connection: Any = await place.circuit.through(lambda: _dialled(connector, place))
            if not connection.protocol.should_close:
                return connection
            connection.close()
        raise UpstreamUnreachable

    async def _tls(self, request: Outgoing) -> ssl.SSLContext | bool:
        """How to verify the upstream, and with which certificate if any. True is the library's own way."""
        if request.certificate is None:
            return True
        if request.identity not in self._identities:
            made = await asyncio.to_thread(_context, request.certificate)
            self._identities.setdefault(request.identity, made)
            while len(self._identities) > KEPT_IDENTITIES:
                self._identities.popitem(last=False)
        self._identities.move_to_end(request.identity)
        return self._identities[request.identity]


class Place(aiohttp.ClientRequest):
    """Where connections go that may be shared, as the library's pool wants to be told."""

    identity: str
    circuit: Circuit

    @cached_property
    def connection_key(self) -> aiohttp.client_reqrep.ConnectionKey:  # type: ignore[override]
        """Of calls under one secret alone: whoever spoils a connection spoils none of another's."""
        return super().connection_key._replace(proxy_headers_hash=hash(self.identity))


def _place(scheme: str, authority: str, identity: str, tls: ssl.SSLContext | bool) -> Place:
    place = Place("GET", URL(f"{scheme}://{authority}/", encoded=True), ssl=tls)
    place.identity, place.circuit = identity, Circuit()
    return place


async def _dialled(connector: aiohttp.BaseConnector, place: Place) -> aiohttp.connector.Connection:
    try:
        return await connector.connect(place, [], _CONNECTING)
    except TimeoutError:
        raise aiohttp.ConnectionTimeoutError from None  # as the library's upper half tells it


class _Exchange:
    """One question and its answer on a connection, which goes back to the pool when both are through."""

    def __init__(self, connection: Any, idle_s: float, *, has_body: bool) -> None:
        self._connection = connection
        self._protocol = connection.protocol
        self._protocol.set_response_params(
            skip_payload=not has_body,
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=idle_s,
            read_bufsize=READ_AHEAD,
        )
        self._upload: asyncio.Task[None] | None = None

    async def ask(self, request: Outgoing, line: str, place: aiohttp.ClientRequest) -> None:
        """Sends the request, or sees to it that its body goes out while the answer is awaited."""
        writer = StreamWriter(self._protocol, place.loop)
        fields = CIMultiDict[str]((("Host", place.headers["Host"]), *request.fields))
        if request.length is not None:
            fields["Content-Length"] = str(request.length)
        elif request.body is not None:
            fields["Transfer-Encoding"] = "chunked"
            writer.enable_chunking()
        elif request.method not in _BODILESS:
            fields["Content-Length"] = "0"
        await writer.write_headers(line, fields)
        if request.body is None:
            writer.set_eof()
            self._protocol.start_timeout()
        else:
            writer.length = request.length
            self._upload = asyncio.create_task(self._pass_on(request.body, writer))
            self._upload.add_done_callback(self._tell)

    async def _pass_on(self, body: AsyncIterator[bytes], writer: StreamWriter) -> None:
        async for piece in body:
            await writer.write(piece)
        await writer.write_eof()
        self._protocol.start_timeout()

    def _tell(self, upload: "asyncio.Task[None]") -> None:
        """Whoever waits for the answer learns why the question was not put."""
        if not upload.cancelled() and (failure := upload.exception()) is not None:
            self._protocol.set_exception(failure)

    async def answered(self) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        """The head of the answer, and its body as it comes. Raises what the request's own body raised."""
        for _ in range(MOST_INTERIM + 1):
            message, content = await self._protocol.read()
            if message.code >= HTTPStatus.OK or message.code == HTTPStatus.SWITCHING_PROTOCOLS:
                content.on_eof(self._release)
                return message, content
        raise UpstreamStatus

    def _release(self) -> None:
        if self._upload is None or self._upload.done():
            self._connection.release()
        else:
            self.close()  # an answer that did not wait for all of the question

    def close(self) -> None:
        if self._upload is not None:
            self._upload.cancel()
        self._connection.close()


class AiohttpIncoming:
    """Implements `ports.Incoming`."""

    def __init__(
        self, exchange: _Exchange, message: RawResponseMessage, content: aiohttp.StreamReader
    ) -> None:
        self._exchange = exchange
        self._content = content
        self.status = message.code
        self.fields: Fields = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in message.raw_headers
        )

    def at_hand(self, limit: int) -> bytes | None:
        content = self._content
        return content.read_nowait() if content.is_eof() and content.total_bytes <= limit else None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._content.iter_any():
                yield chunk
        except TimeoutError:
            raise UpstreamTimeout from None
        except aiohttp.ClientError:
            raise UpstreamBroken from None

    def close(self) -> None:
        self._exchange.close()


@asynccontextmanager
async def open_upstream(idle_s: float) -> AsyncGenerator[AiohttpUpstream, None]:
    """An upstream for the lifetime of the block; `idle_s` is how long it may say nothing.

    Public origins and private ones have a pool each.
    """
    public, private = (pool(allow_private=allowed) for allowed in (False, True))
    async with public, private:
        yield AiohttpUpstream(public, private, idle_s)


def pool(*, allow_private: bool) -> aiohttp.TCPConnector:
    """Connections to public origins, or to private ones as well; none takes all from the others."""
    return dial.connector(allow_private=allow_private, limit=MOST_CONNECTIONS, limit_each=MOST_EACH)


def _context(pem: str) -> ssl.SSLContext:
    """Python reads a certificate from a file only, so the key is in there under a password of the moment."""
    password = os.urandom(32).hex().encode()
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    context = ssl.create_default_context()
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(sealed + b"\n" + _certificates(pem).encode())
        file.flush()
        context.load_cert_chain(file.name, password=password)
    return context


def _certificates(pem: str) -> str:
    """The chain alone; the private key stands anywhere between."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    parts = [part.partition(end)[0] for part in pem.split(begin)[1:]]
    return "".join(f"{begin}{part}{end}\n" for part in parts)


def outcome(error: Exception) -> MeshError:
    """What `error` means to the caller. Its text stays here: it may hold what was sent."""
    match error:
        case aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError():
            return UpstreamTls()
        case aiohttp.ClientConnectorError(os_error=dial.AddressRefused()) | aiohttp.InvalidURL():
            return UpstreamAddress()
        case aiohttp.ClientConnectorError(os_error=ssl.SSLError()):
            return UpstreamTls()
        case TimeoutError():
            return UpstreamTimeout()
        case _:
            return UpstreamUnreachable()
