"""A token is looked at once, and still ends when its time or its key does."""

import time

import pytest
from joserfc.jwk import OKPKey
from mesh_shared.auth import tokens
from mesh_shared.auth.keys import StaticKeys
from mesh_shared.auth.tokens import MOST_SEEN, KeySource, TokenVerifier, issue
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
