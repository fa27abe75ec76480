"""A byte search for secrets over everything that the gateway ever says, writes, tells or keeps."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mesh_security_gateway.domain.redaction import spellings
from redis.asyncio import Redis

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Answer, Exchange, Operator, Origin, Program, Seen

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Traces:
    """A collector of traces: keeps every byte that is exported to it."""

    url: str = ""
    received: bytearray = field(default_factory=bytearray)

    async def come(self) -> None:
        """Returns when some did, which is every few seconds."""
        async with asyncio.timeout(60):
            while len(self.received) < 1000:
                await asyncio.sleep(0.05)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.received += head + await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def traces() -> AsyncIterator[Traces]:
    traces = Traces()
    server = await asyncio.start_server(traces.serve, "127.0.0.1", 0)
    traces.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/traces"
    yield traces
    server.close()


@dataclass
class Ears:
    """Hears all answers of the gateway, head and body, and what it tells over Redis."""

    heard: dict[str, bytearray] = field(default_factory=dict[str, bytearray])

    def hear(self, where: str, data: bytes) -> None:
        self.heard.setdefault(where, bytearray()).extend(data)

    async def on_response(self, response: httpx.Response) -> None:
        fields = b"".join(name + b": " + value + b"\r\n" for name, value in response.headers.raw)
        await response.aread()
        where = f"{response.request.method} {response.request.url.path}"
        self.hear(where, fields + response.content)

    async def listen(self, redis_url: str) -> None:
        async with Redis.from_url(redis_url) as redis, redis.pubsub() as channel:
            await channel.psubscribe("mesh.events.*")
            while True:
                message = await channel.get_message(timeout=1)
                self.hear("redis", repr(message).encode())


def echo(seen: Seen) -> list[bytes]:
    """Says back everything that came, as headers and as body, in pieces."""
    request = f"{seen.method} {seen.target} {seen.headers}".encode()
    fields = b"".join(f"x-echo-{n}: {v}\r\n".encode() for n, (_, v) in enumerate(seen.headers))
    location = b"location: https://elsewhere.example" + seen.target.encode() + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + fields + location + b"\r\n"
    pieces = [request[n : n + 7] for n in range(0, len(request), 7)]
    return [head, *(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


def broken(seen: Seen) -> list[bytes]:
    return [HEAD, b"ff\r\n" + str(seen.headers).encode()[:40], b""]


def nonsense(seen: Seen) -> list[bytes]:
    return [b"HTTP/9 what " + str(seen.headers).encode() + b"\r\n\r\n", b""]


def encoded(seen: Seen) -> list[bytes]:
    return [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc"]


def refusing(seen: Seen) -> list[bytes]:
    body = str(seen.headers).encode()
    challenge = b"www-authenticate: Bearer error=" + seen.headers[-1][1].encode()
    return [b"HTTP/1.1 401 No\r\n%s\r\ncontent-length: %d\r\n\r\n%s" % (challenge, len(body), body)]


ANSWERS = (echo, broken, nonsense, encoded, refusing)
CONNECTIONS: dict[str, dict[str, str]] = {
    "bearer": {"kind": "bearer"},
    "basic": {"kind": "basic"},
    "header": {"kind": "header", "name": "X-Api-Key"},
    "query": {"kind": "query", "name": "key"},
    "cookie": {"kind": "cookie", "name": "sid"},
}


@dataclass
class User:
    """An agent that tries every way to use a connection, against every kind of answer."""

    operator: Operator
    origin: Origin
    exchange_with: Exchange
    ears: Ears
    headers: dict[str, str]

    async def use(self, name: str) -> None:
        asked = {"connection": name, "method": "GET", "path": "/user?q=1"}
        for answer in ANSWERS:
            self.origin.says = answer
            await self._post("/v1/secure-operations", asked)
            await self._post("/actions/SECURE_OPERATION", {"parameters": asked})
            start = f"POST /v1/proxy/{name}/user?q=1"
            length = {"Content-Length": "4"}
            base_url = self.operator.http.base_url
            raw = (await self.exchange_with(base_url, start, self.headers | length, b"body")).raw
            self.ears.hear("proxy", raw)

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        await self.operator.http.post(path, json=body, headers=self.headers)


async def wire_up(operator: Operator, origin: Origin, name: str, canary: str) -> None:
    await operator.connect(origin.url, canary, name=name, injector=CONNECTIONS[name])
    await operator.grant("agent-7", connection=name)


async def mistakes(operator: Operator, canary: str) -> None:
    """What an operator gets wrong, with the secret in hand."""
    good = {"name": "bearer", "provider": "bearer", "secret": canary}
    wrong: list[dict[str, Any]] = [
        {"name": "bearer", "secret": canary},
        good | {"secret": canary + "\n"},
        good | {"secret": [canary]},
        good | {"surprise": canary},
        good | {"name": canary},
        good | {"provider": "nowhere"},
        good | {"secret": canary[:-1] + "\0"},
    ]
    for body in wrong:
        await operator.post("/v1/connections", body)
    await operator.post("/v1/connections/nowhere/rotate", {"secret": canary})
    admin = await operator.admin()
    for content in (f'{{"secret": "{canary}', f'"{canary}"', canary):
        headers = admin | {"Content-Type": "application/json"}
        await operator.http.post("/v1/connections", content=content, headers=headers)
    await operator.http.post("/v1/connections", data=good, headers=admin)


async def read_everything(operator: Operator) -> None:
    for path in ("/v1/providers", "/v1/connections", "/v1/grants", "/v1/api-keys", "/v1/audit", "/v1/events"):
        assert (await operator.get(path, limit=100)).status_code == 200
    await operator.http.get("/metrics")
    await operator.http.get("/openapi.json")


async def live(user: User, canaries: dict[str, str], rotated: dict[str, str]) -> None:
    """The life of some connections: made, used, got wrong, rotated, used, looked at."""
    for name, canary in canaries.items():
        await wire_up(user.operator, user.origin, name, canary)
        await user.use(name)
        await mistakes(user.operator, canary)
        await user.operator.post(f"/v1/connections/{name}/rotate", {"secret": rotated[name]})
        await user.use(name)
    await read_everything(user.operator)


def files(folder: Path) -> dict[str, bytes]:
    """Databases, their logs, keys: every file by its name."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_no_secret_is_anywhere_but_at_its_upstream(
    program: Program, origin: Origin, traces: Traces, redis_url: str, exchange_with: Exchange
):
    canaries = {name: f"sk-{secrets.token_urlsafe(24)}" for name in CONNECTIONS}
    canaries["basic"] = f"robot-{secrets.token_hex(4)}:{canaries['basic']}"
    rotated = {name: f"{secret}-rotated" for name, secret in canaries.items()}
    ears = Ears()
    program.environment |= {"MESH_OTLP_ENDPOINT": traces.url, "MESH_LOG_LEVEL": "DEBUG"}
    listening = asyncio.create_task(ears.listen(redis_url))
    operator = await program.start()
    agent = await operator.agent("agent-7", "gateway:proxy", "actions:invoke")
    operator.http.event_hooks["response"].append(ears.on_response)

    await live(User(operator, origin, exchange_with, ears, agent), canaries, rotated)
    sessions = (agent, await operator.admin())
    tokens = [headers["Authorization"].removeprefix("Bearer ") for headers in sessions]
    at_work = files(program.state_dir)
    await traces.come()
    program.stop()
    listening.cancel()
    at_rest = {f"{name} at rest": data for name, data in files(program.state_dir).items()}
    kept: dict[str, bytes | bytearray] = {**at_work, **at_rest, **ears.heard}
    kept |= {"log": program.log.read_bytes(), "traces": bytes(traces.received)}

    def places(text: bytes) -> list[str]:
        return [place for place, data in kept.items() if text in data]

    for place in ("redis", "log", "traces", "proxy", "POST /v1/secure-operations", "GET /v1/audit"):
        assert len(kept[place]) > 1000, place
    for secret in (*canaries.values(), *rotated.values()):
        assert any(spelling in origin.record for spelling in spellings(secret)), "it was used"
        assert [place for spelling in spellings(secret) for place in places(spelling)] == []
    admin_key = str(program.state_dir / "admin.key")
    assert places(operator.admin_key.encode()) == [admin_key, f"{admin_key} at rest"]
    assert {place for token in tokens for place in places(token.encode())} <= {"POST /v1/sessions"}


async def test_what_is_made_or_fetched_with_a_secret_is_nowhere_but_at_its_upstream(
    program: Program, origin: Origin, traces: Traces, redis_url: str
):
    token, key = (f"sk-{secrets.token_urlsafe(24)}" for _ in range(2))
    kinds = {
        "hmac": {"kind": "hmac", "template": "{target}", "signature_header": "X-Sig", "key_header": "X-Id"},
        "aws": {"kind": "aws-sigv4", "region": "eu-west-1", "service": "s3"},
        "oauth": {"kind": "client-credentials", "token_url": f"{origin.url}/token"},
        "jwt": {"kind": "jwt", "algorithm": "RS256", "issuer": "mesh", "audience": "upstream"},
        "app": {"kind": "github-app", "app_id": "1", "installation_id": "2"},
    }
    pem = private_key()
    private = pem.split("\n")[1:-2]
    ears = Ears()
    program.environment |= {"MESH_OTLP_ENDPOINT": traces.url, "MESH_LOG_LEVEL": "DEBUG"}
    listening = asyncio.create_task(ears.listen(redis_url))
    operator = await program.start()
    agent = await operator.agent("agent-7")
    operator.http.event_hooks["response"].append(ears.on_response)

    for name, injector in kinds.items():
        secret = pem if name in ("jwt", "app") else f"id:{key}"
        await operator.connect(origin.url, secret, name=name, injector=injector)
        await operate(operator, origin, agent, name, token)
    await read_everything(operator)
    kept: dict[str, bytes | bytearray] = {**files(program.state_dir), **ears.heard}
    await traces.come()
    program.stop()
    listening.cancel()
    kept |= {"log": program.log.read_bytes(), "traces": bytes(traces.received)}

    made = made_with_keys(origin)
    assert {f"Bearer {token}", f"Bearer {token}-app"} <= {*authorizations(origin)}
    assert min(len(kept["traces"]), len(kept["log"]), len(kept["redis"])) > 1000
    for secret in (token, f"{token}-app", key, *private, *made):
        assert [place for place, data in kept.items() for s in spellings(secret) if s in data] == []


def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def authorizations(origin: Origin) -> list[str]:
    return [value for seen in origin.seen for value in seen.values("authorization")]


def made_with_keys(origin: Origin) -> set[str]:
    """Signatures and JWTs that the upstream was shown."""
    shown = authorizations(origin)
    signed = [value for value in shown if "AWS4" in value]
    minted = {value.removeprefix("Bearer ") for value in shown if " eyJ" in value}
    assert len(signed) == len(ANSWERS)
    assert len(minted) > len(ANSWERS)  # one for each call, and those that ask for the app's token
    made = minted | {text.rpartition(".")[2] for text in minted}
    made |= {value.rpartition("Signature=")[2] for value in signed}
    return made | {value for seen in origin.seen for value in seen.values("x-sig")}


async def operate(operator: Operator, origin: Origin, agent: dict[str, str], name: str, token: str) -> None:
    """One secure operation for each kind of answer."""
    await operator.grant("agent-7", connection=name)
    for answer in ANSWERS:
        origin.says = partial(issuing, token, answer)
        asked = {"connection": name, "method": "GET", "path": "/user"}
        await operator.http.post("/v1/secure-operations", json=asked, headers=agent)


def issuing(token: str, answer: Answer, seen: Seen) -> list[bytes]:
    """`answer`, and at its token endpoint a token."""
    if seen.target == "/token":
        return seen.answer(f'{{"access_token": "{token}", "expires_in": 3600}}'.encode())
    if seen.target.endswith("/access_tokens"):
        said = f'{{"token": "{token}-app", "expires_at": "2099-01-01T00:00:00Z"}}'
        return seen.answer(said.encode(), "201 Created")
    return answer(seen)
