"""Whoever is asked does its part, or is not to be had."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager

import aiohttp
from mesh_shared.errors import Unavailable

FAILURES = (aiohttp.ClientError, ssl.SSLError, TimeoutError, OSError, ValueError)


@contextmanager
def reached() -> Generator[None]:
    """Raises `Unavailable` for a provider, or one in between, that stalls, breaks off or talks nonsense."""
    try:
        yield
    except FAILURES:
        raise Unavailable("the provider") from None
