"""Implements `ports.Upstream` over aiohttp.

One client for public origins and one for private ones, for the lifetime of the service. No redirects, no
cookies, no environment proxies, and no client tracing: its spans would carry the address with an injected
key.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from mesh_shared import dial
from mesh_shared.errors import MeshError
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
_OURS_TO_SAY = ("User-Agent", "Accept", "Content-Type")


class AiohttpUpstream:
    """Sends exactly what it is given, to addresses that its policy allows."""

    def __init__(self, public: aiohttp.ClientSession, private: aiohttp.ClientSession) -> None:
        self._public = public
        self._private = private

    async def send(self, request: Outgoing) -> "AiohttpIncoming":
        client = self._private if request.allow_private else self._public
        length = [("content-length", str(request.length))] if request.length is not None else []
        try:
            response = await client.request(
                request.method,
                URL(request.url, encoded=True),
                headers=[*request.fields, *length],
                data=request.body,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _outcome(error) from None
        return AiohttpIncoming(response)


class AiohttpIncoming:
    """Implements `ports.Incoming`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.fields: Fields = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers
        )

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
    public, private = (_client(allow_private=allowed, idle_s=idle_s) for allowed in (False, True))
    async with public, private:
        yield AiohttpUpstream(public, private)


def _client(*, allow_private: bool, idle_s: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=dial.connector(allow_private=allow_private),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=idle_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_OURS_TO_SAY,
        auto_decompress=False,
        trust_env=False,
    )


def _outcome(error: Exception) -> MeshError:
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
