"""x402 v2 without a chain: what is in the headers, and what a payment has to fit."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.x402.exact import FUNCTIONS, MARGIN_S, TRANSFER, Reason, mismatch, transfer
from mesh_shared.x402.wire import Malformed, Payment, PaymentRequired, Requirements, Resource, Settlement

NOW = 1_740_672_100
PAYER, TILL, TOKEN = "0x" + "Aa" * 20, "0x" + "bB" * 20, "0x" + "cC" * 20
ARTIFACT = Path(__file__).parents[2] / "contracts" / "artifacts" / "MeshToken.json"
WAY: dict[str, Any] = {
    "scheme": "exact",
    "network": "eip155:84532",
    "amount": "10000",
    "asset": TOKEN,
    "payTo": TILL,
    "maxTimeoutSeconds": 60,
    "extra": {"name": "USDC", "version": "2"},
}
SIGNED = {
    "from": PAYER,
    "to": TILL,
    "value": "10000",
    "validAfter": str(NOW - 11),
    "validBefore": str(NOW + 54),
    "nonce": "0x" + "f3" * 32,
}
# The specification's own example, section 5.2.1, with addresses of ours.
SENT: dict[str, Any] = {
    "x402Version": 2,
    "resource": {"url": "https://api.example.com/premium-data", "mimeType": "application/json"},
    "accepted": WAY,
    "payload": {"signature": "0x" + "2d" * 65, "authorization": SIGNED},
    "extensions": {},
}


def header(body: object) -> str:
    return b64encode(json.dumps(body).encode()).decode()


def payment(way: dict[str, Any] | None = None, signed: dict[str, Any] | None = None, **other: Any) -> Payment:
    authorization = SIGNED | (signed or {})
    payload = SENT["payload"] | {"authorization": authorization}
    return Payment.decoded(header(SENT | {"accepted": WAY | (way or {}), "payload": payload} | other))


REQUIRED = Requirements.decoded(header(WAY))


def test_the_example_of_the_specification_is_read():
    read = Payment.decoded(header(SENT))

    assert (read.accepted.pay_to, read.accepted.max_timeout_seconds) == (TILL, 60)
    assert (read.payload.authorization.payer, read.payload.authorization.valid_after) == (
        PAYER,
        str(NOW - 11),
    )


def test_what_we_say_has_the_names_of_the_specification():
    told = PaymentRequired(error="pay", resource=Resource(url="https://a.example"), accepts=[REQUIRED])

    said = json.loads(b64decode(told.encoded()))

    assert said == {
        "x402Version": 2,
        "error": "pay",
        "resource": {"url": "https://a.example"},
        "accepts": [WAY],
    }


def test_a_receipt_leaves_out_what_it_does_not_know():
    failed = Settlement(success=False, transaction="", network="eip155:1", payer=PAYER, error_reason="no")

    assert json.loads(b64decode(failed.encoded())) == {
        "success": False,
        "transaction": "",
        "network": "eip155:1",
        "payer": PAYER,
        "errorReason": "no",
    }
    assert Settlement.decoded(failed.encoded()) == failed


@given(st.text() | st.binary(max_size=300).map(lambda data: b64encode(data).decode()))
def test_what_is_no_payment_is_malformed_and_nothing_else(text: str):
    with pytest.raises(Malformed):
        Payment.decoded(text)


@pytest.mark.parametrize(
    "broken",
    [
        {"x402Version": "2"},
        {"payload": {}},
        {"payload": {"signature": "0x1", "authorization": SIGNED}},
        {"payload": {"signature": "0x" + "11" * 65, "authorization": SIGNED | {"nonce": "0x1"}}},
        {"payload": {"signature": "0x" + "11" * 65, "authorization": SIGNED | {"value": 10000}}},
        {"accepted": WAY | {"amount": "-1"}},
        {"accepted": WAY | {"maxTimeoutSeconds": 10**30}},
    ],
)
def test_a_payment_with_a_broken_part_is_malformed(broken: dict[str, Any]):
    with pytest.raises(Malformed):
        Payment.decoded(header(SENT | broken))


def test_a_payment_as_it_was_required_fits_however_addresses_are_spelled():
    assert mismatch(payment(), REQUIRED, NOW) is None
    assert mismatch(payment({"asset": TOKEN.lower()}, {"to": TILL.lower()}), REQUIRED, NOW) is None


@pytest.mark.parametrize(
    ("way", "signed", "other", "reason"),
    [
        ({}, {}, {"x402Version": 1}, Reason.VERSION),
        ({"scheme": "upto"}, {}, {}, Reason.SCHEME),
        ({"network": "eip155:1"}, {}, {}, Reason.NETWORK),
        ({"amount": "9999"}, {}, {}, Reason.REQUIREMENTS),
        ({"asset": PAYER}, {}, {}, Reason.REQUIREMENTS),
        ({"payTo": PAYER}, {}, {}, Reason.REQUIREMENTS),
        ({}, {"to": PAYER}, {}, Reason.RECIPIENT),
        ({}, {"value": "9999"}, {}, Reason.VALUE),
        ({}, {"value": "10001"}, {}, Reason.VALUE),
    ],
)
def test_the_first_thing_that_does_not_fit_is_named(
    way: dict[str, Any], signed: dict[str, Any], other: dict[str, Any], reason: Reason
):
    assert mismatch(payment(way, signed, **other), REQUIRED, NOW) is reason


@given(st.integers(-100, 100), st.integers(-100, 100))
def test_a_payment_counts_in_its_window_and_leaves_time_for_a_block(after: int, before: int):
    window = {"validAfter": str(NOW + after), "validBefore": str(NOW + before)}

    reason = mismatch(payment({}, window), REQUIRED, NOW)

    too_late = Reason.LATE if before < MARGIN_S else None
    assert reason is (Reason.EARLY if after >= 0 else too_late)


def test_what_settles_a_payment_is_what_was_signed_and_nothing_else():
    call = transfer(payment())

    assert call.to.lower() == TOKEN.lower()
    expected = TRANSFER.encode(
        PAYER, TILL, 10_000, NOW - 11, NOW + 54, bytes.fromhex("f3" * 32), bytes.fromhex("2d" * 65)
    )
    assert (call.data, call.value_wei) == (expected, 0)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_the_token_of_the_mesh_has_what_a_payment_needs(function: Any):
    abi = json.loads(ARTIFACT.read_text())["abi"]
    compiled = {
        f"{entry['name']}({','.join(one['type'] for one in entry['inputs'])})"
        for entry in abi
        if entry["type"] == "function"
    }

    assert function.signature in compiled
