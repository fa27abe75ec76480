"""The gateway on its real factory, an operator who sets it up, and an upstream that records every byte."""

import asyncio
import os
import secrets
import signal
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from mesh_cli import parts
from mesh_cli.audit import Checkpoint, VerifierKey
from mesh_cli.zygote import Life, Zygote
from mesh_security_gateway.api.refusals import Marked
from mesh_security_gateway.app import create_app
from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.settings import Settings
from mesh_shared.testing import running, served, with_schema

# Characters that every encoder treats differently, around a part that is new for every test.
AWKWARD = "sk/+<a>&'b'?c=d%7Ee\"f\\g-{}-z"

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak no TLS: reading the system's certificates takes longer than a test."""


@dataclass
class Seen:
    """One request as its bytes came over the wire."""

    target: str
    method: str
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def answer(self, body: bytes = b"ok", status: str = "200 OK", **fields: str) -> list[bytes]:
        """A whole answer to it with a length; `_` in a field's name is a hyphen."""
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        return [f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body]


Answer = Callable[[Seen], list[bytes]]


@pytest.fixture
def canary() -> str:
    """A secret that was never anywhere before."""
    return AWKWARD.format(secrets.token_hex(12))


@dataclass
class Origin:
    """An upstream: records what comes and answers what it was told to."""

    url: str = ""
    says: Answer = lambda _: [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]
    seen: list[Seen] = field(default_factory=list[Seen])
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway closed a connection before the answer was out."""
    hold: asyncio.Event | None = None
    """Set by a test that wants the last piece of an answer to wait for it."""

    def answers(self, body: bytes = b"ok", status: str = "200 OK", **fields: str) -> None:
        """From now on, whatever is asked."""
        self.says = lambda seen: seen.answer(body, status, **fields)

    def streams(self, *pieces: bytes, to_the_end: bool = True) -> None:
        """From now on: chunks, each sent by itself; then the end, or a closed connection."""
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        framed = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
        self.says = lambda _: [head, *framed, b"0\r\n\r\n" if to_the_end else b""]

    @property
    def record(self) -> bytes:
        return b"".join(request.raw for request in self.seen)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await self._head(reader):
                self.seen.append(await _request(head, reader))
                pieces = self.says(self.seen[-1])
                if self.seen[-1].method == "HEAD":
                    pieces = [piece.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" for piece in pieces[:1]]
                for place, piece in enumerate(pieces):
                    if self.hold is not None and place == len(pieces) - 1:
                        await self.hold.wait()
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if pieces[-1] == b"":
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""


async def _request(head: bytes, reader: asyncio.StreamReader) -> Seen:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(line.partition(":")[0], line.partition(":")[2].strip()) for line in lines]
    lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
    raw, body = b"", b""
    if lengths:
        raw = body = await reader.readexactly(lengths[0])
    elif any(name.lower() == "transfer-encoding" for name, _ in headers):
        raw, body = await _chunks(reader)
    return Seen(target, method, headers, body, head + raw)


async def _chunks(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    raw, body = b"", b""
    while True:
        line = await reader.readline()
        piece = await reader.readexactly(int(line, 16) + 2)
        raw, body = raw + line + piece, body + piece[:-2]
        if piece == b"\r\n":
            return raw, body


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    origin = Origin()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    origin.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield origin
    if origin.hold is not None:
        origin.hold.set()
    server.close()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


MakeApp = Callable[..., FastAPI]


@pytest.fixture
def make_app(state_dir: Path, redis_url: str) -> MakeApp:
    """Builds the gateway on a database; its state folder is the same for all apps of one test."""

    def make(database_url: str | None = None, **settings: Any) -> FastAPI:
        url = {"database_url": database_url} if database_url else {}
        given = {"state_dir": state_dir, "redis_url": redis_url} | url | settings
        return create_app(with_schema(Settings.model_validate(given)))

    return make


@dataclass
class Operator:
    """Sets the gateway up over its API, with the admin key that it made at first start."""

    http: httpx.AsyncClient
    app: FastAPI
    admin_key: str
    canary: str
    _admin: dict[str, str] | None = None

    async def admin(self) -> dict[str, str]:
        """Headers of the admin's session, opened once."""
        if self._admin is None:
            self._admin = await self.session(self.admin_key)
        return self._admin

    async def session(self, key: str, **body: Any) -> dict[str, str]:
        response = await self.http.post("/v1/sessions", headers={"X-API-Key": key}, json=body)
        assert response.status_code == 201, response.text
        return {"Authorization": f"Bearer {response.json()['token']}"}

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.http.post(path, json=body, headers=await self.admin() | headers)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params, headers=await self.admin())

    async def read(self, path: str, **params: Any) -> dict[str, Any]:
        """What is there, as JSON."""
        answer = await self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def audit_key(self) -> VerifierKey:
        return VerifierKey.parse((await self.read("/v1/audit/key"))["key"])

    async def checkpoint(self) -> Checkpoint:
        """The audit's checkpoint of now, whose signature was verified."""
        return (await self.audit_key()).opened((await self.get("/v1/audit/checkpoint")).text)

    async def delete(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.delete(path, params=params, headers=await self.admin())

    async def agent(self, subject: str, *scopes: str) -> dict[str, str]:
        """Headers of a session for `subject`."""
        body = {"subject": subject, "scopes": list(scopes or ("gateway:proxy",))}
        made = await self.post("/v1/api-keys", body)
        assert made.status_code == 201, made.text
        return await self.session(made.json()["key"])

    async def connect(
        self,
        origin: str,
        secret: str | None = None,
        *,
        name: str = "github",
        injector: dict[str, str] | None = None,
        base_path: str = "",
        allow_private: bool = True,
    ) -> None:
        provider = {
            "name": name,
            "origin": origin,
            "base_path": base_path,
            "injector": injector or {"kind": "bearer"},
            "allow_private": allow_private,
        }
        for path, body in (
            ("/v1/providers", provider),
            ("/v1/connections", {"name": name, "provider": name, "secret": secret or self.canary}),
        ):
            response = await self.post(path, body)
            assert response.status_code == 201, response.text

    async def grant(self, subject: str, *, connection: str = "github", **more: Any) -> dict[str, Any]:
        body = {
            "subject": subject,
            "connection": connection,
            "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            "paths": ["/**"],
        }
        response = await self.post("/v1/grants", body | more)
        assert response.status_code == 201, response.text
        return response.json()


@pytest.fixture
def operate(state_dir: Path, canary: str) -> Callable[[FastAPI], Any]:
    """Runs an app in this process and yields its operator."""

    @asynccontextmanager
    async def operating(app: FastAPI) -> AsyncGenerator[Operator, None]:
        async with running(app) as http:
            yield Operator(http, app, (state_dir / "admin.key").read_text().strip(), canary)

    return operating


@pytest.fixture
async def operator(make_app: MakeApp, operate: Callable[[FastAPI], Any]) -> AsyncIterator[Operator]:
    """The operator of a gateway on SQLite."""
    async with operate(make_app()) as operator:
        yield operator


@pytest.fixture
async def recorded(operator_everywhere: Operator) -> Operator:
    """A gateway whose audit has 700 entries and more, so more than two subtrees that are kept."""
    trail = operator_everywhere.app.state.service.trail
    noted = Happening(phase="change", action="noted", agent="somebody")
    async with trail.database.write() as session:
        await AuditLog(session, trail.head_key).extend([noted] * 700)
    return operator_everywhere


@pytest.fixture
def operate_live(state_dir: Path, canary: str) -> Callable[[FastAPI], Any]:
    """Runs an app behind a real server and yields its operator: in this process addresses would be tidied and
    streams buffered.
    """

    @asynccontextmanager
    async def operating(app: FastAPI) -> AsyncGenerator[Operator, None]:
        async with (
            served(app, with_websockets=True, http=Marked) as url,
            httpx.AsyncClient(base_url=url, verify=PLAIN, timeout=60) as http,
        ):
            yield Operator(http, app, (state_dir / "admin.key").read_text().strip(), canary)

    return operating


@pytest.fixture
async def operator_live(make_app: MakeApp, operate_live: Callable[[FastAPI], Any]) -> AsyncIterator[Operator]:
    """The operator of a gateway behind a real server, with little patience."""
    limits = {"max_proxied_body_bytes": 100_000, "max_proxied_response_bytes": 1_000_000}
    async with operate_live(make_app(upstream_idle_s=1, upload_idle_s=1, **limits)) as operator:
        yield operator


@dataclass
class Program:
    """`python -m mesh_security_gateway` with a state folder of its own, started as often as it dies."""

    zygote: Zygote
    environment: dict[str, str]
    state_dir: Path
    log: Path
    http: httpx.AsyncClient
    running: Life | None = None

    def launch(self) -> Life:
        self.running = self.zygote.start(self.environment, self.log)
        return self.running

    async def start(self) -> Operator:
        self.launch()
        async with asyncio.timeout(60):
            while not await self._is_ready():
                await asyncio.sleep(0.05)
        admin_key = (self.state_dir / "admin.key").read_text().strip()
        return Operator(self.http, FastAPI(), admin_key, canary="")

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        if self.running is not None:
            self.running.send(sig)
            self.running.wait()
            self.running = None

    async def _is_ready(self) -> bool:
        try:
            return (await self.http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
async def program(
    zygote_of: Callable[[str], Zygote], state_dir: Path, redis_url: str
) -> AsyncIterator[Program]:
    """The gateway as an operator runs it; a test starts it."""
    port = parts.free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "MESH_PORT": str(port),
        "MESH_STATE_DIR": str(state_dir),
        "MESH_REDIS_URL": redis_url,
    }
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=PLAIN, timeout=60) as http:
        program = Program(
            zygote_of("mesh_security_gateway"), environment, state_dir, state_dir.parent / "gateway.log", http
        )
        yield program
        program.stop(signal.SIGKILL)


@dataclass
class Wire:
    """One raw exchange with a server: exactly these bytes out, exactly those back."""

    status: int
    headers: httpx.Headers
    body: bytes
    is_whole: bool
    raw: bytes


async def wire(url: str, request: bytes) -> Wire:
    """Sends `request` and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    writer.write(request)
    raw = await reader.read()
    head, _, body = raw.partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = httpx.Headers([(line.partition(": ")[0], line.partition(": ")[2]) for line in lines])
    is_whole = body.endswith(b"0\r\n\r\n") or len(body) == int(headers.get("content-length", -1))
    return Wire(int(first.split()[1]), headers, body, is_whole, raw)


Exchange = Callable[..., Coroutine[Any, Any, Wire]]


@pytest.fixture
def exchange_with() -> Exchange:
    """`await exchange_with(url, "GET /path", headers, body)` over a connection of its own."""

    async def exchanging(url: object, start: str, headers: dict[str, str], body: bytes = b"") -> Wire:
        fields = {"Host": "gateway", "Connection": "close"} | headers
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return await wire(str(url), f"{start} HTTP/1.1\r\n{head}\r\n".encode() + body)

    return exchanging


@pytest.fixture
def exchange(operator_live: Operator, exchange_with: Exchange) -> Exchange:
    """`await exchange("GET /path", headers, body)` with the live gateway."""
    return partial(exchange_with, operator_live.http.base_url)


@pytest.fixture
async def operator_everywhere(
    make_app: MakeApp, operate: Callable[[FastAPI], Any], database_url: str
) -> AsyncIterator[Operator]:
    """The operator of a gateway on SQLite and on PostgreSQL in turn."""
    async with operate(make_app(database_url)) as operator:
        yield operator


@pytest.fixture
async def agent(operator: Operator, origin: Origin) -> dict[str, str]:
    """An agent that may do everything with the connection `github`."""
    await operator.connect(origin.url, base_path="/v3")
    await operator.grant("agent-7")
    return await operator.agent("agent-7")
