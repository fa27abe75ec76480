"""Control calls between services: one pooled client, bounded waits, no surprises from the environment."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache

import httpx
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from mesh_shared.errors import Unavailable

TIMEOUT = httpx.Timeout(10.0, connect=2.0)
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)


def client() -> httpx.AsyncClient:
    """A client that joins our trace, follows no redirect and reads no proxy from the environment."""
    transport = httpx.AsyncHTTPTransport(verify=_trust(), retries=1, limits=LIMITS)
    http = httpx.AsyncClient(transport=transport, timeout=TIMEOUT, trust_env=False, follow_redirects=False)
    HTTPXClientInstrumentor.instrument_client(http)
    return http


@cache
def _trust() -> ssl.SSLContext:
    """The system's certificates, looked up when a peer shows one (`SSL_CERT_FILE`, `SSL_CERT_DIR`).

    httpx would read a list of its own into every process: 5 MB and a tenth of a second at each start.
    """
    return ssl.create_default_context()


@asynccontextmanager
async def asking(name: str) -> AsyncGenerator[None, None]:
    """Turns a transport failure or a 5xx of the service `name` into `Unavailable(name)`."""
    try:
        yield
    except httpx.TransportError:
        raise Unavailable(name) from None
    except httpx.HTTPStatusError as error:
        if error.response.is_server_error:
            raise Unavailable(name) from None
        raise
