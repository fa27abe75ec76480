"""Proof of possession (RFC 9449): for one request, for a minute, once, and by the key that is meant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from mesh_cli import parts
from mesh_shared.auth import dpop
from mesh_shared.auth.dpop import NonceNeeded, Nonces, ProofRefused, Proofs, Request
from mesh_shared.auth.keys import StaticKeys
from mesh_shared.auth.tokens import TokenVerifier, issue
from mesh_shared.errors import Unauthenticated, Unavailable
from mesh_shared.testing import Issuer, running
from redis.asyncio import Redis

KEY = ECKey.generate_key("P-256")
ASKED = Request(method="POST", url="https://gateway.example/v1/sessions")


def proof(
    key: Any = KEY,
    *,
    algorithm: str = "ES256",
    header: Any = None,
    without: str = "",
    **claims: Any,
) -> str:
    stated = {
        "jti": str(uuid4()),
        "htm": "POST",
        "htu": "https://gateway.example/v1/sessions",
        "iat": int(time.time()),
    } | claims
    stated.pop(without, None)
    head = {"typ": "dpop+jwt", "alg": algorithm, "jwk": key.as_dict(private=False)} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    return jwt.encode(head, stated, key, algorithms=[algorithm])


@pytest.fixture
async def proofs(redis_url: str):
    redis = Redis.from_url(redis_url)
    yield Proofs(redis, Nonces("secret"))
    await redis.aclose()


@pytest.mark.parametrize(
    ("key", "algorithm"), [(KEY, "ES256"), (OKPKey.generate_key("Ed25519"), "EdDSA")], ids=["ES256", "EdDSA"]
)
async def test_a_proof_names_the_key_that_made_it(proofs: Proofs, key: Any, algorithm: str):
    assert await proofs.check([proof(key, algorithm=algorithm)], ASKED) == key.thumbprint()


async def test_a_proof_is_good_once(proofs: Proofs):
    text = proof()
    await proofs.check([text], ASKED)

    with pytest.raises(ProofRefused):
        await proofs.check([text], ASKED)


async def test_of_many_at_once_one_is_accepted_by_all_replicas_together(redis_url: str):
    text, clients = proof(), [Redis.from_url(redis_url) for _ in range(2)]
    replicas = [Proofs(client, Nonces("secret")) for client in clients]

    found = await asyncio.gather(
        *(replicas[n % 2].check([text], ASKED) for n in range(20)), return_exceptions=True
    )
    for client in clients:
        await client.aclose()

    assert found.count(KEY.thumbprint()) == 1
    assert sum(isinstance(one, ProofRefused) for one in found) == 19


async def test_two_keys_may_use_one_jti(proofs: Proofs):
    other, jti = ECKey.generate_key("P-256"), str(uuid4())

    assert await proofs.check([proof(jti=jti)], ASKED) == KEY.thumbprint()
    assert await proofs.check([proof(other, jti=jti)], ASKED) == other.thumbprint()


now = time.time
FOREIGN: dict[str, dict[str, Any]] = {
    "another method": {"htm": "GET"},
    "a method in another case": {"htm": "post"},
    "another path": {"htu": "https://gateway.example/v1/api-keys"},
    "another host": {"htu": "https://evil.example/v1/sessions"},
    "another scheme": {"htu": "http://gateway.example/v1/sessions"},
    "another port": {"htu": "https://gateway.example:444/v1/sessions"},
    "no address": {"htu": ""},
    "an address that is none": {"htu": "https://[::bad/v1/sessions"},
    "too old": {"iat": int(now()) - 90},
    "too far ahead": {"iat": int(now()) + 3600},
    "a time that is a text": {"iat": "now"},
    "a time beyond every float": {"iat": 10**400},
    "a time that is no number": {"iat": float("nan")},
    "a token that is not sent": {"ath": "x" * 43},
    "no method": {"without": "htm"},
    "no time": {"without": "iat"},
    "no id": {"without": "jti"},
    "an endless id": {"jti": "x" * 257},
    "an id that is a number": {"jti": 7},
    "another type of token": {"header": {"typ": "JWT"}},
    "no key": {"header": {"jwk": None}},
    "a private key": {"header": {"jwk": KEY.as_dict(private=True)}},
    "somebody else's key": {"header": {"jwk": ECKey.generate_key("P-256").as_dict(private=False)}},
}


@pytest.mark.parametrize("fault", FOREIGN)
async def test_a_proof_of_something_else_is_refused(proofs: Proofs, fault: str):
    with pytest.raises(ProofRefused):
        await proofs.check([proof(**FOREIGN[fault])], ASKED)


async def test_only_strong_public_keys_prove_anything(proofs: Proofs):
    weak = [
        proof(RSAKey.generate_key(2048), algorithm="RS256"),
        proof(ECKey.generate_key("P-384"), algorithm="ES384"),
        jwt.encode(
            {"typ": "dpop+jwt", "alg": "HS256", "jwk": KEY.as_dict(private=False)},
            {"jti": "1", "htm": "POST", "htu": ASKED.url, "iat": int(time.time())},
            OctKey.import_key("0" * 32),
        ),
        "a.b.c",
        "",
        "x" * 5000,
    ]

    for text in weak:
        with pytest.raises(ProofRefused):
            await proofs.check([text], ASKED)


async def test_there_is_one_proof_and_no_more(proofs: Proofs):
    for texts in ([], [proof(), proof()]):
        with pytest.raises(ProofRefused):
            await proofs.check(texts, ASKED)


async def test_an_address_is_compared_without_query_and_as_it_is_meant(proofs: Proofs):
    for address in (
        "https://gateway.example/v1/sessions?a=1#b",
        "HTTPS://GATEWAY.example/v1/sessions",
        "https://gateway.example:443/v1/sessions",
    ):
        assert await proofs.check([proof(htu=address)], ASKED)


async def test_a_proof_for_a_token_is_for_that_token(proofs: Proofs):
    asked = Request(method="POST", url=ASKED.url, token="a token")
    right, wrong = dpop._digest("a token"), dpop._digest("another")

    assert await proofs.check([proof(ath=right)], asked)
    for claims in ({"ath": wrong}, {}):
        with pytest.raises(ProofRefused):
            await proofs.check([proof(**claims)], asked)


async def test_a_nonce_is_asked_for_and_then_taken(proofs: Proofs):
    with pytest.raises(NonceNeeded) as needed:
        await proofs.check([proof()], ASKED, needs_nonce=True)
    nonce = needed.value.headers()["DPoP-Nonce"]

    assert 'error="use_dpop_nonce"' in needed.value.headers()["WWW-Authenticate"]
    assert await proofs.check([proof(nonce=nonce)], ASKED, needs_nonce=True)
    assert await proofs.check([proof(nonce=nonce)], ASKED)


@pytest.mark.parametrize("nonce", ["", "made-up", 7, "caf\xe9", [], Nonces("another").current()])
async def test_a_nonce_that_is_not_ours_is_refused_also_where_none_is_needed(proofs: Proofs, nonce: Any):
    with pytest.raises(NonceNeeded):
        await proofs.check([proof(nonce=nonce)], ASKED)


@pytest.mark.parametrize("nonce", ["\ud800", None, True, 10**400, {"a": 1}])
def test_whatever_json_says_for_a_nonce_is_ours_or_not(nonce: Any):
    assert not Nonces("secret").holds(nonce)


async def test_while_nobody_can_tell_whether_it_was_used_nothing_is_proved(tmp_path: Path):
    redis = Redis.from_url(f"redis://127.0.0.1:{parts.free_port()}/0", socket_timeout=1)

    with pytest.raises(Unavailable):
        await Proofs(redis, Nonces("secret")).check([proof()], ASKED)
    await redis.aclose()


SIGNING = OKPKey.generate_key("Ed25519")
VERIFIER = TokenVerifier(StaticKeys([SIGNING]), frozenset({"registry"}))


def token(**claims: Any) -> str:
    text, _ = issue(SIGNING, subject="a", scopes=["x:y"], audiences=["registry"], ttl_s=60, **claims)
    return text


async def test_a_bound_token_is_no_bearer_token_and_the_other_way_round():
    bound = await VERIFIER.verify(token(jkt="k" * 43), is_bound=True)

    assert bound.jkt == "k" * 43
    assert (await VERIFIER.verify(token())).jkt is None
    with pytest.raises(Unauthenticated):
        await VERIFIER.verify(token(jkt="k" * 43))
    with pytest.raises(Unauthenticated):
        await VERIFIER.verify(token(), is_bound=True)


async def test_those_who_act_are_in_the_token_the_present_one_first():
    caller = await VERIFIER.verify(token(actors=["agent", "agent-before"]))

    assert (caller.subject, caller.actors) == ("a", ("agent", "agent-before"))
    assert (await VERIFIER.verify(token())).actors == ()


@pytest.fixture
async def bound(app: FastAPI, issuer: Issuer) -> AsyncIterator[tuple[AsyncClient, str]]:
    """A service like every other of the mesh, and a session of its reader that is bound to `KEY`."""
    text, _ = issue(
        issuer.key,
        subject="reader",
        scopes=["notes:write"],
        audiences=["notes"],
        ttl_s=60,
        jkt=KEY.thumbprint(),
    )
    async with running(app) as http:
        yield http, text


def headers(token: str, key: Any = KEY, **claims: Any) -> dict[str, str]:
    about = {"htm": "POST", "htu": "http://127.0.0.1:9999/v1/notes", "ath": dpop._digest(token)}
    return {"Authorization": f"DPoP {token}", "DPoP": proof(key, **(about | claims))}


NOTE = {"name": "shopping", "pages": 2}


async def test_every_service_takes_a_bound_session_with_its_proof(bound: tuple[AsyncClient, str]):
    http, text = bound

    written = await http.post("/v1/notes", json=NOTE, headers=headers(text))
    told = await http.post("/v1/notes", json=NOTE, headers=headers(text))

    assert (written.status_code, told.status_code) == (201, 409)


STOLEN: dict[str, Callable[[str], dict[str, str]]] = {
    "as a bearer's": lambda text: {"Authorization": f"Bearer {text}"},
    "without a proof": lambda text: {"Authorization": f"DPoP {text}"},
    "with another key's proof": lambda text: headers(text, ECKey.generate_key("P-256")),
    "with a proof for another service": lambda text: headers(text, htu="http://127.0.0.1:8374/v1/notes"),
    "with a proof for another route": lambda text: headers(text, htu="http://127.0.0.1:9999/v1/payments"),
    "with a proof for another method": lambda text: headers(text, htm="GET"),
    "with a proof without the token": lambda text: headers(text, ath=dpop._digest("another")),
    "with a proof of last minute": lambda text: headers(text, iat=int(time.time()) - 90),
}


@pytest.mark.parametrize("theft", STOLEN)
async def test_no_service_takes_a_stolen_session(bound: tuple[AsyncClient, str], theft: str):
    http, text = bound

    refused = await http.post("/v1/notes", json=NOTE, headers=STOLEN[theft](text))

    assert refused.status_code == 401
    assert (await http.get("/v1/notes/shopping")).status_code == 404


async def test_a_proof_that_was_used_writes_nothing_more(bound: tuple[AsyncClient, str]):
    http, text = bound
    used = headers(text)

    first = await http.post("/v1/notes", json=NOTE, headers=used)
    again = await http.post("/v1/notes", json=NOTE | {"name": "other"}, headers=used)

    assert (first.status_code, again.status_code) == (201, 401)
    assert again.json()["code"] == "proof-refused"
    assert 'algs="ES256 EdDSA"' in again.headers["www-authenticate"]


async def test_a_proof_that_is_repeated_in_one_request_is_none(bound: tuple[AsyncClient, str]):
    http, text = bound
    both = [
        ("Authorization", f"DPoP {text}"),
        ("DPoP", headers(text)["DPoP"]),
        ("DPoP", headers(text)["DPoP"]),
    ]

    assert (await http.post("/v1/notes", json=NOTE, headers=both)).status_code == 401


async def test_a_refused_proof_is_not_repeated(bound: tuple[AsyncClient, str]):
    http, text = bound
    sent = headers(text, htm="PUT")

    refused = await http.post("/v1/notes", json=NOTE, headers=sent)

    assert sent["DPoP"] not in refused.text
    assert text not in refused.text


async def test_a_stranger_leaves_nothing_in_redis(bound: tuple[AsyncClient, str], redis_url: str):
    """A proof is remembered only after the token that it came with held."""
    http, _ = bound
    redis = Redis.from_url(redis_url)
    before = await redis.dbsize()

    for _ in range(5):
        assert (await http.post("/v1/notes", json=NOTE, headers=headers("a.b.c"))).status_code == 401

    after = await redis.dbsize()
    await redis.aclose()
    assert after <= before
