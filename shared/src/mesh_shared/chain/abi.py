"""Functions and events of contracts as values; each service declares just those that it uses.

Source of the encoding rules: the Solidity contract ABI specification. Declared signatures are compared with
the compiled artifacts in `tests/contracts`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

_INDEXED = " indexed"
_WORD = 32
_NUMBER = re.compile(r"(u)?int[0-9]+")

_Read = Callable[[Sequence[bytes], bytes], Any]
"""Of a log's topics and data."""


@dataclass(frozen=True)
class Function:
    """`Function("transfer", ["address", "uint256"], ["bool"])`; structs are written as tuples of types."""

    name: str
    inputs: Sequence[str]
    outputs: Sequence[str] = ()

    @cached_property
    def signature(self) -> str:
        return f"{self.name}({','.join(self.inputs)})"

    @cached_property
    def selector(self) -> bytes:
        return keccak(text=self.signature)[:4]

    def encode(self, *values: Any) -> bytes:
        """Call data for `values`, one per input."""
        return self.selector + encode(self.inputs, values)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The returned values, one per output."""
        return tuple(decode(self.outputs, data))


@dataclass(frozen=True)
class Event:
    """`Event("Transfer", {"from": "address indexed", "to": "address indexed", "value": "uint256"})`."""

    name: str
    fields: Mapping[str, str]

    @cached_property
    def signature(self) -> str:
        return f"{self.name}({','.join(kind.removesuffix(_INDEXED) for kind in self.fields.values())})"

    @cached_property
    def topic(self) -> bytes:
        return keccak(text=self.signature)

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """The event's fields by name; an indexed dynamic field yields its hash.

        Solidity lets any bytes be a `string`: those that are no UTF-8 become U+FFFD, so that nobody can
        write a log that stops its readers. Raises `ValueError` for a log that is shorter than the event.
        """
        if len(topics) <= self._indexed_count:
            raise ValueError(f"{self.name} has more topics")
        return {name: read(topics, data) for name, read in self._readers}

    @cached_property
    def _indexed_count(self) -> int:
        return sum(kind.endswith(_INDEXED) for kind in self.fields.values())

    @cached_property
    def _readers(self) -> Sequence[tuple[str, _Read]]:
        topic, word = count(1), count()
        return [
            (name, _topic_reader(kind.removesuffix(_INDEXED), next(topic)))
            if kind.endswith(_INDEXED)
            else (name, _data_reader(kind, next(word) * _WORD))
            for name, kind in self.fields.items()
        ]


# A tenth of the time of eth_abi's decoders, which check what the compiler saw to, word for word: a registry
# reads millions of logs.


def _topic_reader(kind: str, index: int) -> _Read:
    """Of an indexed field; one that has no fixed size, or an array, is there as its hash."""
    of_word = _of_word(kind) or bytes
    return lambda topics, _: of_word(topics[index])


def _data_reader(kind: str, at: int) -> _Read:
    """Of a field whose word is `at` bytes into the data: itself, or where its length and bytes are."""
    if (of_word := _of_word(kind)) is not None:
        return lambda _, data: of_word(_word(data, at))
    read = _DYNAMIC[kind]
    return lambda _, data: read(data, int.from_bytes(_word(data, at)))


def _of_word(kind: str) -> Callable[[bytes], Any] | None:
    """How a word is read as `kind`; None for what takes more than a word."""
    if (number := _NUMBER.fullmatch(kind)) is not None:
        return _signed if number[1] is None else int.from_bytes
    return {"address": _address, "bool": any, "bytes32": bytes}.get(kind)


def _signed(word: bytes) -> int:
    return int.from_bytes(word, signed=True)


def _address(word: bytes) -> str:
    return f"0x{word[12:].hex()}"


def _word(data: bytes, at: int) -> bytes:
    return _part(data, at, _WORD)


def _part(data: bytes, at: int, length: int) -> bytes:
    part = data[at : at + length]
    if len(part) != length:
        raise ValueError("the data ends too early")
    return part


def _bytes(data: bytes, at: int) -> bytes:
    return _part(data, at + _WORD, int.from_bytes(_word(data, at)))


def _string(data: bytes, at: int) -> str:
    return _bytes(data, at).decode(errors="replace")


def _words(data: bytes, at: int) -> tuple[bytes, ...]:
    count = int.from_bytes(_word(data, at))
    words = _part(data, at + _WORD, count * _WORD)
    return tuple(words[start : start + _WORD] for start in range(0, len(words), _WORD))


_DYNAMIC: Mapping[str, Callable[[bytes, int], Any]] = {
    "bytes": _bytes,
    "string": _string,
    "bytes32[]": _words,
}
"""Those that events of ours have."""
