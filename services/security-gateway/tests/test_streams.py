"""Answers that take their time, and answers that break."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import ssl
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from mesh_cli import parts

if TYPE_CHECKING:
    from conftest import Exchange, MakeApp, Operator, Origin

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def operator(operator_live: Operator) -> Operator:
    return operator_live


@pytest.fixture
async def agent(operator: Operator, origin: Origin) -> dict[str, str]:
    await operator.connect(origin.url)
    await operator.grant("agent-7")
    return await operator.agent("agent-7")


async def outcome(operator: Operator) -> dict[str, Any]:
    """The newest outcome on record, once there is one."""
    async with asyncio.timeout(60):
        while True:
            for entry in (await operator.get("/v1/audit", agent="agent-7")).json()["items"]:
                if entry["phase"] == "outcome":
                    return entry
            await asyncio.sleep(0.02)


async def test_events_flow_while_the_upstream_is_still_talking(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    origin.hold = asyncio.Event()
    origin.streams(b"data: one\n\n", b"data: two\n\n")
    url = "/v1/proxy/github/events"

    async with operator.http.stream("GET", url, headers=agent) as response, asyncio.timeout(60):
        pieces = response.aiter_raw()
        first = await anext(pieces)
        while b"two" not in first:
            first += await anext(pieces)
        origin.hold.set()
        rest = b"".join([piece async for piece in pieces])

    assert (first, rest) == (b"data: one\n\ndata: two\n\n", b"")


async def test_a_secret_is_found_at_every_chunk_border(
    operator: Operator, origin: Origin, agent: dict[str, str], canary: str
):
    echo = f"data: {canary}\n\n".encode()
    for border in range(1, len(echo)):
        origin.streams(echo[:border], echo[border:])
        response = await operator.http.get("/v1/proxy/github/events", headers=agent)

        assert response.content == b"data:  [***] \n\n"


async def test_a_secret_is_found_when_it_comes_byte_by_byte(
    operator: Operator, origin: Origin, agent: dict[str, str], canary: str
):
    origin.streams(*(bytes([byte]) for byte in f"<{canary}|{canary[::-1]}>".encode()))

    response = await operator.http.get("/v1/proxy/github/events", headers=agent)

    assert response.content == b"< [***] | [***] >"


async def test_an_answer_that_breaks_is_never_ended_as_if_it_were_whole(
    operator: Operator, origin: Origin, agent: dict[str, str], exchange: Exchange
):
    origin.streams(b"half an answ", to_the_end=False)

    answer = await exchange("GET /v1/proxy/github/user", agent)

    assert answer.status == 200
    assert b"half an answ" in answer.body
    assert not answer.is_whole
    assert (await outcome(operator))["code"] == "upstream-broken"


async def test_an_answer_shorter_than_it_said_is_broken_too(
    operator: Operator, origin: Origin, agent: dict[str, str], exchange: Exchange
):
    origin.says = lambda _: [b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", b""]

    answer = await exchange("GET /v1/proxy/github/user", agent)

    assert not answer.is_whole
    assert (await outcome(operator))["code"] == "upstream-broken"


async def test_an_answer_without_end_is_cut_off(
    operator: Operator, origin: Origin, agent: dict[str, str], exchange: Exchange
):
    origin.streams(*[b"x" * 100_000] * 11)

    answer = await exchange("GET /v1/proxy/github/user", agent)

    assert not answer.is_whole
    entry = await outcome(operator)
    assert (entry["code"], entry["status"]) == ("upstream-too-large", 200)
    assert entry["bytes"] > 1_000_000


async def test_an_upstream_that_does_not_begin_is_given_up(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    origin.hold = asyncio.Event()

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert (response.status_code, response.json()["code"]) == (504, "upstream-timeout")
    assert response.headers["x-mesh-gateway-error"] == "upstream_timeout"
    assert (await outcome(operator))["code"] == "upstream-timeout"


async def test_an_upstream_that_falls_silent_is_given_up(
    operator: Operator, origin: Origin, agent: dict[str, str], exchange: Exchange
):
    origin.hold = asyncio.Event()
    origin.says = lambda _: [HEAD, b"4\r\nhalf\r\n", b"0\r\n\r\n"]

    answer = await exchange("GET /v1/proxy/github/user", agent)

    assert not answer.is_whole
    assert (await outcome(operator))["code"] == "upstream-timeout"


async def test_a_caller_that_leaves_takes_the_upstreams_answer_with_it(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    origin.says = lambda _: [HEAD, *[b"6\r\ndata\n\n\r\n"] * 100_000]
    url = "/v1/proxy/github/events"

    async with operator.http.stream("GET", url, headers=agent) as response:
        await anext(response.aiter_raw())

    entry = await outcome(operator)
    assert (entry["code"], entry["status"]) == ("interrupted", 200)
    async with asyncio.timeout(60):
        await origin.left.wait()


async def test_a_caller_that_leaves_within_its_question_is_on_record_as_such(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    _, writer = await asyncio.open_connection("127.0.0.1", operator.http.base_url.port)
    fields = "".join(f"{name}: {value}\r\n" for name, value in agent.items())
    head = f"POST /v1/proxy/github/things HTTP/1.1\r\nhost: g\r\ncontent-length: 1000\r\n{fields}\r\n"
    writer.write(head.encode() + b"x" * 100)
    async with asyncio.timeout(60):
        while origin.connections == 0:
            await asyncio.sleep(0.01)
    writer.close()

    entry = await outcome(operator)

    assert (entry["code"], entry["status"]) == ("interrupted", None)
    assert origin.seen == []


async def test_a_caller_that_falls_silent_within_its_question_is_given_up(
    operator: Operator, origin: Origin, agent: dict[str, str], exchange: Exchange
):
    answer = await exchange("POST /v1/proxy/github/things", agent | {"Content-Length": "1000"}, b"x" * 100)

    assert answer.status == 408
    assert answer.headers["x-mesh-gateway-error"] == "upload_timeout"
    assert (await outcome(operator))["code"] == "upload-timeout"
    assert origin.seen == []


async def test_a_gateway_that_stops_ends_no_answer_as_if_it_were_whole(
    make_app: MakeApp,
    operate_live: Callable[..., Any],
    exchange_with: Exchange,
    origin: Origin,
    state_dir: Path,
):
    origin.hold = asyncio.Event()
    origin.says = lambda _: [HEAD, b"4\r\nhalf\r\n", b"0\r\n\r\n"]
    async with operate_live(make_app()) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7")
        agent = await operator.agent("agent-7")
        asking = asyncio.create_task(exchange_with(operator.http.base_url, "GET /v1/proxy/github/x", agent))
        async with asyncio.timeout(60):
            while not origin.seen:
                await asyncio.sleep(0.01)
    answer = await asking
    with closing(sqlite3.connect(state_dir / "security-gateway.db")) as database:
        ((body,),) = database.execute("SELECT body FROM audit_entries ORDER BY sequence DESC LIMIT 1")

    assert not answer.is_whole
    newest = json.loads(body)
    assert (newest["phase"], newest["agent"], newest["code"]) == ("outcome", "agent-7", "interrupted")


async def test_a_status_that_ends_no_exchange_is_not_passed_on(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    for status in ("101 Switching Protocols", "600 Odd", "999 Denied"):
        origin.answers(b"", status, connection="upgrade", upgrade="x")
        response = await operator.http.get("/v1/proxy/github/user", headers=agent)

        assert (response.status_code, response.json()["code"]) == (502, "upstream-status"), status
    assert (await outcome(operator))["code"] == "upstream-status"


async def test_an_interim_answer_stays_here(operator: Operator, origin: Origin, agent: dict[str, str]):
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    origin.says = lambda _: [early, _whole(b"late")]

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert (response.status_code, response.content) == (200, b"late")
    assert "link" not in response.headers


async def test_a_trailer_stays_here(operator: Operator, origin: Origin, agent: dict[str, str], canary: str):
    ending = f"0\r\nx-echo: {canary}\r\n\r\n".encode()
    origin.says = lambda _: [HEAD, b"4\r\nbody\r\n", ending]

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert response.content == b"body"
    assert "x-echo" not in response.headers


async def test_an_answer_may_come_before_the_question_is_out(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    async def pieces():
        for _ in range(3):
            yield b"x" * 10_000

    origin.answers(b"enough", "413 Enough")
    response = await operator.http.post("/v1/proxy/github/things", content=pieces(), headers=agent)

    assert (response.status_code, response.content) == (413, b"enough")
    assert "x-mesh-gateway-error" not in response.headers


NONSENSE = [
    b"garbage\r\n\r\n",
    b"HTTP/1.1 abc\r\n\r\n",
    b"",
    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
]


async def test_an_upstream_that_speaks_no_http_is_a_failure_with_a_fixed_text(
    operator: Operator, origin: Origin, agent: dict[str, str], canary: str
):
    for nonsense in NONSENSE:
        said = nonsense + canary.encode() if nonsense else b""
        origin.says = lambda _, said=said: [said, b""]
        response = await operator.http.get("/v1/proxy/github/user", headers=agent)

        assert (response.status_code, response.json()["code"]) == (502, "upstream-unreachable"), nonsense
        assert response.json()["detail"] == "The upstream does not answer."
        assert canary not in response.text


async def test_an_upstream_that_is_not_there_is_a_failure(operator: Operator):
    await operator.connect(f"http://127.0.0.1:{parts.free_port()}")
    await operator.grant("agent-7")

    response = await operator.http.get("/v1/proxy/github/user", headers=await operator.agent("agent-7"))

    assert (response.status_code, response.json()["code"]) == (502, "upstream-unreachable")


async def test_a_name_that_does_not_resolve_is_a_failure(operator: Operator):
    await operator.connect("https://nowhere.invalid")
    await operator.grant("agent-7")

    response = await operator.http.get("/v1/proxy/github/user", headers=await operator.agent("agent-7"))

    assert (response.status_code, response.json()["code"]) == (502, "upstream-unreachable")


async def test_a_certificate_that_nobody_vouches_for_gets_no_secret(
    operator: Operator, origin: Origin, tmp_path: Path, canary: str
):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_self_signed(tmp_path))
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    await operator.connect(f"https://localhost:{port}")
    await operator.grant("agent-7")

    response = await operator.http.get("/v1/proxy/github/user", headers=await operator.agent("agent-7"))
    server.close()

    assert (response.status_code, response.json()["code"]) == (502, "upstream-tls")
    assert response.headers["x-mesh-gateway-error"] == "upstream_tls"
    assert origin.seen == []


async def test_tls_is_never_left_out(operator: Operator, canary: str):
    heard = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(10_000))
        writer.write(b"HTTP/1.1 400 Speak plainly\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    await operator.connect(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await operator.grant("agent-7")

    response = await operator.http.get("/v1/proxy/github/user", headers=await operator.agent("agent-7"))
    server.close()

    assert (response.status_code, response.json()["code"]) == (502, "upstream-tls")
    assert heard
    assert canary.encode() not in heard


async def test_two_agents_at_one_upstream_get_their_own_answers(
    operator: Operator, origin: Origin, agent: dict[str, str]
):
    await operator.connect(origin.url, "sk-of-the-second", name="second")
    await operator.grant("other", connection="second")
    other = await operator.agent("other")
    origin.says = lambda seen: [_whole(seen.target.encode())]

    async def ask(connection: str, headers: dict[str, str], n: int) -> httpx.Response:
        return await operator.http.get(f"/v1/proxy/{connection}/{connection}-{n}", headers=headers)

    asked = [(c, h, n) for n in range(10) for c, h in (("github", agent), ("second", other))]
    answers = await asyncio.gather(*(ask(*one) for one in asked))

    assert [a.text for a in answers] == [f"/{c}-{n}" for c, _, n in asked]
    assert len(origin.seen) == 20
    for seen in origin.seen:
        is_second = seen.target.startswith("/second")
        assert ("sk-of-the-second" in str(seen.headers)) is is_second


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _self_signed(folder: Path) -> Path:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
