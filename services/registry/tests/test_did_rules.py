"""Which names of each DID method are taken, to the byte and to the letter."""

from __future__ import annotations

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mesh_registry.domain import dids
from mesh_registry.errors import DidNotResolved

ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ED25519, P256 = b"\xed\x01", b"\x80\x24"
addresses = st.binary(min_size=20, max_size=20).map(lambda data: f"0x{data.hex()}")


def named(code: bytes, key: bytes) -> str:
    """Multibase of a multicodec key."""
    return "z" + base58.b58encode(code + key).decode()


def p256_point(secret: int, form: PublicFormat) -> bytes:
    return ec.derive_private_key(secret, ec.SECP256R1()).public_key().public_bytes(Encoding.X962, form)


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32))
def test_every_key_of_ed25519_is_taken(seed: bytes):
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()

    document = dids.of_key(named(ED25519, key))

    assert document["id"] == f"did:key:{named(ED25519, key)}"


@settings(max_examples=25)
@given(st.integers(1, 2**250))
def test_a_key_of_p_256_is_taken_in_its_short_form_alone(secret: int):
    short = named(P256, p256_point(secret, PublicFormat.CompressedPoint))
    long = named(P256, p256_point(secret, PublicFormat.UncompressedPoint))

    assert dids.of_key(short)["id"] == f"did:key:{short}"
    with pytest.raises(DidNotResolved):
        dids.of_key(long)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_key_of_ed25519_has_32_bytes(length: int):
    with pytest.raises(DidNotResolved, match="no key of its kind"):
        dids.of_key(named(ED25519, b"\x11" * length))


@given(st.binary(min_size=2, max_size=2), st.binary(max_size=40))
def test_a_key_of_another_kind_is_refused(code: bytes, key: bytes):
    assume(code not in (ED25519, P256, b"\xe7\x01"))

    with pytest.raises(DidNotResolved, match="no Ed25519, secp256k1 or P-256"):
        dids.of_key(named(code, key))


def test_a_key_may_do_whatever_its_did_may():
    name = named(ED25519, Ed25519PrivateKey.generate().public_key().public_bytes_raw())

    document = dids.of_key(name)

    uses = ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation")
    assert [document[use] for use in uses] == [[f"did:key:{name}#{name}"]] * 4


@given(addresses, st.integers(1, 10**32 - 1))
def test_an_account_is_the_same_in_small_letters_and_in_capitals(address: str, chain_id: int):
    capitals = f"0x{address[2:].upper()}"

    small, large = (dids.of_account(f"eip155:{chain_id}:{text}") for text in (address, capitals))

    accounts = [document["verificationMethod"][0]["blockchainAccountId"] for document in (small, large)]
    assert accounts[0] == accounts[1]
    assert accounts[0].lower() == f"eip155:{chain_id}:{address}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "eip155:1",
        f"eip155::{ADDRESS}",
        f"eip155:01:{ADDRESS}",
        f"eip155:-1:{ADDRESS}",
        f"eip155:{'1' * 33}:{ADDRESS}",
        f"eip155:1:{ADDRESS}:more",
        f"eip155:1:{ADDRESS}\n",
        f"eip155:1:{ADDRESS[2:]}",
        f"EIP155:1:{ADDRESS}",
        f"eip155:\u0661:{ADDRESS}",
    ],
)
def test_an_account_is_written_in_one_way(name: str):
    with pytest.raises(DidNotResolved, match="Only did:pkh"):
        dids.of_account(name)


@pytest.mark.parametrize(
    ("name", "chain_id"),
    [
        (ADDRESS, 1),
        (f"mainnet:{ADDRESS}", 1),
        (f"0x7a69:{ADDRESS}", 31337),
        (f"0x{'f' * 16}:{ADDRESS.lower()}", 2**64 - 1),
    ],
)
def test_the_chain_of_an_identity_is_the_main_net_unless_it_says_so(name: str, chain_id: int):
    assert dids.ethr_identity(name) == (chain_id, ADDRESS)


@pytest.mark.parametrize(
    "name", ["", "0x1:", f"0X1:{ADDRESS}", f"0x{'1' * 17}:{ADDRESS}", f"1:{ADDRESS}", f"{ADDRESS}:{ADDRESS}"]
)
def test_an_identity_with_another_chain_or_none_is_refused(name: str):
    with pytest.raises(DidNotResolved, match="Only did:ethr"):
        dids.ethr_identity(name)


@given(addresses, st.integers(0, 39))
def test_an_address_with_one_letter_in_the_wrong_case_is_misspelt(address: str, at: int):
    right = dids.ethr_identity(address)[1]
    assume(right[2 + at].isalpha())
    wrong = right[: 2 + at] + right[2 + at].swapcase() + right[3 + at :]
    assume(wrong[2:] not in (address[2:], address[2:].upper()))

    with pytest.raises(DidNotResolved, match="EIP-55"):
        dids.ethr_identity(wrong)


@given(
    st.from_regex(
        r"[a-z]{1,8}(\.[a-z]{1,8}){1,3}(%3A[1-9][0-9]{0,3})?(:[A-Za-z0-9_-]{1,9}){0,3}", fullmatch=True
    )
)
def test_the_address_of_a_did_is_https_at_its_own_host(name: str):
    url = dids.web_address(name)

    host, *steps = name.split(":")
    assert url.startswith(f"https://{host.replace('%3A', ':')}/")
    assert url.split("/")[3:] == [*(steps or [".well-known"]), "did.json"]


def test_an_agent_whose_own_did_is_its_account_s_is_known_as_nothing_else():
    did = f"did:pkh:eip155:31337:{ADDRESS}"

    document = dids.of_agent(ADDRESS, 31337, did, "https://agent.example")

    assert "alsoKnownAs" not in document
    assert document["service"] == [
        {"id": f"{did}#agent", "type": "AgentEndpoint", "serviceEndpoint": "https://agent.example"}
    ]
