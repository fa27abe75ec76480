import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.canonical import canonical_json, json_hash, read_json

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_the_order_of_members_does_not_matter():
    assert canonical_json({"b": 1, "a": [2]}) == canonical_json({"a": [2], "b": 1}) == b'{"a":[2],"b":1}'


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
