import json
import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_shared.canonical import canonical_json, jcs, json_hash, read_json

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_the_order_of_members_does_not_matter():
    assert canonical_json({"b": 1, "a": [2]}) == canonical_json({"a": [2], "b": 1}) == b'{"a":[2],"b":1}'


@settings(max_examples=50)
@given(values, values)
def test_different_values_have_different_hashes(one: object, other: object):
    assert (json_hash(one) == json_hash(other)) == (canonical_json(one) == canonical_json(other))


@given(values, st.sampled_from([None, 2]), st.booleans())
def test_however_a_value_is_written_it_is_read(value: object, indent: int | None, ensure_ascii: bool):
    assert read_json(json.dumps(value, indent=indent, ensure_ascii=ensure_ascii).encode()) == value


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'[{"b":{"a":1,"c":2,"a":3}}]',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b"[" * 5000,
        b"[ " * 1000 + b"]" * 1000,
        b'{"a":\xff}',
        b"",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(data: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - from two parsers, each with words of its own
        read_json(data)


# RFC 8785, appendix B
NUMBERS = {
    0x0000000000000000: "0",
    0x8000000000000000: "0",
    0x0000000000000001: "5e-324",
    0x8000000000000001: "-5e-324",
    0x7FEFFFFFFFFFFFFF: "1.7976931348623157e+308",
    0x4340000000000000: "9007199254740992",
    0xC340000000000000: "-9007199254740992",
    0x4430000000000000: "295147905179352830000",
    0x44B52D02C7E14AF5: "9.999999999999997e+22",
    0x44B52D02C7E14AF6: "1e+23",
    0x444B1AE4D6E2EF4E: "999999999999999700000",
    0x444B1AE4D6E2EF50: "1e+21",
    0x3EB0C6F7A0B5ED8C: "9.999999999999997e-7",
    0x3EB0C6F7A0B5ED8D: "0.000001",
    0x41B3DE4355555553: "333333333.3333332",
    0xBECBF647612F3696: "-0.0000033333333333333333",
    0x43143FF3C1CB0959: "1424953923781206.2",
}


def test_a_number_is_written_as_ecmascript_writes_it():
    written = {bits: jcs(struct.unpack(">d", struct.pack(">Q", bits))[0]).decode() for bits in NUMBERS}

    assert written == NUMBERS


def test_names_are_in_the_order_of_utf_16():
    """RFC 8785 §3.2.3: the emoji's first surrogate comes before U+FB33, and its code point after it."""
    value = {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7}

    assert list(json.loads(jcs(value))) == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


def test_a_canonical_value_is_one_line_of_the_same_value():
    value = {"b": [True, None, "é\n\x1f"], "a": {"d": {}, "c": []}}

    assert jcs(value) == b'{"a":{"c":[],"d":{}},"b":[true,null,"\xc3\xa9\\n\\u001f"]}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 10**400])
def test_what_is_no_number_of_json_has_no_canonical_form(number: float):
    with pytest.raises(ValueError, match="number"):
        jcs([number])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_back_as_itself_and_written_the_same_again(number: float):
    written = jcs(number)

    assert float(written) == number
    assert jcs(float(written)) == written


def named(names: list[str]) -> dict[str, int]:
    return {name: len(name) for name in names}


@given(st.lists(st.text(), unique=True), st.randoms(use_true_random=False))
def test_the_order_in_which_members_came_leaves_no_trace(names: list[str], random: Random):
    other = list(names)
    random.shuffle(other)

    assert jcs(named(names)) == jcs(named(other))
    assert canonical_json(named(names)) == canonical_json(named(other))


ordinary = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(alphabet=st.characters(max_codepoint=127)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
    max_leaves=10,
)


@settings(max_examples=50)
@given(ordinary)
def test_the_two_canonical_forms_differ_only_in_what_is_rare(value: object):
    """In names beyond the Basic Multilingual Plane, and in numbers that are not whole."""
    assert canonical_json(value) == jcs(value)


@settings(max_examples=50)
@given(ordinary)
def test_a_canonical_text_is_read_and_written_as_itself(value: object):
    text = jcs(value)

    assert jcs(read_json(text)) == text
    assert read_json(text) == value


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", {1: "a"}])
def test_what_json_has_no_word_for_has_no_canonical_form(value: object):
    with pytest.raises(TypeError):
        canonical_json(value)


@pytest.mark.parametrize(
    ("value", "digest"),
    [
        (0, "044852b2a670ade5407e78fb2863c51de9fcb96542a07186fe3aeda6bb8a116d"),
        (1, "c89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6"),
    ],
)
def test_a_hash_is_the_one_that_solidity_has_for_the_text(value: int, digest: str):
    assert json_hash(value).hex() == digest
