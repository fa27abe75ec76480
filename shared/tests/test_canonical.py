from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.canonical import canonical_json, json_hash

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
