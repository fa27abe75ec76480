"""DIDs are resolved as their methods say, and what does not add up is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import base58
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_registry.adapters.cards import UNREACHABLE
from mesh_registry.adapters.ethr import EthrRegistry
from mesh_registry.domain import dids
from mesh_registry.errors import CardUnavailable, DidNotResolved
from mesh_registry.service.resolving import Evidence, Resolver

if TYPE_CHECKING:
    from callers_of_registry import Caller
    from unaided import Chain

ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER = Account.create().address
# Test vectors of the did:key specification (W3C CCG, §"Test Vectors").
VECTORS = [
    "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",  # Ed25519
    "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",  # secp256k1
    "zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",  # P-256
]


class Pages:
    """Implements `ports.CardSource` with pages in memory."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"https://{name}": data for name, data in pages.items()}

    async def fetch(self, url: str, limit_bytes: int) -> bytes:
        if url not in self.pages:
            raise CardUnavailable(UNREACHABLE)
        return self.pages[url]


class Owners:
    """Implements `ports.IdentityOwners` with a list in memory."""

    chain_id = 31337

    def __init__(self, owner: str | None = None) -> None:
        self.owner = owner

    async def owner_of(self, identity: str) -> str | None:
        return self.owner


def page(url: str, did: str, **more: Any) -> Pages:
    return Pages(**{url: orjson.dumps({"id": did} | more)})


async def resolved(did: str, hosts: Any = None, owner: str | None = None) -> tuple[Any, Evidence]:
    return await Resolver(hosts or Pages(), Owners(owner)).resolve(did)


@pytest.mark.parametrize("name", VECTORS)
async def test_a_key_is_its_own_document(name: str):
    document, evidence = await resolved(f"did:key:{name}")

    (method,) = document["verificationMethod"]
    assert evidence is Evidence.DERIVED
    assert document["id"] == method["controller"] == f"did:key:{name}"
    assert method["publicKeyMultibase"] == name
    assert document["authentication"] == [f"did:key:{name}#{name}"] == document["assertionMethod"]


@pytest.mark.parametrize(
    "name",
    [
        "z",
        "z0OIl",
        "m" + VECTORS[0][1:],
        VECTORS[0][:-1],
        VECTORS[0] + "1",
        VECTORS[1][:-1] + "f",
        "z" + base58.b58encode(b"\xe7\x01\x02" + b"\xff" * 32).decode(),  # no point of the curve
        "z" + base58.b58encode(b"\xe7\x01\x04" + b"\x11" * 64).decode(),  # uncompressed
        "z" + base58.b58encode(b"\xec\x01" + b"\x11" * 32).decode(),  # X25519 signs nothing
    ],
)
async def test_what_is_no_key_is_refused(name: str):
    with pytest.raises(DidNotResolved):
        await resolved(f"did:key:{name}")


@settings(max_examples=25)
@given(st.integers(2, 2**250))
def test_every_key_of_a_curve_is_taken(secret: int):
    key = ec.derive_private_key(secret, ec.SECP256K1()).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    name = "z" + base58.b58encode(b"\xe7\x01" + point).decode()

    assert dids.of_key(name)["id"] == f"did:key:{name}"


@settings(max_examples=50)
@given(
    st.sampled_from(["key", "pkh", "web", "ethr", "ion"]),
    st.from_regex(r"[A-Za-z0-9._:%-]{1,80}", fullmatch=True),
)
async def test_no_name_makes_resolving_fail(method: str, name: str):
    try:
        document, _ = await resolved(f"did:{method}:{name}")
    except DidNotResolved:
        return
    assert document["id"] == f"did:{method}:{name}"


async def test_an_account_is_its_own_document():
    document, evidence = await resolved(f"did:pkh:eip155:1:{ADDRESS}")

    (method,) = document["verificationMethod"]
    assert (evidence, method["blockchainAccountId"]) == (Evidence.DERIVED, f"eip155:1:{ADDRESS}")


@pytest.mark.parametrize(
    "did",
    [
        "did:pkh:solana:1:abc",
        "did:pkh:eip155:0:" + ADDRESS,
        "did:pkh:eip155:1:" + ADDRESS[:-1],
        "did:pkh:eip155:1:" + ADDRESS.swapcase().replace("0X", "0x"),
        "did:ethr:0x1234",
        "did:ethr:sepolia:" + ADDRESS,
        "did:ethr:" + ADDRESS,  # of the main net, which is not ours
        "did:ethr:0x1:" + ADDRESS,
        "did:ion:abc",
    ],
)
async def test_what_cannot_be_known_here_is_not_made_up(did: str):
    with pytest.raises(DidNotResolved):
        await resolved(did)


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:acme.example", "acme.example/.well-known/did.json"),
        ("did:web:acme.example%3A8443", "acme.example:8443/.well-known/did.json"),
        ("did:web:acme.example:agents:one", "acme.example/agents/one/did.json"),
    ],
)
async def test_a_host_says_what_its_did_stands_for(did: str, url: str):
    document, evidence = await resolved(did, page(url, did, service=[]))

    assert (document, evidence) == ({"id": did, "service": []}, Evidence.SERVED)


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "127.0.0.1",
        "169.254.169.254",
        "%5B%3A%3A1%5D",
        "2130706433",
        "0x7f.1",
        "user%40acme.example",
        "acme.example%2Fpath",
        "acme.example%3Fa",
        "acme.example%23a",
        "acme.example:..:secret",
        "acme.example:%2E%2E",
        "acme.example:a%2Fb",
        "acme.example::a",
        "acme.example%3A0",
        "acme.example%0A",
        "%D0%B0cme.example",
        "ACME.example",
        "acme.example.",
    ],
)
async def test_a_name_that_is_no_plain_host_and_path_is_never_dialled(name: str):
    with pytest.raises(DidNotResolved, match="names no host"):
        dids.web_address(name)


@pytest.mark.parametrize(
    "data",
    [
        b'{"id":"did:web:evil.example"}',
        b'{"id":"did:web:acme.example","id":"did:web:acme.example"}',
        b"[]",
        b"null",
        b"{}",
        b"<html>",
        b"[" * 5000,
        b"",
    ],
)
async def test_a_document_about_something_else_is_refused(data: bytes):
    hosts = Pages(**{"acme.example/.well-known/did.json": data})

    with pytest.raises(DidNotResolved):
        await resolved("did:web:acme.example", hosts)


async def test_an_identity_is_its_own_owner_until_a_registry_says_otherwise():
    did = f"did:ethr:0x7a69:{ADDRESS}"

    by_itself, derived = await resolved(did)
    by_registry, on_chain = await resolved(did, owner=OTHER)

    assert (derived, on_chain) == (Evidence.DERIVED, Evidence.ON_CHAIN)
    assert by_itself["verificationMethod"][0]["blockchainAccountId"] == f"eip155:31337:{ADDRESS}"
    assert by_registry["verificationMethod"][0]["blockchainAccountId"] == f"eip155:31337:{OTHER}"


async def test_the_registry_of_erc_1056_is_asked(chain: Chain):
    registry = Account.create().address
    await chain.rpc.request("anvil_setCode", registry, f"0x73{OTHER[2:].lower()}60005260206000f3")

    assert await EthrRegistry(chain.rpc, registry).owner_of(ADDRESS) == OTHER
    assert await EthrRegistry(chain.rpc, None).owner_of(ADDRESS) is None


async def test_a_host_that_cannot_be_asked_is_told_so():
    with pytest.raises(DidNotResolved, match="nobody answers"):
        await resolved("did:web:acme.example")


async def test_a_did_is_resolved_for_those_who_may(caller_lite: Caller):
    did = f"did:key:{VECTORS[0]}"

    answer = await caller_lite.http.get(f"/v1/dids/{did}")
    unknown = await caller_lite.http.get("/v1/dids/did:ion:abc")
    shapeless = await caller_lite.http.get("/v1/dids/acme")
    del caller_lite.http.headers["Authorization"]
    anonymous = await caller_lite.http.get(f"/v1/dids/{did}")

    assert (answer.status_code, answer.json()["evidence"]) == (200, "derived")
    assert answer.json()["document"]["id"] == answer.json()["did"] == did
    assert (unknown.status_code, unknown.json()["code"]) == (404, "did-not-resolved")
    assert (shapeless.status_code, anonymous.status_code) == (422, 401)


async def test_an_agent_is_its_owner_s_account_and_says_what_else_it_is(caller_lite: Caller, operator: str):
    registered = await caller_lite.registered("acme/one", did="did:web:acme.example")

    answer = await caller_lite.http.get(f"/v1/agents/{registered['agentId']}/did.json")
    missing = await caller_lite.http.get(f"/v1/agents/0x{'00' * 32}/did.json")

    document = answer.json()
    assert document["id"] == f"did:pkh:eip155:31337:{operator}"
    assert document["alsoKnownAs"] == ["did:web:acme.example"]
    assert document["service"][0]["serviceEndpoint"] == "http://127.0.0.1:9100"
    assert missing.status_code == 404


def test_an_agent_without_a_did_of_its_own_is_known_as_nothing_else():
    did = f"did:pkh:eip155:31337:{ADDRESS}"

    documents = [dids.of_agent(ADDRESS, 31337, said, None) for said in (did, "")]

    assert documents == [dids.of_account(f"eip155:31337:{ADDRESS}")] * 2
