"""The keys and origins behind a card's signatures: what one odd key spoils, and what counts as the same."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from mesh_registry.domain import cards
from mesh_registry.domain.cards import MAX_SIGNATURES, Verdict
from mesh_shared.canonical import jcs

Body = dict[str, Any]
URL = "https://agent.example/.well-known/agent-card.json"
EC, OKP = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
CARD: Body = {"name": "Summarizer", "skills": [{"id": "summarize", "tags": []}]}
JUNK = {"protected": "e30", "signature": "AA"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def signature(key: Any = EC, algorithm: str = "ES256", payload: Body = CARD, **header: Any) -> Body:
    token = jws.serialize_compact({"alg": algorithm} | header, jcs(payload), key, algorithms=[algorithm])
    head, _, signed = token.split(".")
    return {"protected": head, "signature": signed}


def signed(*signatures: Body) -> Body:
    return CARD | {"signatures": list(signatures)}


def key_set(*items: object) -> bytes:
    return orjson.dumps({"keys": [*items, EC.as_dict(private=False)]})


def verdict(said: Body, keys: bytes | None, url: str = URL) -> Verdict:
    return cards.verdict(said, url, keys)[0]


@pytest.mark.parametrize(
    "odd",
    [
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC"},
        {"kty": ["EC"]},
        {},
        7,
        None,
    ],
    ids=str,
)
def test_a_key_that_nobody_understands_spoils_no_other(odd: object):
    """RFC 7517 §5: whoever reads a set should ignore the keys in it that they do not understand."""
    assert verdict(signed(signature()), key_set(odd)) is Verdict.VALID


@given(json_values)
def test_whatever_a_host_publishes_as_its_keys_makes_no_card_valid(published: Any):
    said = signed(signature())

    assert verdict(said, orjson.dumps(published)) is Verdict.UNTRUSTED_KEY
    assert verdict(said, orjson.dumps({"keys": published})) is Verdict.UNTRUSTED_KEY


@given(json_values, st.text(max_size=20))
def test_whatever_a_header_says_a_card_is_judged(header: Any, text: str):
    protected = urlsafe_b64encode(orjson.dumps(header)).rstrip(b"=").decode()
    said = signed({"protected": protected, "signature": text}, {"protected": text, "signature": text})

    assert verdict(said, key_set()) is Verdict.INVALID


def test_the_key_of_another_algorithm_proves_nothing():
    said = signed(signature(OKP, "EdDSA"))

    assert verdict(said, key_set()) is Verdict.INVALID


def test_a_bad_signature_tells_more_than_an_unknown_key():
    unknown = signature(kid="elsewhere")

    assert verdict(signed(unknown), key_set()) is Verdict.UNTRUSTED_KEY
    assert verdict(signed(unknown, JUNK), key_set()) is Verdict.INVALID


def test_the_eighth_signature_is_looked_at_and_the_ninth_is_not():
    last, beyond = [JUNK] * (MAX_SIGNATURES - 1), [JUNK] * MAX_SIGNATURES

    assert verdict(signed(*last, signature()), key_set()) is Verdict.VALID
    assert verdict(signed(*beyond, signature()), key_set()) is Verdict.INVALID


@given(st.permutations(list(CARD)))
def test_the_order_of_members_is_not_signed(order: list[str]):
    shuffled = {name: CARD[name] for name in order}

    assert verdict(shuffled | {"signatures": [signature()]}, key_set()) is Verdict.VALID


def test_a_signature_is_good_for_the_origin_that_publishes_the_key_alone():
    said = signed(signature(jku="https://agent.example/keys.json"))

    assert verdict(said, key_set(), "https://agent.example/other-card.json") is Verdict.VALID
    assert verdict(said, key_set(), "https://agent.example:8443/card.json") is Verdict.UNTRUSTED_KEY
    assert verdict(said, key_set(), "http://agent.example/card.json") is Verdict.UNTRUSTED_KEY


def test_keys_of_an_unsigned_card_are_not_asked_for():
    assert cards.keys_url(CARD, URL) is None


@pytest.mark.parametrize("jku", [7, None, ["https://agent.example/keys.json"], "", "keys.json", "https://["])
def test_a_place_for_keys_that_is_none_is_passed_over(jku: object):
    said = signed({"protected": urlsafe_b64encode(orjson.dumps({"jku": jku})).decode(), "signature": ""})

    assert cards.keys_url(said, URL) == "https://agent.example:443/.well-known/jwks.json"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Agent.EXAMPLE/a?b#c", "https://agent.example:443"),
        ("HTTP://agent.example", "http://agent.example:80"),
        ("https://user@agent.example:8443/", "https://agent.example:8443"),
        ("https://[2001:DB8::1]/", "https://[2001:db8::1]:443"),
    ],
)
def test_an_origin_is_scheme_host_and_port_in_one_spelling(url: str, expected: str):
    assert cards.origin(url) == expected


@pytest.mark.parametrize("url", ["", "agent.example", "https:", "https://:443", "https://a:x", "https://[a"])
def test_what_is_no_address_has_no_origin(url: str):
    assert cards.origin(url) == ""
