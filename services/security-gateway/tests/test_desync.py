"""Upstreams that say more than they were asked, and who shares a connection with whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from mesh_security_gateway.adapters.upstream import MOST_EACH, AiohttpUpstream, open_upstream
from mesh_security_gateway.ports import Outgoing

if TYPE_CHECKING:
    from conftest import Operator, Origin


@pytest.fixture
async def upstream() -> AsyncIterator[AiohttpUpstream]:
    async with open_upstream(idle_s=5) as upstream:
        yield upstream


def asking(url: str, identity: str = "one/1", method: str = "GET") -> Outgoing:
    return Outgoing(
        method=method, url=url, fields=(), body=None, length=None, allow_private=True, identity=identity
    )


async def read(upstream: AiohttpUpstream, request: Outgoing) -> bytes:
    incoming = await upstream.send(request)
    try:
        return b"".join([chunk async for chunk in incoming.chunks()])
    finally:
        incoming.close()


UNASKED = {
    "an answer": b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
    "half an answer": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npoison",
    "a farewell": b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    "no answer": b"poison\r\n\r\n",
}


async def test_what_comes_unasked_is_not_the_next_calls_answer(upstream: AiohttpUpstream, origin: Origin):
    for said in UNASKED.values():
        for method, body in (("GET", b"own"), ("POST", b"own"), ("HEAD", b"")):
            origin.hold = asyncio.Event()
            origin.says = lambda seen, said=said: [*seen.answer(b"first"), said]
            assert await read(upstream, asking(f"{origin.url}/first")) == b"first"
            origin.hold.set()
            for _ in range(20):  # it arrives; both ends are in this loop
                await asyncio.sleep(0)

            origin.answers(b"own")
            assert await read(upstream, asking(f"{origin.url}/next", method=method)) == body

    assert [seen.target for seen in origin.seen] == ["/first", "/next"] * 3 * len(UNASKED)


async def test_calls_under_different_secrets_share_no_connection(upstream: AiohttpUpstream, origin: Origin):
    for identity, connections in (("one/1", 1), ("one/1", 1), ("two/1", 2), ("one/2", 3), ("two/1", 3)):
        await read(upstream, asking(f"{origin.url}/a", identity))

        assert origin.connections == connections


async def test_two_connections_to_one_upstream_share_no_socket_and_neither_does_what_asks_for_tokens(
    operator: Operator, origin: Origin
):
    fetched = {"kind": "client-credentials", "token_url": f"{origin.url}/token"}
    await operator.connect(origin.url)
    await operator.connect(origin.url, "id:sk-0123456789", name="second", injector=fetched)
    agent = await operator.agent("agent-7")
    origin.answers(b'{"access_token": "sk-9876543210"}')

    for name in ("github", "second"):
        await operator.grant("agent-7", connection=name)
        for _ in range(2):
            await operator.http.get(f"/v1/proxy/{name}/user", headers=agent)

    assert [seen.target for seen in origin.seen] == ["/user", "/user", "/token", "/user", "/user"]
    assert origin.connections == 3


async def test_what_one_secret_keeps_waiting_leaves_room_for_others(
    upstream: AiohttpUpstream, origin: Origin
):
    origin.hold = asyncio.Event()
    origin.streams(b"half")
    held = [await upstream.send(asking(f"{origin.url}/slow")) for _ in range(MOST_EACH)]

    another = await upstream.send(asking(f"{origin.url}/slow", "two/1"))

    assert (another.status, origin.connections) == (200, MOST_EACH + 1)
    for incoming in (*held, another):
        incoming.close()
