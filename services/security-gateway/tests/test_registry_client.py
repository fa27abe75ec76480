"""What the gateway makes of the registry's answers: the facts, or that it cannot tell."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest
from mesh_security_gateway.adapters.registry import HttpRegistry
from mesh_security_gateway.domain.standing import Standing
from mesh_shared.errors import Unavailable

if TYPE_CHECKING:
    from conftest import Origin

AGENT, OWNER = "0x" + "5a" * 32, "0x" + "Ab" * 20
KNOWN = {"agentId": AGENT, "owner": OWNER, "active": True, "stakeAmount": str(2**90), "more": [1]}
SESSION = httpx.BasicAuth("the", "session")
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
async def registry(origin: Origin) -> AsyncIterator[HttpRegistry]:
    async with httpx.AsyncClient(verify=NO_TLS, timeout=60) as http:
        yield HttpRegistry(http, origin.url, SESSION)


async def test_an_agent_is_looked_at_as_anybody_may(registry: HttpRegistry, origin: Origin):
    origin.answers(orjson.dumps(KNOWN))

    standing = await registry.standing(AGENT)

    (asked,) = origin.seen
    assert standing == Standing(owner=OWNER, is_active=True, stake_units=2**90)
    assert (asked.method, asked.target) == ("GET", f"/v1/agents/{AGENT}")
    assert asked.values("authorization") == []


@pytest.mark.parametrize(
    ("owner", "signed", "holds"),
    [(OWNER, True, True), (OWNER, False, False), ("0x" + "Cd" * 20, True, False)],
    ids=["signed", "not signed", "sold since"],
)
async def test_a_signature_counts_while_the_agent_belongs_to_who_was_asked(
    registry: HttpRegistry, origin: Origin, owner: str, signed: bool, holds: bool
):
    origin.answers(orjson.dumps({"agentId": AGENT, "owner": owner, "signed": signed}))

    assert await registry.has_signed(AGENT, OWNER, "text", "0x" + "1b" * 65) is holds
    assert orjson.loads(origin.seen[0].body) == {"text": "text", "signature": "0x" + "1b" * 65}
    assert origin.seen[0].values("authorization") != []


async def test_an_agent_that_is_not_there_is_none_and_signed_nothing(registry: HttpRegistry, origin: Origin):
    origin.answers(b"{}", "404 Not Found")

    assert await registry.standing(AGENT) is None
    assert await registry.has_signed(AGENT, OWNER, "text", "0x" + "1b" * 65) is False


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("500 Broken", b"{}"),
        ("503 Away", orjson.dumps(KNOWN)),
        ("401 Who", b"{}"),
        ("422 What", b"{}"),
        ("302 Found", b""),
        ("200 OK", b"<html>"),
        ("200 OK", b"{}"),
        ("200 OK", orjson.dumps(KNOWN | {"active": None})),
        ("200 OK", orjson.dumps(KNOWN | {"stakeAmount": "-1"})),
        ("200 OK", orjson.dumps(KNOWN | {"owner": "somebody"})),
    ],
)
async def test_whatever_else_it_says_is_no_answer(
    registry: HttpRegistry, origin: Origin, status: str, body: bytes
):
    origin.answers(body, status, location="/elsewhere")

    with pytest.raises(Unavailable) as refused:
        await registry.standing(AGENT)

    assert refused.value.members == {"down": ["registry"]}
    assert [seen.target for seen in origin.seen] == [f"/v1/agents/{AGENT}"]


async def test_a_registry_that_is_not_there_is_no_answer():
    async with httpx.AsyncClient(verify=NO_TLS) as http:
        registry = HttpRegistry(http, "http://127.0.0.1:1", SESSION)

        with pytest.raises(Unavailable):
            await registry.standing(AGENT)


async def test_where_there_is_no_registry_no_agent_is_known():
    async with httpx.AsyncClient(verify=NO_TLS) as http:
        registry = HttpRegistry(http, None, SESSION)

        assert await registry.standing(AGENT) is None
        assert not await registry.has_signed(AGENT, OWNER, "text", "0x" + "1b" * 65)
