"""Where the key-encryption key may be: a file, a passphrase, or an engine that never gives it out.

No binary of OpenBao or Vault can be had where these tests must run. `Engine` speaks the two documented calls
of their transit engine, through the same client library: `POST /v1/{mount}/encrypt/{key}` and `…/decrypt/…`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from mesh_security_gateway.adapters.keks import LocalKek, TransitKek, of_passphrase
from mesh_security_gateway.adapters.vault import decrypt, encrypt
from mesh_security_gateway.errors import KekUnavailable, SecretUnreadable
from mesh_security_gateway.ports import Kek, KeyFileUnfit
from mesh_security_gateway.settings import Settings
from pydantic import ValidationError

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin

TOKEN = "s.token-of-the-engine"
PASSPHRASE = "correct horse battery staple"


class Engine(ThreadingHTTPServer):
    """A transit engine with one key; `status` is what it answers while it is not well."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.key = AESGCM(os.urandom(32))
        self.status = 200
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Call(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        engine = cast("Engine", self.server)
        engine.asked.append(self.path)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if engine.status != 200:
            return self._answer(engine.status, {"errors": ["Vault is sealed"]})
        if self.headers["X-Vault-Token"] != TOKEN:
            return self._answer(403, {"errors": ["permission denied"]})
        bound = base64.b64decode(asked["associated_data"])
        match self.path:
            case "/v1/transit/encrypt/mesh-gateway":
                sealed = encrypt(engine.key, base64.b64decode(asked["plaintext"]), bound)
                said = {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}", "key_version": 1}
            case "/v1/transit/decrypt/mesh-gateway":
                try:
                    sealed = base64.b64decode(asked["ciphertext"].removeprefix("vault:v1:"))
                    said = {"plaintext": base64.b64encode(decrypt(engine.key, sealed, bound)).decode()}
                except (InvalidTag, ValueError):
                    return self._answer(400, {"errors": ["cipher: message authentication failed"]})
            case _:
                return self._answer(404, {"errors": ["no handler for route"]})
        return self._answer(200, {"data": said})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def working(engine: Engine) -> Generator[Engine]:
    thread = Thread(target=engine.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield engine
    engine.shutdown()
    engine.server_close()
    thread.join()


@pytest.fixture
def engine() -> Iterator[Engine]:
    with working(Engine()) as engine:
        yield engine


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "transit.token"
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture
def transit(engine: Engine, token_file: Path) -> TransitKek:
    return TransitKek(url=engine.url, mount="transit", key="mesh-gateway", token_file=token_file)


@pytest.fixture(params=["file", "passphrase", "transit"])
def kek(request: pytest.FixtureRequest) -> Kek:
    match request.param:
        case "file":
            return LocalKek(os.urandom(32))
        case "passphrase":
            return of_passphrase(PASSPHRASE, os.urandom(32))
        case _:
            return request.getfixturevalue("transit")


async def test_what_is_wrapped_is_unwrapped_where_it_belongs_and_nowhere_else(kek: Kek):
    key = os.urandom(32)
    wrapped = await kek.wrap(key, b"here")

    assert await kek.unwrap(wrapped, b"here") == key
    assert key not in wrapped
    assert len(kek.id) == 16
    for broken, bound in (
        (wrapped, b"there"),
        (wrapped[:-9] + b"AAAAAAAA=", b"here"),
        (b"vault:v1:", b"here"),
    ):
        with pytest.raises(SecretUnreadable):
            await kek.unwrap(broken, bound)


def test_a_passphrase_makes_the_same_key_with_the_same_salt_only():
    salt = os.urandom(32)
    ids = [of_passphrase(PASSPHRASE, salt).id, of_passphrase(PASSPHRASE, salt).id]

    assert ids[0] == ids[1] != of_passphrase(PASSPHRASE, os.urandom(32)).id


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_an_engine_that_is_not_well_opens_nothing_and_its_texts_stay_there(
    engine: Engine, transit: TransitKek, status: int
):
    wrapped = await transit.wrap(b"k" * 32, b"here")
    engine.status = status

    with pytest.raises(KekUnavailable) as refused:
        await transit.unwrap(wrapped, b"here")

    assert "sealed" not in str(refused.value)


async def test_a_token_that_was_replaced_is_read_anew(transit: TransitKek, token_file: Path):
    token_file.write_text("s.expired")
    with pytest.raises(KekUnavailable):
        await transit.wrap(b"k" * 32, b"here")
    token_file.write_text(TOKEN)

    assert await transit.unwrap(await transit.wrap(b"k" * 32, b"here"), b"here") == b"k" * 32


@pytest.fixture
async def operator(
    make_app: MakeApp, operate: Callable[..., Any], engine: Engine, token_file: Path, origin: Origin
) -> AsyncIterator[Operator]:
    app = make_app(kek_transit_url=engine.url, kek_transit_token_file=token_file)
    async with operate(app) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7")
        yield operator


async def test_the_engine_is_asked_for_each_call_and_without_it_nothing_goes_out(
    operator: Operator, engine: Engine, origin: Origin, canary: str, state_dir: Path
):
    agent = await operator.agent("agent-7")
    before = await operator.http.get("/v1/proxy/github/user", headers=agent)
    engine.status = 503
    away = await operator.http.get("/v1/proxy/github/user", headers=agent)
    async with asyncio.timeout(60):
        while (ready := await operator.http.get("/readyz")).is_success:  # it looks every half second
            await asyncio.sleep(0.05)
    engine.status = 200
    after = await operator.http.get("/v1/proxy/github/user", headers=agent)

    outcomes = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]
    assert [before.status_code, away.status_code, after.status_code] == [200, 503, 200]
    assert (away.json()["code"], away.headers["x-mesh-gateway-error"]) == (
        "kek-unavailable",
        "kek_unavailable",
    )
    assert [seen.values("authorization") for seen in origin.seen] == [[f"Bearer {canary}"]] * 2
    assert [e["code"] for e in outcomes if e["phase"] == "outcome"] == [None, "kek-unavailable", None]
    assert (ready.status_code, ready.json()["down"]) == (503, ["kek"])
    assert not (state_dir / "kek").exists()


async def test_a_secret_is_not_put_there_while_the_engine_is_away(operator: Operator, engine: Engine):
    engine.status = 503

    refused = await operator.post("/v1/connections/github/rotate", {"secret": "sk-the-next-one"})

    assert refused.status_code == 503


async def test_without_the_engine_there_is_no_start(
    make_app: MakeApp, operate: Callable[..., Any], engine: Engine, token_file: Path
):
    engine.status = 503
    app = make_app(kek_transit_url=engine.url, kek_transit_token_file=token_file)

    with pytest.raises(KeyFileUnfit, match="does not answer"):
        async with operate(app):
            pass


async def test_secrets_move_from_a_file_to_the_engine_at_one_start(
    make_app: MakeApp,
    operate: Callable[..., Any],
    engine: Engine,
    token_file: Path,
    state_dir: Path,
    origin: Origin,
    canary: str,
):
    async with operate(make_app()) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7")
    moved = {"kek_transit_url": engine.url, "kek_transit_token_file": token_file}
    async with operate(make_app(**moved, kek_also_file=state_dir / "kek")):
        (state_dir / "kek").unlink()
    async with operate(make_app(**moved)) as operator:
        await operator.http.get("/v1/proxy/github/user", headers=await operator.agent("agent-7"))

    assert origin.seen[0].values("authorization") == [f"Bearer {canary}"]


async def test_a_passphrase_opens_what_it_sealed_and_without_its_salt_there_is_no_start(
    make_app: MakeApp,
    operate: Callable[..., Any],
    tmp_path: Path,
    state_dir: Path,
    origin: Origin,
    canary: str,
):
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    given = {"kek_passphrase_file": tmp_path / "passphrase"}
    async with operate(make_app(**given)) as operator:
        await operator.connect(origin.url)
        await operator.grant("agent-7")
    async with operate(make_app(**given)) as operator:
        await operator.http.get("/v1/proxy/github/user", headers=await operator.agent("agent-7"))
    (state_dir / "kek.salt").unlink()

    with pytest.raises(KeyFileUnfit, match="is gone"):
        async with operate(make_app(**given)):
            pass
    assert origin.seen[0].values("authorization") == [f"Bearer {canary}"]
    assert not (state_dir / "kek").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kek_passphrase_file": "none"}, "cannot be read"),
        ({"kek_passphrase_file": "short"}, "20 characters at least"),
        ({"kek_passphrase_file": "long", "kek_transit_url": "https://vault.example"}, "in one place"),
        ({"kek_transit_url": "http://vault.example"}, "should match pattern"),
    ],
)
def test_a_place_that_holds_no_key_is_refused_by_name(tmp_path: Path, given: dict[str, str], says: str):
    (tmp_path / "short").write_text("too-short")
    (tmp_path / "long").write_text(PASSPHRASE)
    paths = {name: tmp_path / value if name.endswith("file") else value for name, value in given.items()}

    with pytest.raises(ValidationError, match=says) as refused:
        Settings.model_validate({"state_dir": tmp_path} | paths)

    assert "too-short" not in str(refused.value)
