"""Requests that two parsers read differently: the upstream sees what was authorised, once, or nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Operator, Origin

START = "POST /v1/proxy/github/items HTTP/1.1"
SMUGGLED = b"DELETE /v1/proxy/github/smuggled HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"
CLOSE = "Connection: close"
QUIET_S = 3

# Fields beside Authorization, and the body: no server may read any of these in two ways.
REFUSED: dict[str, tuple[list[str], bytes]] = {
    "length and chunks": (["Content-Length: 5", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + SMUGGLED),
    "chunks and length": (["Transfer-Encoding: chunked", "Content-Length: 5"], b"0\r\n\r\n" + SMUGGLED),
    "two lengths": (["Content-Length: 5", "Content-Length: 0"], b"12345" + SMUGGLED),
    "two equal lengths": (["Content-Length: 5", "Content-Length: 5"], b"12345" + SMUGGLED),
    "a list of lengths": (["Content-Length: 5, 5"], b"12345" + SMUGGLED),
    "a signed length": (["Content-Length: +5"], b"12345" + SMUGGLED),
    "a negative length": (["Content-Length: -1"], SMUGGLED),
    "a length in hex": (["Content-Length: 0x5"], b"12345" + SMUGGLED),
    "a length with a blank": (["Content-Length: 1 0"], b"12345" + SMUGGLED),
    "an endless length": (["Content-Length: 99999999999999999999999"], SMUGGLED),
    "an unknown coding": (["Transfer-Encoding: xchunked"], b"0\r\n\r\n" + SMUGGLED),
    "chunked not last": (["Transfer-Encoding: chunked, gzip"], b"0\r\n\r\n" + SMUGGLED),
    "a folded coding": (["Transfer-Encoding:\r\n chunked"], b"0\r\n\r\n" + SMUGGLED),
    "a blank before the colon": (["Transfer-Encoding : chunked"], b"0\r\n\r\n" + SMUGGLED),
    "a tab before the colon": (["Content-Length\t: 5"], b"12345" + SMUGGLED),
    "a blank in a name": (["Content Length: 5"], b"12345" + SMUGGLED),
    "a name of NUL": (["Con\0tent-Length: 5"], b"12345" + SMUGGLED),
    "a bare CR in a value": (["X-Odd: a\rContent-Length: 5"], b"12345" + SMUGGLED),
    "a NUL in a value": (["X-Odd: a\0b", "Content-Length: 5"], b"12345" + SMUGGLED),
    "a line without a colon": (["Content-Length"], SMUGGLED),
    "a chunk size in words": (["Transfer-Encoding: chunked"], b"five\r\n12345\r\n0\r\n\r\n" + SMUGGLED),
    "a negative chunk size": (["Transfer-Encoding: chunked"], b"-1\r\n12345\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk size with 0x": (["Transfer-Encoding: chunked"], b"0x5\r\n12345\r\n0\r\n\r\n" + SMUGGLED),
    "an endless chunk size": (["Transfer-Encoding: chunked"], b"f" * 17 + b"\r\n12345\r\n" + SMUGGLED),
    "a chunk that is too long": (["Transfer-Encoding: chunked"], b"3\r\n12345\r\n0\r\n\r\n" + SMUGGLED),
    "chunks by line feeds": (["Transfer-Encoding: chunked"], b"5\n12345\n0\n\n" + SMUGGLED),
}

STARTS = [
    "POST /v1/proxy/github/items\tHTTP/1.1",
    "POST /v1/proxy/github/items HTTP/1.1 ",
    "POST /v1/proxy/github/items HTTP/9.9",
    "POST /v1/proxy/github/it\0ems HTTP/1.1",
    "POST /v1/proxy/github/it ems HTTP/1.1",
    "PO ST /v1/proxy/github/items HTTP/1.1",
    "CONNECT 127.0.0.1:80 HTTP/1.1",
    "PRI * HTTP/2.0",
    "\0POST /v1/proxy/github/items HTTP/1.1",
    "POST\r/v1/proxy/github/items HTTP/1.1",
]


@pytest.fixture
async def agent(operator_live: Operator, origin: Origin) -> str:
    """The field that authenticates an agent that may do everything with the connection `github`."""
    await operator_live.connect(origin.url)
    await operator_live.grant("agent-7")
    return f"Authorization: {(await operator_live.agent('agent-7'))['Authorization']}"


async def send(operator: Operator, start: str, *fields: str, body: bytes = b"") -> list[int]:
    """The statuses of all answers on one connection, until the server closes it or has no more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", operator.http.base_url.port)
    head = "\r\n".join([start, *fields]) + "\r\n\r\n"
    writer.write(head.encode("latin-1") + body)
    raw = b""
    with suppress(TimeoutError, ConnectionResetError):
        async with asyncio.timeout(QUIET_S):
            while piece := await reader.read(10_000):
                raw += piece
    writer.close()
    return [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]


def reached(origin: Origin) -> list[tuple[str, str]]:
    return [(seen.method, seen.target) for seen in origin.seen]


async def test_a_body_without_one_end_reaches_nobody(operator_live: Operator, origin: Origin, agent: str):
    for name, (fields, body) in REFUSED.items():
        statuses = await send(operator_live, START, "Host: g", agent, *fields, body=body)

        assert statuses, name
        assert not [status for status in statuses if status < 400], name
        assert reached(origin) == [], name


async def test_a_start_that_is_none_reaches_nobody(operator_live: Operator, origin: Origin, agent: str):
    for start in STARTS:
        statuses = await send(operator_live, start, "Host: g", agent)

        assert statuses, start
        assert not [status for status in statuses if status < 400], start
    assert reached(origin) == []


async def test_two_requests_on_one_connection_are_two_with_a_caller_each(
    operator_live: Operator, origin: Origin, agent: str
):
    """The second has no credential of its own: the first one's must not cover it."""
    fields = ("Host: g", agent, "Content-Length: 5")

    statuses = await send(operator_live, START, *fields, body=b"12345" + SMUGGLED)

    assert statuses == [200, 401]
    assert reached(origin) == [("POST", "/items")]


async def test_what_looks_like_a_request_within_a_body_is_body(
    operator_live: Operator, origin: Origin, agent: str
):
    fields = ("Host: g", agent, f"Content-Length: {len(SMUGGLED)}", CLOSE)

    statuses = await send(operator_live, START, *fields, body=SMUGGLED)

    assert statuses == [200]
    assert reached(origin) == [("POST", "/items")]
    assert origin.seen[0].body == SMUGGLED


MOVING = [
    ["Host: evil.example"],
    ["Host: g", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"],
    ["Host: g", "X-Forwarded-Proto: http", "X-Forwarded-Port: 1", "X-Real-IP: 127.0.0.1"],
    ["Host: g", "X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X-Forwarded-Prefix: /admin"],
    ["Host: g", "X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE"],
    ["Host: a/../../admin?x=#y"],
]


async def test_no_field_of_the_agent_moves_a_call(operator_live: Operator, origin: Origin, agent: str):
    for fields in MOVING:
        statuses = await send(operator_live, START, *fields, agent, CLOSE, "Content-Length: 0")

        assert statuses == [200], fields
        seen = origin.seen.pop()
        assert (seen.method, seen.target) == ("POST", "/items")
        assert seen.values("host") == [origin.url.removeprefix("http://")]
        assert b"evil" not in seen.raw
        assert b"admin" not in seen.raw


NAMES = ["Authorization", "authorization", "AUTHORIZATION", "X-Api-Key", "X_API_KEY", "Cookie"]


async def test_no_credential_of_the_agent_goes_out_however_it_is_spelled(
    operator_live: Operator, origin: Origin, agent: str, canary: str
):
    """Sent beside the session, and named by Connection: what is injected stays, and is the only one."""
    for name in NAMES:
        await send(operator_live, START, "Host: g", agent, f"{name}: mine", f"Connection: close, {name}")

    assert len(origin.seen) >= 3
    for seen in origin.seen:
        assert seen.values("authorization") == [f"Bearer {canary}"]
        assert b"mine" not in seen.raw


UPGRADES = [
    ["Connection: close, Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
    ["Connection: close, Upgrade", "Upgrade: anything/1.0"],
    [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ],
]


async def test_no_other_protocol_gets_through(operator_live: Operator, origin: Origin, agent: str):
    for fields in UPGRADES:
        start = "GET /v1/proxy/github/items HTTP/1.1"
        statuses = await send(operator_live, start, "Host: g", agent, *fields)

        assert statuses, fields
        assert 101 not in statuses, fields
    for seen in origin.seen:
        assert seen.values("upgrade") == seen.values("http2-settings") == []
