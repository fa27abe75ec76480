"""A token is looked at once, and still ends when its time or its key does."""

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey
from mesh_shared.auth import tokens
from mesh_shared.auth.keys import StaticKeys
from mesh_shared.auth.tokens import ADMIN, MOST_SEEN, KeySource, Principal, TokenVerifier, issue
from mesh_shared.errors import Unauthenticated


class Changing(StaticKeys):
    """Keys that can be taken away."""

    def take_away(self) -> None:
        self._keys.clear()


@pytest.fixture
def key() -> OKPKey:
    return OKPKey.generate_key("Ed25519")


def verifier(keys: KeySource) -> TokenVerifier:
    return TokenVerifier(keys, frozenset({"here"}))


def token(key: OKPKey, subject: str = "agent-7", ttl_s: int = 60) -> str:
    text, _ = issue(key, subject=subject, scopes=["a:b"], audiences=["here"], ttl_s=ttl_s)
    return text


async def test_the_same_token_says_the_same_the_second_time(key: OKPKey):
    verifies, text = verifier(StaticKeys([key])), token(key)

    first, second = await verifies.verify(text), await verifies.verify(text)

    assert first == second
    assert second.subject == "agent-7"


async def test_a_token_ends_though_it_was_seen_before(key: OKPKey, monkeypatch: pytest.MonkeyPatch):
    verifies, text, now = verifier(StaticKeys([key])), token(key), time.time()
    await verifies.verify(text)
    monkeypatch.setattr(time, "time", lambda: now + 60 + tokens.LEEWAY_S + 1)

    with pytest.raises(Unauthenticated):
        await verifies.verify(text)


async def test_a_key_that_is_gone_ends_what_it_signed(key: OKPKey):
    keys, text = Changing([key]), token(key)
    verifies = verifier(keys)
    await verifies.verify(text)
    keys.take_away()

    with pytest.raises(Unauthenticated):
        await verifies.verify(text)


@pytest.mark.parametrize("end", ["AA", "A", ""])
async def test_a_token_that_was_touched_is_another_one(key: OKPKey, end: str):
    verifies, text = verifier(StaticKeys([key])), token(key)
    await verifies.verify(text)

    with pytest.raises(Unauthenticated):
        await verifies.verify(text[:-3] + end)


async def test_a_bearer_that_was_seen_is_no_bound_token(key: OKPKey):
    verifies, text = verifier(StaticKeys([key])), token(key)
    await verifies.verify(text)

    with pytest.raises(Unauthenticated):
        await verifies.verify(text, is_bound=True)


async def test_so_many_tokens_are_remembered_and_no_more(key: OKPKey):
    verifies = verifier(StaticKeys([key]))

    for number in range(MOST_SEEN + 3):
        await verifies.verify(token(key, f"agent-{number}"))

    assert len(verifies._seen) == MOST_SEEN


def signed(key: OKPKey, **changed: Any) -> str:
    """A token that our own key signed, with these claims changed, or left out where they are None."""
    now = int(time.time())
    claims: dict[str, Any] = {"iss": "mesh", "sub": "agent-7", "aud": ["here"], "scope": "a:b"}
    claims |= {"nbf": now, "exp": now + 60} | changed
    stated = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "EdDSA", "kid": key.thumbprint()}, stated, key, algorithms=["EdDSA"])


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "scope", "nbf", "exp"])
async def test_a_token_without_one_of_its_claims_says_nothing(key: OKPKey, claim: str):
    verifies = verifier(StaticKeys([key]))
    assert await verifies.verify(signed(key))

    with pytest.raises(Unauthenticated, match="not valid here"):
        await verifies.verify(signed(key, **{claim: None}))


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "another-mesh"},
        {"aud": ["there"]},
        {"aud": []},
        {"aud": 7},
        {"nbf": 2**40},
        {"exp": 0},
        {"exp": "never"},
        {"cnf": {}},
        {"cnf": "key"},
        {"act": {}},
        {"wallets": ["a"]},
    ],
    ids=str,
)
async def test_a_claim_that_is_another_s_or_none_is_refused(key: OKPKey, changed: dict[str, Any]):
    with pytest.raises(Unauthenticated, match="not valid here"):
        await verifier(StaticKeys([key])).verify(signed(key, **changed))


@pytest.mark.parametrize(("seconds", "holds"), [(-6, False), (-4, True), (64, True), (66, False)])
async def test_clocks_may_differ_by_five_seconds_either_way(
    key: OKPKey, seconds: int, holds: bool, monkeypatch: pytest.MonkeyPatch
):
    now = time.time()
    text = signed(key, nbf=int(now), exp=int(now) + 60)
    monkeypatch.setattr(time, "time", lambda: int(now) + seconds)
    verifies = verifier(StaticKeys([key]))

    if holds:
        assert (await verifies.verify(text)).subject == "agent-7"
    else:
        with pytest.raises(Unauthenticated):
            await verifies.verify(text)


async def test_one_audience_of_several_is_enough_on_either_side(key: OKPKey):
    verifies = TokenVerifier(StaticKeys([key]), frozenset({"registry", "https://registry.example"}))

    for audience in (["registry", "coordinator"], ["https://registry.example"]):
        assert await verifies.verify(signed(key, aud=audience))


async def test_what_was_issued_is_what_is_read(key: OKPKey):
    text, expires_at = issue(
        key,
        subject="agent-7",
        scopes=["b:c", "a:b"],
        audiences=["here"],
        ttl_s=60,
        actors=["now", "before", "first"],
        wallets=[("agent-7", "0xaa"), ("agent-8", "0xbb")],
    )

    caller = await verifier(StaticKeys([key])).verify(text)

    assert caller.scopes == {"a:b", "b:c"}
    assert caller.actors == ("now", "before", "first")
    assert dict(caller.wallets) == {"agent-7": "0xaa", "agent-8": "0xbb"}
    assert caller.expires_at == expires_at


def test_a_scope_is_held_by_name_and_all_of_them_by_the_admin():
    reader, admin = Principal("a", frozenset({"a:read"})), Principal("b", frozenset({ADMIN}))

    assert reader.can("a:read")
    assert not reader.can("a:reader")
    assert not reader.can("a")
    assert admin.can("a:read")
