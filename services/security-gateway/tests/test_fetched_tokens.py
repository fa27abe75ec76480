"""Tokens that the gateway fetches with a secret: one fetch for everybody, never seen, kept only sealed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import RSAKey
from mesh_security_gateway.service import tokens

if TYPE_CHECKING:
    from conftest import Answer, MakeApp, Operator, Origin, Seen

KINDS = {
    "client-credentials": "app:cl13nt-s3cret",
    "refresh-token": "app:cl13nt-s3cret:r3fresh-token-0",
    "token-exchange": "app:cl13nt-s3cret:subj3ct-token",
}


@dataclass
class Issuer:
    """An upstream with a token endpoint: knows the newest token only, and repeats what it is sent."""

    lasts_s: int = 3600
    issued: list[str] = field(default_factory=list[str])
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    refuses: bytes = b""
    is_api_closed: bool = False
    replaces: bool = True
    """Whether a refresh token comes along with each token."""

    def __call__(self, seen: Seen) -> list[bytes]:
        if seen.target != "/token":
            return self._answer(seen)
        self.asked.append({name: values[0] for name, values in parse_qs(seen.body.decode()).items()})
        if self.refuses:
            return seen.answer(self.refuses, "400 Bad Request")
        self.issued.append(f"t0ken-{len(self.issued)}-{secrets.token_hex(8)}")
        said = {"access_token": self.issued[-1], "token_type": "Bearer", "expires_in": self.lasts_s}
        next = {"refresh_token": f"r3fresh-token-{len(self.issued)}"} if self.replaces else {}
        return seen.answer(orjson.dumps(said | next))

    def _answer(self, seen: Seen) -> list[bytes]:
        is_known = seen.values("authorization") == [f"Bearer {self.issued[-1]}"] if self.issued else False
        echo = repr(seen.headers).encode()
        return seen.answer(echo, "200 OK" if is_known and not self.is_api_closed else "401 Unauthorized")

    def forget(self) -> None:
        """From now on no token that was issued so far is taken."""
        self.issued.append("")


@pytest.fixture
def issuer(origin: Origin) -> Issuer:
    origin.says = issuer = Issuer()
    return issuer


async def wire(operator: Operator, origin: Origin, kind: str = "client-credentials") -> dict[str, str]:
    """A connection of that kind, and an agent that may use it."""
    injector = {"kind": kind, "token_url": f"{origin.url}/token"}
    await operator.connect(origin.url, KINDS[kind], injector=injector)
    await operator.grant("agent-7")
    return await operator.agent("agent-7")


async def status(operator: Operator, agent: dict[str, str], method: str = "GET") -> int:
    return (await operator.http.request(method, "/v1/proxy/github/user", headers=agent)).status_code


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_is_fetched_once_and_used_until_it_ends(
    operator_everywhere: Operator, origin: Origin, issuer: Issuer, kind: str
):
    operator = operator_everywhere
    agent = await wire(operator, origin, kind)

    answers = [await status(operator, agent) for _ in range(3)]

    assert (answers, len(issuer.asked)) == ([200] * 3, 1)
    assert [seen.values("authorization") for seen in origin.seen[1:]] == [[f"Bearer {issuer.issued[0]}"]] * 3


async def test_a_token_and_its_secret_are_taken_out_of_answers(
    operator: Operator, origin: Origin, issuer: Issuer
):
    agent = await wire(operator, origin)
    origin.says = lambda seen: (
        issuer(seen) if seen.target == "/token" else seen.answer(f"{issuer.issued[0]} cl13nt-s3cret".encode())
    )

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert response.content == b" [***]   [***] "


async def test_any_number_of_callers_cause_one_fetch(operator: Operator, origin: Origin, issuer: Issuer):
    agent = await wire(operator, origin)

    answers = await asyncio.gather(*(status(operator, agent) for _ in range(20)))

    assert (set(answers), len(issuer.asked)) == ({200}, 1)


async def test_any_number_of_replicas_cause_one_fetch(
    make_app: MakeApp, operate: Callable[..., Any], postgres_url: str, origin: Origin, issuer: Issuer
):
    async with operate(make_app(postgres_url)) as one, operate(make_app(postgres_url)) as two:
        agent = await wire(one, origin)

        calls = (status(operator, agent) for _ in range(8) for operator in (one, two))
        answers = await asyncio.gather(*calls)

    assert (set(answers), len(issuer.asked)) == ({200}, 1)


async def test_a_token_that_ended_is_fetched_anew(operator: Operator, origin: Origin, issuer: Issuer):
    issuer.lasts_s = 0
    agent = await wire(operator, origin)

    answers = [await status(operator, agent) for _ in range(2)]

    assert (answers, len(issuer.asked)) == ([200, 200], 2)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_token_that_is_refused_is_fetched_anew_once_for_a_question(
    operator: Operator, origin: Origin, issuer: Issuer, method: str
):
    agent = await wire(operator, origin)
    await status(operator, agent)
    issuer.forget()

    answer = await status(operator, agent, method)

    assert (answer, len(issuer.asked)) == (200, 2)


async def test_callers_whose_token_is_refused_together_cause_one_fetch(
    operator: Operator, origin: Origin, issuer: Issuer
):
    agent = await wire(operator, origin)
    await status(operator, agent)
    issuer.forget()

    answers = await asyncio.gather(*(status(operator, agent) for _ in range(10)))

    assert (set(answers), len(issuer.asked)) == ({200}, 2)


async def test_what_changes_something_is_never_sent_twice(operator: Operator, origin: Origin, issuer: Issuer):
    agent = await wire(operator, origin)
    await status(operator, agent)
    issuer.forget()

    answers = [await status(operator, agent, method) for method in ("POST", "DELETE")]

    assert (answers, len(issuer.asked)) == ([401, 401], 1)


async def test_an_upstream_that_refuses_every_token_is_asked_twice_and_no_more(
    operator: Operator, origin: Origin, issuer: Issuer
):
    agent = await wire(operator, origin)
    issuer.is_api_closed = True

    answer = await status(operator, agent)

    assert (answer, len(issuer.asked), len(origin.seen)) == (401, 2, 4)


async def test_a_refresh_token_that_was_replaced_is_the_one_that_is_used_next(
    operator: Operator, origin: Origin, issuer: Issuer
):
    issuer.lasts_s = 0
    agent = await wire(operator, origin, "refresh-token")

    for issuer.replaces in (True, True, False, False, True):
        await status(operator, agent)

    sent = [asked["refresh_token"].removeprefix("r3fresh-token-") for asked in issuer.asked]
    assert sent == ["0", "1", "2", "2", "2"]


async def test_a_new_secret_has_a_token_of_its_own(operator: Operator, origin: Origin, issuer: Issuer):
    agent = await wire(operator, origin, "refresh-token")
    await status(operator, agent)
    new = {"secret": "app:cl13nt-s3cret:r3fresh-by-hand"}

    rotated = await operator.post("/v1/connections/github/rotate", new)
    answer = await status(operator, agent)

    assert (rotated.status_code, answer) == (200, 200)
    assert [asked["refresh_token"] for asked in issuer.asked] == ["r3fresh-token-0", "r3fresh-by-hand"]


async def test_what_a_token_endpoint_says_against_it_stays_here(
    operator: Operator, origin: Origin, issuer: Issuer
):
    agent = await wire(operator, origin)
    issuer.refuses = b'{"error": "invalid_client", "hint": "cl13nt-s3cret"}'

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert (response.status_code, response.json()["code"]) == (502, "upstream-token")
    assert response.headers["x-mesh-gateway-error"] == "upstream_token"
    assert "invalid_client" not in response.text
    assert [seen.target for seen in origin.seen] == ["/token"]
    outcome = (await operator.get("/v1/audit", agent="agent-7")).json()["items"][0]
    assert (outcome["phase"], outcome["code"]) == ("outcome", "upstream-token")


ENDPOINTS: dict[str, tuple[Answer, str]] = {
    "too much": (lambda seen: seen.answer(b"x" * 70_000), "upstream-too-large"),
    "a redirect": (
        lambda seen: seen.answer(b"", "307 Elsewhere", location="http://evil.example/"),
        "upstream-token",
    ),
    "no JSON": (lambda seen: seen.answer(b"welcome"), "upstream-token"),
    "no HTTP": (lambda _: [b"garbage\r\n\r\n", b""], "upstream-unreachable"),
    "half": (lambda _: [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", b""], "upstream-broken"),
}


@pytest.mark.parametrize(("said", "code"), ENDPOINTS.values(), ids=ENDPOINTS.keys())
async def test_a_token_endpoint_that_misbehaves_is_a_failure_of_the_upstream(
    operator: Operator, origin: Origin, said: Answer, code: str
):
    agent = await wire(operator, origin)
    origin.says = said

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert (response.status_code, response.json()["code"]) == (502, code)
    assert {seen.target for seen in origin.seen} == {"/token"}


async def test_a_token_endpoint_that_takes_too_long_is_no_fault_of_ours(
    operator: Operator, origin: Origin, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tokens, "FETCH_S", 0.1)
    agent = await wire(operator, origin)
    origin.hold = asyncio.Event()

    response = await operator.http.get("/v1/proxy/github/user", headers=agent)

    assert (response.status_code, response.json()["code"]) == (502, "upstream-token")
    assert {seen.target for seen in origin.seen} == {"/token"}


async def test_a_fetch_that_failed_is_tried_again_by_the_next_call(
    operator: Operator, origin: Origin, issuer: Issuer
):
    agent = await wire(operator, origin)
    issuer.refuses = b"busy"
    before = await status(operator, agent)
    issuer.refuses = b""

    assert (before, await status(operator, agent)) == (502, 200)


async def test_a_fetch_is_on_record(operator: Operator, origin: Origin, issuer: Issuer):
    agent = await wire(operator, origin)

    await status(operator, agent)

    entries = (await operator.get("/v1/audit", agent="agent-7")).json()["items"]
    assert [(e["phase"], e["action"]) for e in reversed(entries)] == [
        ("intent", "proxy"),
        ("change", "token-fetched"),
        ("outcome", "proxy"),
    ]
    assert entries[1]["origin"] == f"{origin.url}/token"
    assert entries[1]["fingerprint"] not in (entries[0]["fingerprint"], None)
    assert (await operator.get("/v1/audit/verification")).json()["valid"]


async def test_a_token_is_kept_sealed_only(
    operator: Operator, origin: Origin, issuer: Issuer, state_dir: Path
):
    agent = await wire(operator, origin, "refresh-token")

    await status(operator, agent)

    kept = b"".join(path.read_bytes() for path in state_dir.rglob("*") if path.is_file())
    assert len(kept) > 1000
    for secret in (issuer.issued[0], "r3fresh-token-1", "r3fresh-token-0", "cl13nt-s3cret"):
        assert secret.encode() not in kept


async def test_a_token_survives_the_gateway(
    make_app: MakeApp, operate: Callable[..., Any], origin: Origin, issuer: Issuer
):
    async with operate(make_app()) as before:
        agent = await wire(before, origin)
        await status(before, agent)
    async with operate(make_app()) as after:
        answer = await status(after, agent)

    assert (answer, len(issuer.asked)) == (200, 1)


async def test_a_github_app_gets_its_installations_token(operator: Operator, origin: Origin):
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    token = {"token": "ghs_0123456789abcdef", "expires_at": "2099-01-01T00:00:00Z"}
    origin.says = lambda seen: seen.answer(orjson.dumps(token), "201 Created")
    injector = {"kind": "github-app", "app_id": "12345", "installation_id": "67"}
    await operator.connect(origin.url, pem, injector=injector, base_path="/api/v3")
    await operator.grant("agent-7")

    answers = [await status(operator, await operator.agent("agent-7")) for _ in range(2)]

    asked, *used = origin.seen
    assert answers == [201, 201]
    assert (asked.method, asked.target) == ("POST", "/api/v3/app/installations/67/access_tokens")
    said = jwt.decode(
        asked.values("authorization")[0].removeprefix("Bearer "), RSAKey.import_key(key), algorithms=["RS256"]
    )
    assert said.claims["iss"] == "12345"
    assert [seen.values("authorization") for seen in used] == [["Bearer ghs_0123456789abcdef"]] * 2
