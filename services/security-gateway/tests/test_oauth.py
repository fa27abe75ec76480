"""Questions for tokens and what their answers must say. Rules alone."""

import re
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain import oauth
from mesh_security_gateway.domain.injectors import (
    ClientCredentials,
    GithubApp,
    MintedJwt,
    OAuth,
    RefreshToken,
    TokenExchange,
)
from mesh_security_gateway.domain.secret_forms import Client
from mesh_security_gateway.errors import UpstreamToken

URL = "https://login.example/token"
CLIENT = Client("app 1", "s3cr:t/1")
NOW = 1_764_000_900


def form(injector: OAuth, held: str = "") -> dict[str, str]:
    asked = oauth.question(injector, CLIENT, held)
    assert (asked.url, dict(asked.fields)["accept"]) == (URL, "application/json")
    return {name: values[0] for name, values in parse_qs(asked.body.decode(), strict_parsing=True).items()}


def test_client_credentials_are_asked_for_as_rfc_6749_has_it():
    injector = ClientCredentials(token_url=URL, scope="read write", audience="https://api.example")

    assert form(injector) == {
        "grant_type": "client_credentials",
        "scope": "read write",
        "audience": "https://api.example",
    }
    assert form(ClientCredentials(token_url=URL)) == {"grant_type": "client_credentials"}


def test_a_refresh_token_is_sent_as_rfc_6749_has_it():
    asked = form(RefreshToken(token_url=URL), "r3fresh+t")

    assert asked == {"grant_type": "refresh_token", "refresh_token": "r3fresh+t"}


def test_a_subject_token_is_exchanged_as_rfc_8693_has_it():
    injector = TokenExchange(token_url=URL, audience="api", resource="https://api.example/v1", scope="read")

    assert form(injector, "subj3ct-t") == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "subj3ct-t",
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": "api",
        "resource": "https://api.example/v1",
        "scope": "read",
    }


def test_a_client_says_who_it_is_as_its_provider_wants_it():
    basic = oauth.question(ClientCredentials(token_url=URL), CLIENT, "")
    posted = form(ClientCredentials(token_url=URL, client_auth="post"))
    public = oauth.question(RefreshToken(token_url=URL), Client("app", "", "r3fresh-t"), "r3fresh-t")

    assert dict(basic.fields)["authorization"] == "Basic YXBwKzE6czNjciUzQXQlMkYx"  # app+1:s3cr%3At%2F1
    assert (posted["client_id"], posted["client_secret"]) == ("app 1", "s3cr:t/1")
    assert "authorization" not in dict(public.fields)
    assert b"client_id=app" in public.body
    assert b"client_secret" not in public.body


def answer(**more: Any) -> bytes:
    return orjson.dumps({"access_token": "t0ken-0123456789", "token_type": "Bearer"} | more)


@pytest.mark.parametrize(
    ("expires_in", "fresh_for"),
    [(3600, 3570), ("3600", 3570), (100, 80), (0, 0), (-5, -4), (None, None)],
)
def test_a_token_is_used_until_shortly_before_its_end(expires_in: object, fresh_for: int | None):
    more = {} if expires_in is None else {"expires_in": expires_in}

    token = oauth.answered(answer(**more), NOW)

    assert token.access == "t0ken-0123456789"
    assert token.fresh_until == (None if fresh_for is None else NOW + fresh_for)


def test_a_refresh_token_that_comes_along_is_kept():
    assert oauth.answered(answer(refresh_token="n3xt-refresh-token"), NOW).refresh == "n3xt-refresh-token"
    assert oauth.answered(answer(), NOW).refresh == ""


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        answer(access_token=None),
        answer(access_token=5),
        answer(access_token="short"),
        answer(access_token="has a blank in it"),
        answer(access_token="line\nbreak-0123456789"),
        answer(access_token="x" * 8193),
        answer(token_type="DPoP"),
        answer(expires_in="soon"),
        answer(refresh_token="with a blank in it"),
    ],
)
def test_an_answer_without_a_usable_token_is_none_and_is_not_repeated(said: bytes):
    with pytest.raises(UpstreamToken) as refused:
        oauth.answered(said, NOW)

    assert refused.value.detail == "The upstream's token endpoint gave no token."


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists) | st.binary())
def test_no_answer_at_all_breaks_the_reader(said: object):
    body = said if isinstance(said, bytes) else orjson.dumps({"access_token": said, "expires_in": said})

    try:
        token = oauth.answered(body, NOW)
    except UpstreamToken:
        return

    assert re.fullmatch(r"[\x21-\x7e]{8,8192}", token.access)


def test_a_token_is_never_printed():
    assert "t0ken" not in repr(oauth.answered(answer(), NOW))
    assert "s3cr" not in repr(CLIENT) + repr(oauth.question(ClientCredentials(token_url=URL), CLIENT, ""))


def test_github_is_asked_for_an_installation_and_says_when_its_token_ends():
    injector = GithubApp(app_id="12345", installation_id="67")
    asked = oauth.installation_question(injector, "https://api.github.com", "j.w.t")
    said = orjson.dumps({"token": "ghs_0123456789", "expires_at": "2025-11-24T17:15:00Z"})

    assert asked.url == "https://api.github.com/app/installations/67/access_tokens"
    assert dict(asked.fields)["authorization"] == "Bearer j.w.t"
    assert oauth.installation(said, NOW).fresh_until == NOW + 3570
    assert oauth.app_claims(injector, NOW) == {"iss": "12345", "iat": NOW - 60, "exp": NOW + 540}
    for broken in (b"{}", b"[]", orjson.dumps({"token": "ghs_0123456789", "expires_at": "then"})):
        with pytest.raises(UpstreamToken):
            oauth.installation(broken, NOW)


def test_a_minted_token_says_what_its_provider_fixed_and_no_more():
    full = MintedJwt(
        algorithm="ES256", issuer="mesh", subject="bot", audience="api", scope="read", lifetime_s=60
    )
    times = {"iat": NOW, "exp": NOW + 60, "jti": "once"}

    assert oauth.claims(full, NOW, "once") == times | {
        "iss": "mesh",
        "sub": "bot",
        "aud": "api",
        "scope": "read",
    }
    assert oauth.claims(MintedJwt(algorithm="ES256", issuer="mesh", lifetime_s=60), NOW, "once") == times | {
        "iss": "mesh"
    }
