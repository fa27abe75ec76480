from eth_abi.abi import encode
from eth_utils.crypto import keccak
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
