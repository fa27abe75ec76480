"""Every slot of a call filled with what attackers fill slots with: the origin is the provider's, always."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from conftest import Exchange, Operator, Origin

# What makes a naive join of origin and path go elsewhere.
ELSEWHERE = [
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "/%5cevil.example",
    "/%2f%2fevil.example",
    "/@evil.example",
    "/.evil.example",
    "/:80@evil.example",
    "/https://evil.example",
    "/https:%2f%2fevil.example",
    "/?https://evil.example",
    "/..//evil.example",
    "/%2e%2e/%2e%2e/evil.example",
    "/%09/evil.example",
    "/%0d%0aHost:%20evil.example",
    "/%E5%98%8A%E5%98%8DHost:%20evil.example",
    "/;@evil.example",
    "/x%23@evil.example",
    "/x#@evil.example",
]
BREAKING = ["\r\n", "%0d%0a", "%0a", "%0d", "\\r\\n", "%E5%98%8D%E5%98%8A", "%c4%8d%c4%8a", "\u560d\u560a"]


@pytest.fixture
def operator(operator_live: Operator) -> Operator:
    return operator_live


async def test_no_path_leaves_the_providers_origin_and_base(
    exchange: Exchange, origin: Origin, agent: dict[str, str]
):
    host = origin.url.removeprefix("http://")
    for tail in ELSEWHERE:
        answer = await exchange(f"GET /v1/proxy/github{tail}", agent)

        assert answer.status in (200, 400, 404), tail
    assert origin.seen
    for seen in origin.seen:
        assert seen.values("host") == [host]
        assert seen.target.startswith("/v3/")
        assert "\\" not in seen.target
        assert ".." not in seen.target.partition("?")[0]


async def test_no_connection_is_named_by_more_than_its_name(
    exchange: Exchange, origin: Origin, agent: dict[str, str]
):
    for name in (
        "..",
        ".",
        "github%00",
        "github%20",
        "GITHUB",
        "github;x",
        "github%0a",
        "*",
        "github/..",
        "%67ithub",
    ):
        answer = await exchange(f"GET /v1/proxy/{name}/user", agent)

        assert 400 <= answer.status < 500, name
    assert origin.seen == []


async def test_no_line_break_in_any_slot_begins_a_field(
    operator: Operator, exchange: Exchange, origin: Origin, agent: dict[str, str]
):
    for breaking in BREAKING:
        smuggled = f"a{breaking}X-Smuggled: yes"
        await exchange(f"GET /v1/proxy/github/{quote(smuggled, safe='%')}", agent)
        await exchange(f"GET /v1/proxy/github/user?q={quote(smuggled, safe='%')}", agent)
        for path, headers in (
            ("/user", {"Accept": smuggled}),
            (f"/user?q={smuggled}", {}),
            (f"/{smuggled}", {}),
        ):
            asked = {"connection": "github", "method": "GET", "path": path, "headers": headers}
            await operator.http.post("/v1/secure-operations", json=asked, headers=agent)

    assert origin.seen
    for seen in origin.seen:
        assert seen.values("x-smuggled") == []
        assert {name.lower() for name, _ in seen.headers} <= {
            "host",
            "authorization",
            "accept",
            "accept-encoding",
        }


async def test_no_text_of_a_caller_is_repeated_in_a_refusal(
    operator: Operator, exchange: Exchange, agent: dict[str, str]
):
    marker = "zq9-marker"
    slots: list[tuple[str, dict[str, Any]]] = [
        ("/v1/providers", {"name": marker.upper(), "origin": marker, "injector": {"kind": marker}}),
        ("/v1/connections", {"name": "n", "provider": "p", "secret": f"{marker} blank"}),
        ("/v1/grants", {"subject": f" {marker}", "connection": "c", "methods": [marker], "paths": [marker]}),
        ("/v1/api-keys", {"subject": f" {marker}", "scopes": [marker]}),
        ("/v1/secure-operations", {"connection": "c", "method": marker, "path": marker}),
    ]
    for path, body in slots:
        refused = await operator.post(path, body)

        assert refused.status_code == 422, path
        assert marker not in refused.text.lower(), path
    wild = await exchange(f"GET /v1/proxy/github/%2f?{marker}=1", agent)
    assert (wild.status, marker.encode() in wild.body) == (400, False)


async def test_an_agent_that_knows_the_field_of_the_credential_cannot_set_it(
    operator: Operator, origin: Origin, canary: str
):
    injectors = [
        {"kind": "header", "name": "X-Api-Version"},
        {"kind": "header", "name": "If-Match"},
        {"kind": "header", "name": "Accept"},
    ]
    for n, injector in enumerate(injectors):
        await operator.connect(origin.url, name=f"c{n}", injector=injector)
        await operator.grant("agent-7", connection=f"c{n}")
        headers = await operator.agent("agent-7") | {injector["name"]: "mine"}
        await operator.http.get(f"/v1/proxy/c{n}/user", headers=headers)

        assert origin.seen[-1].values(injector["name"].lower()) == [canary]


async def test_what_could_read_an_echo_in_pieces_does_not_go_out(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    headers = agent | {"Range": "bytes=0-3", "If-Range": '"1"', "Request-Range": "bytes=0-3"}

    await operator.http.get("/v1/proxy/github/user", headers=headers)

    assert b"bytes=" not in origin.record
    assert b"range" not in origin.record.lower()


async def test_what_an_agent_has_already_is_for_the_upstream_to_say(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    origin.says = lambda _: [b'HTTP/1.1 304 Not Modified\r\netag: "1"\r\n\r\n']

    answer = await operator.http.get("/v1/proxy/github/user", headers=agent | {"If-None-Match": '"1"'})

    assert (answer.status_code, answer.headers["etag"]) == (304, '"1"')
    assert origin.seen[0].values("if-none-match") == ['"1"']
