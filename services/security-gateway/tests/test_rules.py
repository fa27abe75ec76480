import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain import headers
from mesh_security_gateway.domain.grants import Grant, permissions
from mesh_security_gateway.domain.holding import Holding
from mesh_security_gateway.domain.patterns import Patterns
from mesh_security_gateway.domain.scopes import SERVICES, exceeding, may_name, service_scopes
from mesh_security_gateway.errors import PathRefused
from mesh_shared.auth.tokens import Principal


def grant(*, expires_at: int | None = None, is_revoked: bool = False) -> Grant:
    return Grant(
        id=UUID(int=1),
        subject="agent-7",
        connection="github",
        methods=("GET",),
        paths=("/user", "/repos/**"),
        expires_at=expires_at,
        is_revoked=is_revoked,
    )


def matches(pattern: str, path: str) -> bool:
    return pattern in Patterns([pattern]).covering(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/user", "/user"),
        ("/", "/"),
        ("/repos/*/issues", "/repos/mesh/issues"),
        ("/v*", "/v2"),
        ("/*.json", "/a.b.json"),
        ("/repos/**", "/repos/a/b/c"),
        ("/repos/**", "/repos/"),
        ("/**", "/"),
        ("/**", "/anything/at/all"),
        ("/*/x/**", "/a/x/y"),
    ],
)
def test_a_pattern_covers_what_it_says(pattern: str, path: str):
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/user", "/users"),
        ("/user", "/user/"),
        ("/user", "/User"),
        ("/repos/*", "/repos/a/b"),
        ("/repos/*", "/repos/"),
        ("/repos/**", "/repos"),
        ("/repos/**", "/reposx/a"),
        ("/*/x/**", "/x/y"),
        ("/a/**/b", "/a/x/y/b"),
        ("/", "/user"),
    ],
)
def test_a_pattern_covers_nothing_else(pattern: str, path: str):
    assert not matches(pattern, path)


SEGMENTS = st.lists(st.text("ab*.", max_size=4), min_size=1, max_size=4)


@given(SEGMENTS, st.booleans(), st.lists(st.text("ab.", max_size=4), min_size=1, max_size=5))
def test_a_pattern_means_what_its_regular_expression_means(wanted: list[str], rest: bool, given: list[str]):
    pattern = "/" + "/".join([*wanted, "**"] if rest else wanted)
    path = "/" + "/".join(given)
    if wanted[-1] == "**":
        return

    segments = [re.escape(s).replace(r"\*", "[^/]*") if s.strip("*") or not s else "[^/]+" for s in wanted]
    expression = "/" + "/".join(segments) + ("/.*" if rest else "")
    nonempty = all(bool(g) == bool(w) for w, g in zip(wanted, given, strict=False))

    assert matches(pattern, path) == bool(re.fullmatch(expression, path) and nonempty)


@given(st.text("ab*/", max_size=30), st.text("ab/", max_size=200))
def test_a_pattern_of_stars_takes_no_time(pattern: str, path: str):
    matches(f"/{pattern}", f"/{path}")


def fits(grant: Grant, method: str, path: str, now: float = 0) -> bool:
    return any(True for _ in Holding([grant], 0).fitting(method, path, now))


def test_a_grant_covers_its_methods_and_paths_while_it_lives():
    assert fits(grant(expires_at=100), "GET", "/repos/a", now=99.9)
    assert not fits(grant(expires_at=100), "GET", "/repos/a", now=100)
    assert not fits(grant(is_revoked=True), "GET", "/user")
    assert not fits(grant(), "POST", "/user")
    assert not fits(grant(), "GET", "/orgs")


def test_permissions_are_those_of_live_grants():
    assert permissions([grant(), grant(expires_at=5)], now=9) == ("GET /repos/**", "GET /user")
    assert permissions([grant(is_revoked=True)], now=9) == ()


def test_what_authenticates_or_belongs_to_one_connection_does_not_go_out():
    given = (
        ("Authorization", "Bearer agent"),
        ("Cookie", "a=b"),
        ("X-API-Key", "agent"),
        ("X_Api_Key", "agent"),
        ("Proxy-Authorization", "agent"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/admin"),
        ("Host", "gateway"),
        ("Range", "bytes=0-3"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("TE", "trailers"),
        ("Accept-Encoding", "gzip"),
        ("traceparent", "00-1-2-03"),
        ("baggage", "a=b"),
        ("Connection", "close, Prefer"),
        ("Prefer", "wait=1"),
        ("Accept", "text/plain"),
        ("Anthropic-Version", "2023-06-01"),
    )

    assert headers.for_upstream(given, frozenset({"authorization"})) == (
        ("accept", "text/plain"),
        ("anthropic-version", "2023-06-01"),
        ("accept-encoding", "identity"),
    )


def test_the_injected_field_is_never_the_agents():
    given = (("Api-Version", "mine"), ("API-version", "mine too"))

    assert headers.for_upstream(given, frozenset({"api-version"})) == (("accept-encoding", "identity"),)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\0b", "\x7f", "é"])
def test_a_field_that_could_break_out_is_refused(value: str):
    with pytest.raises(PathRefused):
        headers.for_upstream((("Accept", value),), frozenset())


def test_what_an_upstream_says_to_a_browser_about_its_origin_stays_here():
    given = (
        ("Set-Cookie", "sid=1"),
        ("Content-Length", "9"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Strict-Transport-Security", "max-age=1"),
        ("Alt-Svc", "h3"),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Mesh-Gateway-Error", "forged"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("X-Split", "a\rSet-Cookie: sid=1"),
        ("X Blank", "1"),
        ("X-Nul", "\0"),
        ("Content-Type", "text/plain"),
        ("Link", "</a>"),
        ("ETag", '"1"'),
    )

    kept = headers.for_caller(given)

    assert [name for name, _ in kept] == ["content-type", "link", "etag"]


@pytest.mark.parametrize(
    ("name", "value", "encoded"),
    [
        ("Content-Encoding", "gzip", True),
        ("Content-Encoding", "identity", False),
        ("Content-Encoding", "", False),
        ("Content-Encoding", "br, gzip", True),
        ("Transfer-Encoding", "gzip, chunked", True),
        ("Transfer-Encoding", "Chunked", False),
        ("Content-Type", "gzip", False),
    ],
)
def test_an_encoded_answer_is_known_by_its_fields(name: str, value: str, encoded: bool):
    assert headers.is_encoded(((name, value),)) is encoded


def test_fields_of_one_name_are_joined():
    assert headers.joined((("a", "1"), ("b", "2"), ("a", "3"))) == {"a": "1, 3", "b": "2"}


def test_nobody_passes_on_more_than_they_hold():
    holder = Principal("agent", frozenset({"gateway:proxy", "gateway:keys"}))

    assert exceeding(holder, ["gateway:proxy"]) == []
    assert exceeding(holder, ["mesh:admin", "gateway:audit", "gateway:keys"]) == [
        "gateway:audit",
        "mesh:admin",
    ]
    assert exceeding(Principal("root", frozenset({"mesh:admin"})), ["anything:at-all"]) == []


@pytest.mark.parametrize(
    ("subject", "is_own"),
    [("me", True), ("me/agent", True), ("me/a/b", True), ("me2", False), ("m", False), ("you/me/", False)],
)
def test_nobody_speaks_for_a_subject_outside_their_own(subject: str, is_own: bool):
    assert may_name(Principal("me", frozenset({"gateway:keys"})), subject) is is_own
    assert may_name(Principal("root", frozenset({"mesh:admin"})), subject)


def test_a_service_holds_what_its_calls_need_and_no_more():
    assert len(SERVICES) == 5
    for service in SERVICES:
        assert {"registry:write", "events:read"} <= set(service_scopes(service))
        assert "mesh:admin" not in service_scopes(service)
    assert set(service_scopes("registry")) == {"registry:write", "events:read"}
    assert {"gateway:compile", "gateway:proxy"} < set(service_scopes("deployer"))
    assert {"actions:invoke", "deployer:deploy", "gateway:proxy"} < set(service_scopes("coordinator"))
