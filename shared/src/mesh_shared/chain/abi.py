"""Functions and events of contracts as values; each service declares just those that it uses.

Source of the encoding rules: the Solidity contract ABI specification. Declared signatures are compared with
the compiled artifacts in `tests/contracts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak


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
        return f"{self.name}({','.join(kind.removesuffix(' indexed') for kind in self.fields.values())})"

    @cached_property
    def topic(self) -> bytes:
        return keccak(text=self.signature)

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """The event's fields by name; an indexed dynamic field yields its hash.

        Solidity lets any bytes be a `string`: those that are no UTF-8 become U+FFFD, so that nobody can
        write a log that stops its readers.
        """
        values = dict(zip(self._plain, decode(self._kinds, data), strict=True))
        values |= {
            n: values[n].decode(errors="replace") for n, kind in self._plain.items() if kind == "string"
        }
        for (name, kind), topic in zip(self._indexed.items(), topics[1:], strict=True):
            values[name] = _from_topic(kind, topic)
        return {name: values[name] for name in self.fields}

    @cached_property
    def _indexed(self) -> dict[str, str]:
        fields = self.fields.items()
        return {name: kind.removesuffix(" indexed") for name, kind in fields if kind.endswith(" indexed")}

    @cached_property
    def _plain(self) -> dict[str, str]:
        return {name: kind for name, kind in self.fields.items() if not kind.endswith(" indexed")}

    @cached_property
    def _kinds(self) -> list[str]:
        return ["bytes" if kind == "string" else kind for kind in self._plain.values()]


def _from_topic(kind: str, topic: bytes) -> Any:
    """Nearly all topics are numbers, accounts and hashes, which need no decoder: it takes 50 us each."""
    if kind.startswith("uint"):
        return int.from_bytes(topic)
    if kind == "address":
        return f"0x{topic[12:].hex()}"
    is_hashed = kind in ("string", "bytes", "bytes32") or kind.endswith("]") or kind.startswith("(")
    return topic if is_hashed else decode([kind], topic)[0]
