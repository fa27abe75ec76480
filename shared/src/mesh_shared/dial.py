"""Calls to addresses that a stranger gave us: every dial is checked at the socket.

Checking the name is not enough: a literal address never reaches a resolver, and a resolver can answer
differently the second time.
"""

import socket
from typing import Any

import aiohttp
from opentelemetry.instrumentation.aiohttp_client import create_trace_config

from mesh_shared.addresses import is_public


class AddressRefused(OSError):
    """The address is not a public one."""


def connector(*, allow_private: bool, limit: int = 100, limit_each: int = 0) -> aiohttp.TCPConnector:
    """Dials public addresses only, unless private ones are allowed.

    No more than `limit` connections are in use at once, `limit_each` of them to one place; 0 sets no limit.
    """
    dialled = _any_socket if allow_private else _public_socket
    return aiohttp.TCPConnector(socket_factory=dialled, limit=limit, limit_per_host=limit_each)


def session(*, allow_private: bool, timeout_s: float) -> aiohttp.ClientSession:
    """A client for strangers' addresses: no redirects of its own, no cookies, no environment proxies.

    `allow_private` is for a mesh whose agents live on the operator's own machine.
    """
    return aiohttp.ClientSession(
        connector=connector(allow_private=allow_private),
        timeout=aiohttp.ClientTimeout(total=timeout_s, connect=5),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        trace_configs=[create_trace_config()],
    )


def _any_socket(info: Any) -> socket.socket:
    family, kind, protocol, *_ = info
    return socket.socket(family, kind, protocol)


def _public_socket(info: Any) -> socket.socket:
    address = info[4][0]
    if not is_public(address):
        raise AddressRefused("not a public address")
    return _any_socket(info)
