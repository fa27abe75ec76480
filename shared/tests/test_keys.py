"""Where verifiers find the gateway's keys, and what they do when it rotates them or is gone."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from joserfc.jwk import OKPKey
from mesh_shared import http
from mesh_shared.auth import tokens
from mesh_shared.auth.keys import RemoteKeys
from mesh_shared.auth.tokens import Principal, TokenVerifier
from mesh_shared.errors import Unauthenticated, Unavailable
from mesh_shared.testing import served

AUDIENCE = frozenset({"notes"})


def new_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519")


@dataclass
class Gateway:
    """Publishes keys, and counts how often it is asked."""

    keys: list[OKPKey] = field(default_factory=lambda: [new_key()])
    asked: int = 0
    is_down: bool = False

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/jwks")
        async def jwks() -> dict[str, Any]:
            self.asked += 1
            if self.is_down:
                raise HTTPException(503)
            return tokens.jwks(self.keys)

        return app


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with http.client() as client:
        yield client


@pytest.fixture
async def remote(gateway: Gateway, client: httpx.AsyncClient) -> AsyncIterator[RemoteKeys]:
    async with served(gateway.app()) as url:
        yield RemoteKeys(client, f"{url}/jwks")


def token(key: OKPKey, *, ttl_s: int = 60) -> str:
    return tokens.issue(key, subject="ada", scopes=["notes:write"], audiences=["notes"], ttl_s=ttl_s)[0]


async def test_keys_are_asked_for_once(gateway: Gateway, remote: RemoteKeys):
    verifier = TokenVerifier(remote, AUDIENCE)

    callers = [await verifier.verify(token(gateway.keys[0])) for _ in range(5)]

    assert callers == [Principal("ada", frozenset({"notes:write"}))] * 5
    assert gateway.asked == 1


async def test_a_new_key_is_taken_in_when_a_token_names_it(gateway: Gateway, remote: RemoteKeys):
    remote.retry_s = 0
    verifier = TokenVerifier(remote, AUDIENCE)
    await verifier.verify(token(gateway.keys[0]))
    gateway.keys.append(new_key())

    caller = await verifier.verify(token(gateway.keys[1]))

    assert caller.subject == "ada"


async def test_a_key_that_is_published_no_longer_ends(gateway: Gateway, remote: RemoteKeys):
    remote.retry_s = 0
    verifier, old = TokenVerifier(remote, AUDIENCE), gateway.keys[0]
    await verifier.verify(token(old))
    gateway.keys[:] = [new_key()]
    await verifier.verify(token(gateway.keys[0]))

    with pytest.raises(Unauthenticated):
        await verifier.verify(token(old))


async def test_tokens_of_unknown_keys_do_not_make_the_gateway_busy(gateway: Gateway, remote: RemoteKeys):
    verifier = TokenVerifier(remote, AUDIENCE)
    await verifier.verify(token(gateway.keys[0]))

    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token(new_key()))

    assert gateway.asked == 1


async def test_a_gateway_that_is_down_leaves_known_keys_in_use(gateway: Gateway, remote: RemoteKeys):
    remote.fresh_s = remote.retry_s = 0
    verifier = TokenVerifier(remote, AUDIENCE)
    await verifier.verify(token(gateway.keys[0]))
    gateway.is_down = True

    caller = await verifier.verify(token(gateway.keys[0]))

    assert caller.subject == "ada"
    assert gateway.asked == 2


async def test_without_any_key_nothing_can_be_said_of_a_token(gateway: Gateway, remote: RemoteKeys):
    gateway.is_down = True

    with pytest.raises(Unavailable):
        await TokenVerifier(remote, AUDIENCE).verify(token(gateway.keys[0]))


async def test_readiness_asks_only_until_a_key_is_known(gateway: Gateway, remote: RemoteKeys):
    await remote.ping()
    gateway.is_down = True

    await remote.ping()

    assert gateway.asked == 1


@pytest.mark.parametrize("count", [1, 3])
async def test_only_public_halves_are_published(gateway: Gateway, count: int):
    gateway.keys[:] = [new_key() for _ in range(count)]

    published = tokens.jwks(gateway.keys)["keys"]

    assert len(published) == count
    assert all("d" not in key and key["kty"] == "OKP" for key in published)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_token_of_another_algorithm_is_refused(gateway: Gateway, remote: RemoteKeys, algorithm: str):
    header, payload, signature = token(gateway.keys[0]).split(".")
    forged = header_of(algorithm, gateway.keys[0].thumbprint())

    with pytest.raises(Unauthenticated):
        await TokenVerifier(remote, AUDIENCE).verify(f"{forged}.{payload}.{signature}")

    assert header != forged


def header_of(algorithm: str, kid: str) -> str:
    raw = json.dumps({"alg": algorithm, "kid": kid}).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("part", [0, 1, 2])
async def test_a_token_with_one_changed_character_is_refused(gateway: Gateway, remote: RemoteKeys, part: int):
    parts = token(gateway.keys[0]).split(".")
    middle = len(parts[part]) // 2
    swapped = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + swapped + parts[part][middle + 1 :]

    with pytest.raises(Unauthenticated):
        await TokenVerifier(remote, AUDIENCE).verify(".".join(parts))


@pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c.d", "ü.ü.ü", "a" * 9000])
async def test_what_is_no_token_is_refused(gateway: Gateway, remote: RemoteKeys, text: str):
    with pytest.raises(Unauthenticated):
        await TokenVerifier(remote, AUDIENCE).verify(text)
