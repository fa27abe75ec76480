"""Requests that are signed with an HMAC over a text that the provider describes."""

import base64
import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain.injection import Draft
from mesh_security_gateway.domain.injectors import RequestHmac
from mesh_security_gateway.domain.request_hmac import sign

NOW = 1_764_000_900.123
DRAFT = Draft(
    method="POST",
    origin="https://api.example:8443",
    path="/v1/orders",
    query="a=1&b={path}",
    fields=(("accept", "*/*"),),
    body=b'{"{method}": 1}',
)
PLAIN = RequestHmac(template="{method}", signature_header="X-Signature")


def text_of(template: str, **spec: str) -> bytes:
    """What `template` stands for: found by signing it, and known by its HMAC."""
    values = {
        "{method}": b"POST",
        "{path}": b"/v1/orders",
        "{query}": b"a=1&b={path}",
        "{target}": b"/v1/orders?a=1&b={path}",
        "{host}": b"api.example:8443",
        "{timestamp}": b"1764000900",
        "{key_id}": b"id",
        "{body}": b'{"{method}": 1}',
        "{body_sha256}": hashlib.sha256(b'{"{method}": 1}').hexdigest().encode(),
        "{body_sha512}": hashlib.sha512(b'{"{method}": 1}').hexdigest().encode(),
    }
    return values[template]


NAMES = [
    "method",
    "path",
    "query",
    "target",
    "host",
    "timestamp",
    "key_id",
    "body",
    "body_sha256",
    "body_sha512",
]


@pytest.mark.parametrize("name", [f"{{{name}}}" for name in NAMES])
def test_a_name_stands_for_its_part_of_the_request(name: str):
    spec = replace(PLAIN, template=name, key_header="X-Key")

    signed = dict(sign(spec, "id:k3y-of-it", DRAFT, NOW).fields)

    assert signed["X-Signature"] == hmac.digest(b"k3y-of-it", text_of(name), "sha256").hex()
    assert signed["X-Key"] == "id"


@given(st.lists(st.sampled_from([f"{{{name}}}" for name in NAMES]) | st.text("ab\n .:|", max_size=5)))
def test_a_template_is_its_pieces_in_a_row_and_no_piece_is_read_again(pieces: list[str]):
    spec = replace(PLAIN, template="".join(pieces), key_header="X-Key")
    expected = b"".join(text_of(p) if p.startswith("{") else p.encode() for p in pieces)

    signed = dict(sign(spec, "id:k3y-of-it", DRAFT, NOW).fields)

    assert signed["X-Signature"] == hmac.digest(b"k3y-of-it", expected, "sha256").hex()


@pytest.mark.parametrize(
    ("form", "said"),
    [("unix", "1764000900"), ("unix-ms", "1764000900123"), ("rfc3339", "2025-11-24T16:15:00Z")],
)
def test_the_time_that_is_signed_is_the_time_that_is_sent(form: str, said: str):
    spec = replace(PLAIN, template="{timestamp}", timestamp_header="X-Time", timestamp_format=form)

    signed = dict(sign(spec, "k3y-of-it", DRAFT, NOW).fields)

    assert signed["X-Time"] == said
    assert signed["X-Signature"] == hmac.digest(b"k3y-of-it", said.encode(), "sha256").hex()


def test_a_signature_is_written_as_the_provider_wants_it():
    spec = replace(PLAIN, signature_prefix="v1=", algorithm="sha512", encoding="base64")

    signed = dict(sign(spec, "k3y-of-it", DRAFT, NOW).fields)

    expected = base64.b64encode(hmac.digest(b"k3y-of-it", b"POST", "sha512")).decode()
    assert signed["X-Signature"] == f"v1={expected}"
    assert signed["accept"] == "*/*"


def test_key_and_signature_must_not_come_back():
    credentialed = sign(PLAIN, "k3y-of-it", DRAFT, NOW)

    assert credentialed.sensitive == ("k3y-of-it", dict(credentialed.fields)["X-Signature"])
