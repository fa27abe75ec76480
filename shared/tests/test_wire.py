"""What crosses a wire is exactly what was declared, and amounts and names have one spelling each."""

import math
import re
from datetime import UTC, datetime
from ipaddress import IPv6Address
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.canonical import canonical_json
from mesh_shared.wire import (
    IPV6,
    Address,
    Capability,
    Cid,
    Hex32,
    ReadModel,
    Timestamp,
    Units,
    Uuid,
    WireModel,
    places,
)
from pydantic import TypeAdapter, ValidationError


class Anything(WireModel):
    value: Any


class Order(WireModel):
    count: int = 0
    share: float = 0.0
    text: str = ""
    is_paid: bool = False
    id: Uuid | None = None
    at: Timestamp | None = None
    parts: tuple[Anything, ...] = ()


def faults(**members: object) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        Order.model_validate(members)
    return places(refused.value)


@pytest.mark.parametrize("value", [1e300, -1e300, 2.0**63, 7.0, 0.5, 2**64 - 1])
def test_whatever_number_a_field_takes_has_a_canonical_spelling(value: float):
    taken = Anything.model_validate({"value": value}).value

    assert canonical_json(taken)
    assert taken == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_with_a_fraction_of_zero_is_an_integer_up_to_64_bits(number: float):
    taken = Anything.model_validate({"value": number}).value

    assert taken == number
    assert isinstance(taken, int) is (number.is_integer() and abs(number) < 2**63)


@pytest.mark.parametrize("value", [1.5, "1", True, None, math.nan, math.inf, [1]])
def test_nothing_else_becomes_an_integer(value: object):
    assert faults(count=value) == ["count"]


@pytest.mark.parametrize(
    "members",
    [{"is_paid": 0}, {"is_paid": "true"}, {"text": 7}, {"text": b"7"}, {"share": "0.5"}, {"parts": {}}],
)
def test_a_value_of_another_type_is_not_made_to_fit(members: dict[str, object]):
    assert faults(**members) == list(members)


def test_the_two_types_that_json_has_no_word_for_are_read_from_texts():
    order = Order.model_validate(
        {"id": "8e03978e-40d5-43e8-bc93-6894a57f9324", "at": "2026-03-01T12:00:00+02:00"}
    )

    assert order.id == UUID("8e03978e-40d5-43e8-bc93-6894a57f9324")
    assert order.at == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_member_that_was_not_declared_is_a_misunderstanding():
    assert faults(cuont=1) == ["cuont"]


def test_what_was_sent_is_not_changed_afterwards():
    order = Order(count=1)

    with pytest.raises(ValidationError):
        order.count = 2  # pyright: ignore[reportAttributeAccessIssue] - frozen


def test_faults_are_told_by_place_each_once_in_order_and_without_the_value():
    found = faults(text=7, count="sk-1", parts=({"value": 1}, {"more": "sk-2"}, "sk-3"))

    assert found == ["count", "parts.1.more", "parts.1.value", "parts.2", "text"]


def test_of_somebody_else_s_answer_only_what_we_read_must_fit():
    class Theirs(ReadModel):
        token: str

    assert Theirs.model_validate({"token": "t", "more": 1}) == Theirs(token="t")
    with pytest.raises(ValidationError):
        Theirs.model_validate({"more": 1})


def fits(kind: Any, value: object) -> bool:
    try:
        return TypeAdapter(kind).validate_python(value, strict=True) == value
    except ValidationError:
        return False


@given(st.integers(0, 10**78 - 1))
def test_an_amount_is_its_decimal_digits(units: int):
    assert fits(Units, str(units))


@given(
    st.integers(0, 10**77 - 1),
    st.sampled_from(["0{}", "+{}", "-{}", " {}", "{} ", "{}\n", "{}.0", "{}e0", "{}_0"]),
)
def test_an_amount_has_no_other_spelling(units: int, otherwise: str):
    assert not fits(Units, otherwise.format(units))


@pytest.mark.parametrize("value", ["", "0x10", "\u0661", "\uff11", "1" + "0" * 78, 15, None])
def test_what_is_no_amount_is_refused(value: object):
    assert not fits(Units, value)


def test_every_amount_of_a_contract_has_a_spelling():
    assert fits(Units, str(2**256 - 1))


CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


@pytest.mark.parametrize(
    ("kind", "value", "does"),
    [
        (Hex32, "0x" + "ab" * 32, True),
        (Hex32, "0x" + "AB" * 32, False),
        (Hex32, "0x" + "ab" * 31, False),
        (Hex32, "0x" + "ab" * 33, False),
        (Hex32, "ab" * 33, False),
        (Hex32, "0x" + "ab" * 32 + "\n", False),
        (Address, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", True),
        (Address, "0x" + "f" * 40, True),
        (Address, "0X" + "f" * 40, False),
        (Address, "0x" + "f" * 39, False),
        (Address, "0x" + "g" * 40, False),
        (Cid, CID, True),
        (Cid, CID.upper(), False),
        (Cid, CID[:-1], False),
        (Cid, CID + "=", False),
        (Cid, "z" + CID[1:], False),
        (Capability, "text.summarize", True),
        (Capability, "0/a_b-c", True),
        (Capability, "a" * 128, True),
        (Capability, "a" * 129, False),
        (Capability, "Text", False),
        (Capability, ".text", False),
        (Capability, "te xt", False),
        (Capability, "text\n", False),
        (Capability, "tëxt", False),
    ],
)
def test_a_name_of_a_thing_is_spelled_as_it_is_published(kind: Any, value: str, does: bool):
    assert fits(kind, value) is does


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_is_a_host_of_a_url(address: IPv6Address):
    for text in (str(address), address.exploded):
        assert re.fullmatch(IPV6, f"[{text}]")


@given(st.from_regex(IPV6, fullmatch=True))
def test_a_host_that_looks_like_an_ipv6_address_is_one(host: str):
    assert IPv6Address(host[1:-1])


@pytest.mark.parametrize("host", ["[424]", "[:]", "[1:2]", "[:::]", "[1::2::3]", "[1.2.3.4]", "[::g]", "[]"])
def test_brackets_alone_make_no_ipv6_address(host: str):
    assert re.fullmatch(IPV6, host) is None
