from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st
from mesh_shared.chain.abi import Event, Function

NAMED = Event(
    "Named", {"id": "uint256 indexed", "name": "string", "tags": "bytes32[]", "key": "string indexed"}
)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_an_event_is_read_by_name_and_an_indexed_text_as_its_hash():
    data = encode(["string", "bytes32[]"], ["käthe", [word(1)]])

    fields = NAMED.decode([NAMED.topic, word(7), keccak(text="k")], data)

    assert fields == {"id": 7, "name": "käthe", "tags": (word(1),), "key": keccak(text="k")}
    assert list(fields) == list(NAMED.fields)


def test_a_text_that_is_no_utf_8_does_not_stop_its_reader():
    data = encode(["bytes", "bytes32[]"], [b"a\xff\xfe", []])

    assert NAMED.decode([NAMED.topic, word(7), word(0)], data)["name"] == "a\ufffd\ufffd"


def test_call_data_starts_with_the_selector_of_the_signature():
    transfer = Function("transfer", ["address", "uint256"], ["bool"])

    assert transfer.encode("0x" + "11" * 20, 5) == bytes.fromhex("a9059cbb") + bytes(
        12
    ) + b"\x11" * 20 + word(5)
    assert transfer.decode(word(1)) == (True,)


KINDS: dict[str, st.SearchStrategy[Any]] = {
    "uint256": st.integers(0, 2**256 - 1),
    "uint8": st.integers(0, 255),
    "int128": st.integers(-(2**127), 2**127 - 1),
    "address": st.binary(min_size=20, max_size=20).map(lambda data: f"0x{data.hex()}"),
    "bool": st.booleans(),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes": st.binary(max_size=100),
    "string": st.text(max_size=100),
    "bytes32[]": st.lists(st.binary(min_size=32, max_size=32), max_size=5).map(tuple),
}
fields = st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=8).flatmap(
    lambda kinds: st.tuples(st.just(kinds), st.tuples(*(KINDS[kind] for kind in kinds)))
)


@given(fields)
def test_whatever_an_event_says_is_read_as_it_was_written(said: tuple[list[str], tuple[Any, ...]]):
    kinds, values = said
    event = Event("Said", {f"f{n}": kind for n, kind in enumerate(kinds)})

    read = event.decode([event.topic], encode(kinds, values))

    assert tuple(read.values()) == values


@given(st.sampled_from(["uint256", "uint8", "int128", "address", "bool", "bytes32"]), st.data())
def test_a_topic_is_read_as_the_word_that_it_is(kind: str, data: st.DataObject):
    event, value = Event("Said", {"it": f"{kind} indexed"}), data.draw(KINDS[kind])

    assert event.decode([event.topic, encode([kind], [value])], b"") == {"it": value}


@given(fields, st.data())
def test_a_log_that_ends_too_early_is_refused(said: tuple[list[str], tuple[Any, ...]], data: st.DataObject):
    kinds, values = said
    event = Event("Said", {f"f{n}": kind for n, kind in enumerate(kinds)})
    whole = encode(kinds, values)
    behind = [kind for kind in kinds if kind in ("bytes", "string", "bytes32[]")]  # the fields, in this order
    padding = 32 * (behind[-1:] in (["bytes"], ["string"]))  # of the last text: nobody needs it
    left = data.draw(st.integers(0, max(0, len(whole) - padding - 1)))

    with pytest.raises(ValueError, match="too early"):
        event.decode([event.topic], whole[:left])


def test_a_log_without_all_its_topics_is_refused():
    with pytest.raises(ValueError, match="more topics"):
        NAMED.decode([NAMED.topic, word(7)], encode(["string", "bytes32[]"], ["", []]))


def test_a_length_beyond_all_data_takes_no_memory():
    data = word(64) + word(96) + word(2**255)

    with pytest.raises(ValueError, match="too early"):
        NAMED.decode([NAMED.topic, word(7), word(0)], data)
