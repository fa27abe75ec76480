"""What is refused before there is a request is refused as everything else is, and nobody hears of it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mesh_shared import testing

if TYPE_CHECKING:
    from conftest import Operator, Origin, Program

GET, END = b"GET /v1/proxy/github/user HTTP/1.1\r\n", b"Connection: close\r\n\r\n"
POST = b"POST /v1/proxy/github/things HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n"
HOST = b"Host: g\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
KEY = b"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

COMPOSE = Path(__file__).parents[3] / "docker-compose.yml"

HOSTS = {
    "none": b"",
    "two": HOST + b"Host: evil.example\r\n",
    "the same twice": HOST + HOST,
    "in two cases": HOST + b"HOST: evil.example\r\n",
}


@pytest.fixture
async def agent(operator_live: Operator, origin: Origin) -> bytes:
    """The field that authenticates an agent that may do everything with the connection `github`."""
    await operator_live.connect(origin.url)
    await operator_live.grant("agent-7")
    return f"Authorization: {(await operator_live.agent('agent-7'))['Authorization']}\r\n".encode()


async def heard(operator: Operator, *said: bytes) -> bytes:
    """All that comes back on a connection on which this is said, until the gateway hangs up."""
    return await testing.heard(str(operator.http.base_url), *said)


def refusal(raw: bytes) -> tuple[int, str, str]:
    """Status, mark and the document's code of the only answer in `raw`."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().lower().split("\r\n")
    fields: dict[str, Any] = dict(line.split(": ", 1) for line in lines)
    assert fields["content-type"] == "application/problem+json"
    assert int(fields["content-length"]) == len(body)
    document = json.loads(body)
    assert document["status"] == int(first.split()[1])
    return document["status"], fields["x-mesh-gateway-error"], document["code"]


async def test_a_request_has_exactly_one_host(operator_live: Operator, origin: Origin, agent: bytes):
    for name, fields in HOSTS.items():
        for request in (GET + agent + fields + END, GET + agent + fields + UPGRADE + KEY):
            raw = await heard(operator_live, request)

            assert refusal(raw) == (400, "host_unclear", "host-unclear"), name
    old = await heard(operator_live, GET.replace(b"1.1", b"1.0") + agent + b"\r\n")

    assert refusal(old)[0] == 400
    assert origin.seen == []
    assert b"200 OK" in await heard(operator_live, GET + agent + HOST + END)


TOO_MUCH = {
    "a long path": (414, b"GET /v1/proxy/github/" + b"a" * 8000 + b" HTTP/1.1\r\n" + HOST + END),
    "a long query": (414, b"GET /v1/proxy/github/a?" + b"a" * 8000 + b" HTTP/1.1\r\n" + HOST + END),
    "an endless path": (414, b"GET /v1/proxy/github/" + b"a" * 1_000_000),
    "a long field": (431, GET + HOST + b"Accept: " + b"a" * (1 << 16) + b"\r\n" + END),
    "an endless field": (431, GET + HOST + b"Accept: " + b"a" * 1_000_000),
    "an endless name": (431, GET + HOST + b"a" * 1_000_000),
    "many fields": (431, GET + HOST + b"A: b\r\n" * 40_000 + END),
    "fields without end": (431, GET + HOST + b"A: b\r\n" * 100_000),
}


async def test_a_head_has_an_end(operator_live: Operator, origin: Origin):
    """Whoever sends more than a head may have is answered where they still listen, and hung up on always."""
    codes = {414: ("address_too_long", "address-too-long"), 431: ("head_too_large", "head-too-large")}
    for name, (status, request) in TOO_MUCH.items():
        raw = await heard(operator_live, request)

        assert not raw or refusal(raw) == (status, *codes[status]), name
        assert raw or len(request) > 1 << 17, name
    assert origin.seen == []


async def test_what_is_no_http_is_refused_as_everything_else_is(
    operator_live: Operator, origin: Origin, agent: bytes
):
    lengths = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    for said in (b"NONSENSE\r\n\r\n", b"FOO / HTTP/1.1\r\n\r\n", GET + agent + HOST + lengths):
        assert refusal(await heard(operator_live, said)) == (400, "malformed_request", "malformed-request")
    assert origin.seen == []


HANDSHAKES = {
    "a version of nobody": GET + HOST + UPGRADE.replace(b"13", b"12") + KEY,
    "two versions": GET + HOST + b"Sec-WebSocket-Version: 13\r\n" + UPGRADE + KEY,
    "no key": GET + HOST + UPGRADE + b"\r\n\r\n",
    "a short key": GET + HOST + UPGRADE + b"dGhl\r\n\r\n",
    "an absolute address": GET.replace(b"/v1", b"http://g/v1") + HOST + UPGRADE + KEY,
    "a post": POST + UPGRADE + KEY,
    "a body": GET + HOST + b"Content-Length: 5\r\n" + UPGRADE + KEY + b"12345",
    "many fields": GET + HOST + b"A: b\r\n" * 200 + UPGRADE + KEY,
    "a long field": GET + HOST + b"Accept: " + b"a" * 20_000 + b"\r\n" + UPGRADE + KEY,
}


async def test_what_opens_no_websocket_is_refused_and_nobody_waits_for_more_of_it(
    operator_live: Operator, agent: bytes
):
    for name, said in HANDSHAKES.items():
        raw = await heard(operator_live, said)

        assert refusal(raw) == (400, "malformed_request", "malformed-request"), name
    elsewhere = b"GET /v1/connections HTTP/1.1\r\n" + HOST + agent + UPGRADE + KEY

    assert refusal(await heard(operator_live, elsewhere)) == (404, "not_found", "not-found")


@pytest.mark.again
async def test_the_program_takes_connections_so_and_the_health_check_of_compose_all_the_same(
    program: Program,
):
    operator = await program.start()
    assert refusal(await heard(operator, GET + END)) == (400, "host_unclear", "host-unclear")

    (check,) = re.findall(r"test: (\[.*/8374;.*\])", COMPOSE.read_text())
    command = json.loads(check)[-1].replace("$$", "$").replace("8374", program.environment["MESH_PORT"])
    asked = await asyncio.create_subprocess_exec("bash", "-c", command)

    assert await asked.wait() == 0


async def test_no_second_answer_is_put_into_one_that_is_under_way(
    operator_live: Operator, origin: Origin, agent: bytes
):
    origin.hold = asyncio.Event()

    raw = await heard(operator_live, GET + agent + HOST + b"\r\n" + b"NONSENSE\r\n\r\n")

    assert raw == b""


async def test_a_field_after_the_body_is_no_field_of_the_request(
    operator_live: Operator, origin: Origin, agent: bytes
):
    trailers = b"Accept: text/evil\r\nX-Mesh-Lease: odd\r\n"

    raw = await heard(operator_live, POST + agent + END + b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n")

    assert raw.startswith(b"HTTP/1.1 200 OK")
    (seen,) = origin.seen
    assert (seen.body, seen.values("accept")) == (b"abc", [])


async def test_what_is_said_around_a_body_has_an_end_too(
    operator_live: Operator, origin: Origin, agent: bytes
):
    start = POST + agent + END
    for around in (b"3\r\nabc\r\n0\r\nX: " + b"a" * 1_000_000, b"3;" + b"a" * 1_000_000):
        assert b"200 OK" not in await heard(operator_live, start, around)
    assert origin.seen == []


async def test_a_body_may_come_in_any_number_of_pieces(operator_live: Operator, origin: Origin, agent: bytes):
    """What frames the pieces is more than a head may have."""
    pieces = b"1\r\nx\r\n" * 90_000  # more than two reads

    raw = await heard(operator_live, POST + agent + END, pieces, b"0\r\n\r\n")

    assert raw.startswith(b"HTTP/1.1 200 OK")
    assert origin.seen[0].body == b"x" * 90_000
