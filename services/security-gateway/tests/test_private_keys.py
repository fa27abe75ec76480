"""Secrets that are private keys: JWTs, signed requests and TLS with a client certificate, over the wire."""

from __future__ import annotations

import asyncio
import hmac
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from mesh_security_gateway.adapters.private_keys import PemKeys
from mesh_security_gateway.errors import SecretUnfit

if TYPE_CHECKING:
    from conftest import Operator, Origin, Seen

Made = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
KEYS: dict[str, tuple[Callable[[], Made], Any]] = {
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECKey),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPKey),
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAKey),
}


def pem_of(key: Made) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_token_is_minted_for_each_call(operator: Operator, origin: Origin, algorithm: str):
    make, read = KEYS[algorithm]
    key = make()
    injector = {"kind": "jwt", "algorithm": algorithm, "issuer": "mesh", "audience": "api", "key_id": "k1"}
    await operator.connect(origin.url, pem_of(key), injector=injector)
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")

    for _ in range(2):
        await operator.http.get("/v1/proxy/github/user", headers=agent)

    texts = [seen.values("authorization")[0].removeprefix("Bearer ") for seen in origin.seen]
    said = [jwt.decode(text, read.import_key(pem_of(key)), algorithms=[algorithm]) for text in texts]
    assert [token.header["kid"] for token in said] == ["k1", "k1"]
    assert {(token.claims["iss"], token.claims["aud"]) for token in said} == {("mesh", "api")}
    assert said[0].claims["jti"] != said[1].claims["jti"]
    assert said[0].claims["exp"] - said[0].claims["iat"] == 300


async def test_a_minted_token_is_taken_out_of_the_answer(operator: Operator, origin: Origin):
    injector = {"kind": "jwt", "algorithm": "EdDSA", "issuer": "mesh"}
    await operator.connect(origin.url, pem_of(KEYS["EdDSA"][0]()), injector=injector)
    await operator.grant("agent-7")
    origin.says = lambda seen: seen.answer(seen.values("authorization")[0].encode())

    response = await operator.http.get("/v1/proxy/github/user", headers=await operator.agent("agent-7"))

    assert response.content == b"Bearer  [***] "


UNFIT = {
    "another kind of key": (pem_of(KEYS["EdDSA"][0]()), "ES256"),
    "another curve": (pem_of(ec.generate_private_key(ec.SECP384R1())), "ES256"),
    "a short key": (pem_of(rsa.generate_private_key(65537, 1024)), "RS256"),  # noqa: S505
    "no key": ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "RS256"),
    "no PEM": ("sk-0123456789", "ES256"),
}


@pytest.mark.parametrize(("pem", "algorithm"), UNFIT.values(), ids=UNFIT.keys())
def test_a_key_that_cannot_sign_is_refused_when_it_is_put_there(pem: str, algorithm: Any):
    with pytest.raises(SecretUnfit) as refused:
        PemKeys().check_key(pem, algorithm)

    assert not any(line in refused.value.detail for line in pem.splitlines())


async def test_a_private_key_goes_in_as_pem_and_a_broken_one_is_a_conflict(operator: Operator):
    injector = {"kind": "jwt", "algorithm": "RS256", "issuer": "mesh"}
    provider = {"name": "p", "origin": "https://api.example", "injector": injector}
    await operator.post("/v1/providers", provider)

    for pem, _ in (UNFIT["another kind of key"], UNFIT["a short key"], UNFIT["no key"]):
        refused = await operator.post("/v1/connections", {"name": "c", "provider": "p", "secret": pem})
        assert (refused.status_code, refused.json()["code"]) == (409, "secret-unfit")


HMAC = {
    "kind": "hmac",
    "template": "{timestamp}{method}{target}{body}",
    "signature_header": "X-Signature",
    "timestamp_header": "X-Timestamp",
    "key_header": "X-Key",
}


async def test_a_signed_request_goes_out_with_the_body_that_was_signed(operator: Operator, origin: Origin):
    await operator.connect(origin.url, "id-7:k3y-0123456789", injector=HMAC, base_path="/v3")
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")

    await operator.http.post("/v1/proxy/github/orders?a=1", content=b'{"n": 1}', headers=agent)

    (seen,) = origin.seen
    text = f"{seen.values('x-timestamp')[0]}POST{seen.target}".encode() + seen.body
    assert (seen.body, seen.values("x-key")) == (b'{"n": 1}', ["id-7"])
    assert seen.values("x-signature") == [hmac.digest(b"k3y-0123456789", text, "sha256").hex()]


async def test_an_agents_own_signature_stays_here(operator: Operator, origin: Origin):
    await operator.connect(origin.url, "id-7:k3y-0123456789", injector=HMAC)
    await operator.grant("agent-7")
    forged = {"X-Signature": "mine", "X-Timestamp": "0", "X-Key": "mine"}

    await operator.http.get("/v1/proxy/github/a", headers=await operator.agent("agent-7") | forged)

    (seen,) = origin.seen
    assert [len(seen.values(name)) for name in ("x-signature", "x-timestamp", "x-key")] == [1, 1, 1]
    assert "mine" not in str(seen.headers)


async def test_a_body_too_large_to_be_signed_is_refused_and_not_sent(operator: Operator, origin: Origin):
    await operator.connect(origin.url, "id-7:k3y-0123456789", injector=HMAC)
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")

    response = await operator.http.post("/v1/proxy/github/a", content=b"x" * (1 << 20) + b"x", headers=agent)

    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")
    assert origin.seen == []


async def test_an_aws_request_is_signed_and_an_unsigned_payload_streams(operator: Operator, origin: Origin):
    for name, payload in (("signed", "signed"), ("unsigned", "unsigned")):
        injector = {"kind": "aws-sigv4", "region": "eu-west-1", "service": "s3", "payload": payload}
        await operator.connect(origin.url, "AKIA7:s3cret-0123456789", name=name, injector=injector)
        await operator.grant("agent-7", connection=name)
    agent = await operator.agent("agent-7")

    for name in ("signed", "unsigned"):
        await operator.http.put(f"/v1/proxy/{name}/bucket/key", content=b"abc", headers=agent)

    signed, unsigned = origin.seen
    assert signed.body == unsigned.body == b"abc"
    assert signed.values("x-amz-content-sha256") == [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    ]
    assert unsigned.values("x-amz-content-sha256") == ["UNSIGNED-PAYLOAD"]
    for seen in origin.seen:
        assert seen.values("authorization")[0].startswith("AWS4-HMAC-SHA256 Credential=AKIA7/")


@dataclass
class Authority:
    """Signs certificates; `file` is its own."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    file: Path

    def issue(self, name: str) -> str:
        """A certificate for `localhost` and its key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, self.name, self.key, is_ca=False)
        return pem_of(key) + certificate.public_bytes(Encoding.PEM).decode()


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(by, hashes.SHA256())
    )


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    key, file = ec.generate_private_key(ec.SECP256R1()), tmp_path / "authority.pem"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    certificate = _certificate("authority", key, name, key, is_ca=True)
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return Authority(key, name, file)


@pytest.fixture
async def guarded(origin: Origin, authority: Authority, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an upstream that says whom it sees, and sees nobody without a certificate."""
    own = tmp_path / "server.pem"
    own.write_text(authority.issue("server"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.load_cert_chain(own)
    context.verify_mode = ssl.CERT_REQUIRED

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        subject = writer.get_extra_info("peercert")["subject"][0][0][1].encode()
        origin.connections += 1

        def says(seen: Seen) -> list[bytes]:
            return seen.answer(subject)

        await replace(origin, says=says).serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_an_upstream_sees_the_certificate_of_the_connection_and_of_no_other(
    operator: Operator, origin: Origin, guarded: str, authority: Authority
):
    names = ("alice", "bob")
    for name in names:
        injector = {"kind": "client-certificate"}
        await operator.connect(guarded, authority.issue(name), name=name, injector=injector)
        await operator.grant("agent-7", connection=name)
    agent = await operator.agent("agent-7")

    seen = [(await operator.http.get(f"/v1/proxy/{name}/who", headers=agent)).text for name in names * 3]

    assert seen == list(names * 3)
    assert origin.connections == 2


async def test_a_new_certificate_is_shown_on_a_new_connection(
    operator: Operator, origin: Origin, guarded: str, authority: Authority
):
    await operator.connect(guarded, authority.issue("old"), injector={"kind": "client-certificate"})
    await operator.grant("agent-7")
    agent = await operator.agent("agent-7")

    before = await operator.http.get("/v1/proxy/github/who", headers=agent)
    await operator.post("/v1/connections/github/rotate", {"secret": authority.issue("new")})
    after = await operator.http.get("/v1/proxy/github/who", headers=agent)

    assert (before.text, after.text) == ("old", "new")


def test_a_certificate_and_a_key_that_do_not_belong_together_are_refused(authority: Authority):
    one, two = authority.issue("one"), authority.issue("two")
    key, end = one.partition("-----BEGIN CERT")[0], "-----END PRIVATE KEY-----\n"

    PemKeys().check_certificate(one)
    for wrong in (key + two.partition(end)[2], key, one.partition(end)[2], "-----BEGIN nonsense"):
        with pytest.raises(SecretUnfit):
            PemKeys().check_certificate(wrong)
