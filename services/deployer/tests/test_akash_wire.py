"""What we sign is what Akash's own JavaScript writes, byte for byte; `vectors/record.mjs` recorded it."""

import base64
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from coincurve import PrivateKey, PublicKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from mesh_deployer.adapters.akash.signer import TOKEN_S, Place, Signer
from mesh_deployer.adapters.akash.wire import FIRST, PRESENT, Coin, Message, Profile, atomics
from mesh_deployer.domain.manifest import group_specs
from mesh_deployer.domain.sdl import compile_sdl

VECTORS = json.loads((Path(__file__).parent / "vectors" / "chain-sdk.json").read_text())
OWNER, PROVIDER = VECTORS["owner"], VECTORS["provider"]
DSEQ, HASH, DEPOSIT = 2**48 - 1, "07" * 32, Coin("uact", 500_000)
BID = {"owner": OWNER, "dseq": DSEQ, "gseq": 1, "oseq": 2, "provider": PROVIDER}
MNEMONIC = "abandon " * 11 + "about"
SIGNER = Signer.of("11" * 32)


def create(number: int) -> Message:
    groups = group_specs(compile_sdl(VECTORS["sdls"][number]).groups)
    return PRESENT.create_deployment(OWNER, DSEQ, groups, HASH, DEPOSIT)


MESSAGES: dict[str, Callable[[], Message]] = {
    "create 0": lambda: create(0),
    "create 1": lambda: create(1),
    "update": lambda: PRESENT.update_deployment(OWNER, DSEQ, HASH),
    "close": lambda: PRESENT.close_deployment(OWNER, DSEQ),
    "start group": lambda: PRESENT.start_group(OWNER, DSEQ, 1),
    "deposit": lambda: PRESENT.deposit(OWNER, DSEQ, DEPOSIT),
    "create lease": lambda: PRESENT.create_lease(BID),
    "withdraw lease": lambda: PRESENT.withdraw_lease(BID),
    "close bid": lambda: PRESENT.close_bid(BID, 10000),
    "create provider": lambda: PRESENT.create_provider(PROVIDER, "https://p.test:8443", {"region": "eu"}),
    "create certificate": lambda: PRESENT.create_certificate(OWNER, b"CERT", b"KEY"),
}


def test_every_recorded_message_is_compared():
    assert set(MESSAGES) == set(VECTORS["messages"])


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_the_present_line_has_the_bytes_of_akashs_own_encoder(name: str):
    message, recorded = MESSAGES[name](), VECTORS["messages"][name]

    assert (message.type_url, message.value.hex()) == (recorded["type_url"], recorded["hex"])


def test_a_transaction_has_the_bytes_and_the_signature_of_cosmjs():
    place = Place(chain_id="akashnet-2", account_number=42, sequence=9)

    raw = SIGNER.transaction(
        [PRESENT.update_deployment(OWNER, DSEQ, HASH)],
        place,
        gas=200_000,
        fee=Coin("uakt", 5000),
        timeout_height=120,
    )

    assert raw.hex() == VECTORS["transaction"]
    assert SIGNER.address == VECTORS["address"]


@pytest.mark.parametrize("profile", [FIRST, PRESENT], ids=lambda profile: profile.name)
def test_every_type_carries_the_versions_of_its_line(profile: Profile):
    messages = [
        profile.close_deployment(OWNER, DSEQ),
        profile.create_lease(BID),
        profile.create_provider(PROVIDER, "https://p.test", {}),
        profile.create_certificate(OWNER, b"", b""),
    ]

    versions = [re.split(r"[./]", message.type_url)[-2] for message in messages]
    assert versions == [profile.deployment, profile.market, profile.provider, profile.certificate]


@given(st.decimals(0, 10**7, places=18))
def test_a_price_is_a_whole_number_of_atomics(price: Decimal):
    assert Decimal(atomics(price)) == price * 10**18


def test_a_mnemonic_leads_to_the_first_account_of_a_cosmos_wallet():
    """The address that every wallet shows for the test mnemonic of BIP-39, with Akash's prefix."""
    assert Signer.of(f"  {MNEMONIC}\n").address == "akash19rl4cm2hmr8afy4kldpxz3fka4jguq0a3mq6x0"


@given(st.binary(min_size=32, max_size=32).filter(lambda key: 0 < int.from_bytes(key) < 2**255))
def test_a_key_in_hex_is_read_with_and_without_a_prefix(key: bytes):
    expected = PrivateKey(key).public_key.format()

    assert Signer.of(key.hex()).public_key == Signer.of(f"0x{key.hex()}\n").public_key == expected


@pytest.mark.parametrize(
    "secret", ["", "zz" * 32, "11" * 40, "one two three", "00" * 32, MNEMONIC.replace("about", "abandon")]
)
def test_what_is_no_key_is_refused_and_not_shown(secret: str):
    with pytest.raises(ValueError, match="neither 32 bytes in hex nor a mnemonic") as refusal:
        Signer.of(secret)

    assert not secret or secret not in str(refusal.value)


def test_a_signer_does_not_show_its_key():
    assert "11" * 4 not in f"{SIGNER!r} {SIGNER}"


def test_a_token_is_signed_names_one_provider_and_the_least_scope_and_expires():
    key = ECKey.import_key(_public_jwk(SIGNER.public_key))

    token = jwt.decode(SIGNER.token(PROVIDER, ["status"], now=1000.9), key, algorithms=["ES256K"])

    assert token.header["alg"] == "ES256K"
    assert token.claims == {
        "version": "v1",
        "iss": SIGNER.address,
        "iat": 1000,
        "nbf": 1000,
        "exp": 1000 + TOKEN_S,
        "leases": {
            "access": "granular",
            "permissions": [{"access": "scoped", "scope": ["status"], "provider": PROVIDER}],
        },
    }


def _public_jwk(compressed: bytes) -> dict[str, str | list[str]]:
    point = PublicKey(compressed).format(compressed=False)
    x, y = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (point[1:33], point[33:]))
    return {"kty": "EC", "crv": "secp256k1", "x": x, "y": y}
