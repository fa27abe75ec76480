"""The data path over HTTP: what goes out, what comes back, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from sqlalchemy import text

if TYPE_CHECKING:
    from conftest import Exchange, Operator, Origin


@pytest.fixture
def operator(operator_live: Operator) -> Operator:
    return operator_live


async def test_the_upstream_sees_the_credential_and_the_agent_its_answer(
    operator: Operator, origin: Origin, agent: dict[str, str], canary: str
):
    origin.answers(b'{"login": "mesh"}', content_type="application/json", x_rate_limit="60")

    response = await operator.http.get("/v1/proxy/github/user?page=2", headers=agent)

    assert (response.status_code, response.json()) == (200, {"login": "mesh"})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-rate-limit"] == "60"
    assert "x-mesh-gateway-error" not in response.headers
    (seen,) = origin.seen
    assert (seen.method, seen.target) == ("GET", "/v3/user?page=2")
    assert seen.values("authorization") == [f"Bearer {canary}"]
    assert seen.values("host") == [origin.url.removeprefix("http://")]


async def test_every_granted_method_passes(operator: Operator, origin: Origin, agent: dict[str, str]):
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    for method in methods:
        response = await operator.http.request(method, "/v1/proxy/github/things", headers=agent)

        assert response.status_code == 200, method
    assert [seen.method for seen in origin.seen] == methods


async def test_every_other_method_is_refused(operator: Operator, origin: Origin, agent: dict[str, str]):
    for method in ("TRACE", "OPTIONS", "CONNECT", "QUERY"):
        response = await operator.http.request(method, "/v1/proxy/github/things", headers=agent)

        assert response.status_code == 405, method
        assert response.headers["x-mesh-gateway-error"] == "method_not_allowed"
    assert origin.seen == []


async def test_a_body_passes_as_it_is(operator: Operator, origin: Origin, agent: dict[str, str]):
    content = bytes(range(256)) * 50
    headers = agent | {"Content-Type": "application/x-mesh", "Idempotency-Key": "k1"}

    await operator.http.post("/v1/proxy/github/things", content=content, headers=headers)

    (seen,) = origin.seen
    assert seen.body == content
    assert seen.values("content-length") == [str(len(content))]
    assert seen.values("content-type") == ["application/x-mesh"]
    assert seen.values("idempotency-key") == ["k1"]


async def test_an_upstreams_status_is_the_agents_business(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    empty = b"content-length: 0\r\n"
    for status, fields in ((204, b""), (304, b""), (404, empty), (418, empty), (503, empty)):
        answer = b"HTTP/1.1 %d Whatever\r\n%s\r\n" % (status, fields)
        origin.says = lambda _, answer=answer: [answer]
        response = await operator.http.get("/v1/proxy/github/user", headers=agent)

        assert response.status_code == status
        assert "x-mesh-gateway-error" not in response.headers


@pytest.mark.parametrize(
    ("injector", "secret", "field", "value"),
    [
        ({"kind": "bearer"}, "sk-0123456789", "authorization", "Bearer sk-0123456789"),
        ({"kind": "basic"}, "robot:p4ssw0rd", "authorization", "Basic cm9ib3Q6cDRzc3cwcmQ="),
        ({"kind": "header", "name": "X-Api-Key"}, "sk-0123456789", "x-api-key", "sk-0123456789"),
    ],
)
async def test_a_secret_is_injected_where_the_provider_wants_it_and_nowhere_else(
    operator: Operator, origin: Origin, injector: dict[str, str], secret: str, field: str, value: str
):
    await operator.connect(origin.url, secret, injector=injector)
    await operator.grant("agent-7")
    headers = await operator.agent("agent-7") | {"X-Api-Key": "agents-own", "Cookie": "agents=own"}

    await operator.http.get("/v1/proxy/github/user", headers=headers)

    (seen,) = origin.seen
    assert seen.values(field) == [value]
    assert b"agents" not in seen.raw
    assert len([name for name, _ in seen.headers if name.lower() in ("authorization", "x-api-key")]) == 1


async def test_a_query_key_is_the_providers_even_when_the_agent_sends_one(operator: Operator, origin: Origin):
    await operator.connect(origin.url, "sk&=0123456789", injector={"kind": "query", "name": "key"})
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")

    await operator.http.get("/v1/proxy/github/user?a=%41&key=mine&k%65y=mine", headers=agent)

    assert [seen.target for seen in origin.seen] == ["/user?a=%41&key=sk%26%3D0123456789"]


async def test_the_agents_token_stays_here(operator: Operator, origin: Origin, agent: dict[str, str]):
    headers = agent | {"X-Forwarded-For": "1.2.3.4", "traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}

    await operator.http.get("/v1/proxy/github/user", headers=headers)

    assert agent["Authorization"].encode() not in origin.record
    assert b"forwarded" not in origin.record.lower()
    assert b"a1a1" not in origin.record


async def test_a_redirect_is_not_followed_and_its_address_is_clean(
    operator: Operator, origin: Origin, agent: dict[str, str], canary: str
):
    elsewhere = f"{origin.url}/elsewhere?token={quote(canary, safe='')}"
    for status in (301, 302, 303, 307, 308):
        origin.answers(b"", f"{status} Moved", location=elsewhere, refresh=f"0; url={elsewhere}")
        response = await operator.http.get("/v1/proxy/github/user", headers=agent)

        assert response.status_code == status
        assert response.headers["location"] == f"{origin.url}/elsewhere?token= [***]"
        assert response.headers["refresh"] == f"0; url={origin.url}/elsewhere?token= [***]"
    assert {seen.target for seen in origin.seen} == {"/v3/user"}


async def test_an_upstreams_cookies_are_kept_by_nobody(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    origin.answers(set_cookie="sid=1; Path=/", connection="x-hop", x_hop="1")

    first = await operator.http.get("/v1/proxy/github/user", headers=agent)
    await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert "set-cookie" not in first.headers
    assert "x-hop" not in first.headers
    assert b"sid=1" not in origin.record


async def test_an_upstream_cannot_speak_as_the_gateway(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    problem = b'{"code": "grant-missing"}'
    origin.answers(
        problem, "403 No", content_type="application/problem+json", x_mesh_gateway_error="grant_missing"
    )

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert (response.status_code, response.content) == (403, problem)
    assert "x-mesh-gateway-error" not in response.headers


async def test_an_upstream_cannot_begin_a_field_within_a_field(
    exchange: Exchange, origin: Origin, agent: dict[str, str]
):
    for ending in (b"\r", b"\n", b"\r\r\n"):
        said = b"HTTP/1.1 200 OK\r\nx-odd: a" + ending + b"Set-Cookie: sid=1\r\ncontent-length: 2\r\n\r\nok"
        origin.says = lambda _, said=said: [said]
        answer = await exchange("GET /v1/proxy/github/user", agent)

        assert answer.status in (200, 502)
        assert b"set-cookie" not in answer.raw.lower(), ending


async def test_an_answer_has_one_date(exchange: Exchange, origin: Origin, agent: dict[str, str]):
    origin.answers(date="Thu, 01 Jan 1970 00:00:00 GMT")

    answer = await exchange("GET /v1/proxy/github/user", agent)

    assert len(answer.headers.get_list("date")) == 1


async def test_an_answer_that_is_here_already_says_how_long_it_is_without_the_secret(
    exchange: Exchange, origin: Origin, agent: dict[str, str], canary: str
):
    for said, passed in ((b"", b""), (b"plain", b"plain"), (canary.encode(), b" [***] ")):
        origin.answers(said)
        answer = await exchange("GET /v1/proxy/github/user", agent)

        assert answer.headers.get_list("content-length") == [str(len(passed))]
        assert "transfer-encoding" not in answer.headers
        assert (answer.body, answer.is_whole) == (passed, True)


async def test_an_answer_that_has_no_body_says_no_length(
    exchange: Exchange, origin: Origin, agent: dict[str, str]
):
    for method, status in (("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")):
        origin.says = lambda _, status=status: [f"HTTP/1.1 {status}\r\netag: 1\r\n\r\n".encode()]
        answer = await exchange(f"{method} /v1/proxy/github/user", agent)

        assert (answer.status, answer.headers["etag"]) == (int(status[:3]), "1")
        assert "content-length" not in answer.headers


async def test_a_bug_of_the_gateway_is_marked_as_its_own(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    async with operator.app.state.platform.database.write() as session:
        await session.execute(text("ALTER TABLE connections RENAME TO lost"))

    response = await operator.get("/v1/connections")

    assert (response.status_code, response.json()["code"]) == (500, "internal-error")
    assert response.headers["x-mesh-gateway-error"] == "internal_error"


async def test_an_encoded_answer_is_not_passed_on(
    operator: Operator, origin: Origin, agent: dict[str, str], canary: str
):
    for encoding in ("gzip", "br", "zstd", "deflate, gzip", "x-unknown"):
        origin.answers(canary.encode(), content_encoding=encoding)
        response = await operator.http.get("/v1/proxy/github/user", headers=agent)

        assert (response.status_code, response.json()["code"]) == (502, "upstream-encoding")
        assert response.headers["x-mesh-gateway-error"] == "upstream_encoding"
    assert origin.seen[0].values("accept-encoding") == ["identity"]


AMBIGUOUS = [
    "/v1/proxy/github/a%2fb",
    "/v1/proxy/github/%2e%2e/admin",
    "/v1/proxy/github/../admin",
    "/v1/proxy/github/a%5cb",
    "/v1/proxy/github/a\\b",
    "/v1/proxy/github/%252e%252e/admin",
    "/v1/proxy/github/a%00b",
    "/v1/proxy/github/a%0dX-Evil:%20y",
    "/v1/proxy/github/..;/admin",
    "/v1/proxy/github//evil.example",
    "/v1/proxy/git%68ub/user",
    "/v1/%70roxy/github/user",
    "/v1/proxy/github/%c0%ae%c0%ae/admin",
]


async def test_an_ambiguous_address_is_refused_before_anything_is_looked_up(
    operator: Operator, exchange: Exchange, origin: Origin, agent: dict[str, str]
):
    for raw in AMBIGUOUS:
        response = await exchange(f"GET {raw}", agent)

        assert response.status == 400, raw
        assert response.headers["x-mesh-gateway-error"] in ("path_refused", "malformed_request")
    assert origin.seen == []
    assert (await operator.get("/v1/audit", agent="agent-7")).json()["items"] == []


SPELLINGS = [
    ("/v1/proxy/github", "/v3/"),
    ("/v1/proxy/github/", "/v3/"),
    ("/v1/proxy/github/%61%7Eb/c%c3%a9", "/v3/a~b/c%C3%A9"),
    ("/v1/proxy/github/a?x=%41;b=/../&y", "/v3/a?x=%41;b=/../&y"),
    ("/v1/proxy/github/a%20b?", "/v3/a%20b"),
    ("http://evil.example/v1/proxy/github/a", "/v3/a"),
]


async def test_the_bytes_that_are_checked_are_the_bytes_that_are_sent(
    operator: Operator, exchange: Exchange, origin: Origin, agent: dict[str, str]
):
    for raw, target in SPELLINGS:
        response = await exchange(f"GET {raw}", agent)

        assert response.status == 200
        assert origin.seen[-1].target == target
    intents = [
        e for e in (await operator.get("/v1/audit", agent="agent-7")).json()["items"] if not e["intent"]
    ]
    sent = [seen.target.partition("?")[0] for seen in reversed(origin.seen)]
    assert [f"/v3{intent['path']}" for intent in intents] == sent


async def test_a_body_without_a_declared_length_passes_piece_by_piece(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 1000

    await operator.http.post("/v1/proxy/github/things", content=pieces(), headers=agent)

    (seen,) = origin.seen
    assert (seen.body, seen.values("transfer-encoding")) == (b"x" * 5000, ["chunked"])


async def test_a_body_that_is_too_large_is_refused(
    operator: Operator, origin: Origin, agent: dict[str, str], exchange: Exchange
):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    declared = await exchange("POST /v1/proxy/github/things", agent | {"Content-Length": "100001"})
    streamed = await operator.http.post("/v1/proxy/github/things", content=pieces(), headers=agent)

    assert declared.status == streamed.status_code == 413
    assert declared.headers["x-mesh-gateway-error"] == "body_too_large"
    assert streamed.headers["x-mesh-gateway-error"] == "body_too_large"
    assert streamed.json()["limit_bytes"] == 100_000
    assert len(origin.seen) == 0
