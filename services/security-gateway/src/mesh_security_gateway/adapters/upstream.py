"""Implements `ports.Upstream` over aiohttp.

One client for public origins and one for private ones, for the lifetime of the service. No redirects, no
cookies, no environment proxies, and no client tracing: its spans would carry the address with an injected
key.
"""

import asyncio
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from cryptography.hazmat.primitives import serialization
from mesh_shared import dial
from mesh_shared.errors import MeshError
from multidict import CIMultiDict
from yarl import URL

from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.errors import (
    UpstreamAddress,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnreachable,
)
from mesh_security_gateway.ports import Outgoing

CONNECT_S = 5.0
KEPT_IDENTITIES = 200
"""TLS contexts with client certificates that are kept; a connection belongs to the one it was made in."""
_OURS_TO_SAY = ("User-Agent", "Accept", "Content-Type")


class _Request(aiohttp.ClientRequest):
    """Has the fields that it is given; the library looks for its own each time, to leave them out."""

    _skip_auto_headers = CIMultiDict[None]([(name, None) for name in _OURS_TO_SAY])

    def update_auto_headers(self, skip_auto_headers: object) -> None:
        pass


class AiohttpUpstream:
    """Sends exactly what it is given, to addresses that its policy allows."""

    def __init__(self, public: aiohttp.ClientSession, private: aiohttp.ClientSession) -> None:
        self._public = public
        self._private = private
        self._identities: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    async def send(self, request: Outgoing) -> "AiohttpIncoming":
        http = self._private if request.allow_private else self._public
        length = [("content-length", str(request.length))] if request.length is not None else []
        try:
            response = await http.request(
                request.method,
                URL(request.url, encoded=True),
                headers=[*request.fields, *length],
                data=request.body,
                allow_redirects=False,
                ssl=True if request.certificate is None else await self.tls(request),
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise outcome(error) from None
        return AiohttpIncoming(response)

    async def tls(self, request: Outgoing) -> ssl.SSLContext | bool:
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


class AiohttpIncoming:
    """Implements `ports.Incoming`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.fields: Fields = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers
        )

    def at_hand(self, limit: int) -> bytes | None:
        content = self._response.content
        return content.read_nowait() if content.is_eof() and content.total_bytes <= limit else None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except TimeoutError:
            raise UpstreamTimeout from None
        except aiohttp.ClientError:
            raise UpstreamBroken from None

    def close(self) -> None:
        self._response.close()


@asynccontextmanager
async def open_upstream(idle_s: float) -> AsyncGenerator[AiohttpUpstream, None]:
    """An upstream for the lifetime of the block; `idle_s` is how long it may say nothing."""
    public, private = (client(allow_private=allowed, idle_s=idle_s) for allowed in (False, True))
    async with public, private:
        yield AiohttpUpstream(public, private)


def client(
    *, allow_private: bool, idle_s: float, middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = ()
) -> aiohttp.ClientSession:
    """A client for public addresses, or for private ones as well."""
    return aiohttp.ClientSession(
        connector=dial.connector(allow_private=allow_private),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=idle_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_OURS_TO_SAY,
        request_class=_Request,
        auto_decompress=False,
        trust_env=False,
        middlewares=middlewares,
    )


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
        case aiohttp.ClientConnectionError(__cause__=MeshError() as refusal):
            return refusal
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
