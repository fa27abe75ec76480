"""One spelling per JSON value and one value per spelling, so that equal values have equal hashes."""

import json
from typing import Any

import orjson
from eth_hash.auto import keccak


def canonical_json(value: Any) -> bytes:
    """Compact UTF-8 JSON with sorted keys. Raises `TypeError` for what JSON has no word for."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def json_hash(value: Any) -> bytes:
    """Keccak-256 of the canonical JSON: 32 bytes, as contracts take it."""
    return keccak(canonical_json(value))


def read_json(data: bytes) -> Any:
    """The one value that `data` spells in JSON.

    RFC 8259 without NaN, lone surrogates and endless nesting, and no name twice in an object (RFC 7493 §2.3):
    of two readers of such a text, one may believe the first and one the last.

    Raises `ValueError`.
    """
    value = orjson.loads(data)
    try:
        is_as_we_write = orjson.dumps(value) == data
    except orjson.JSONEncodeError:
        raise ValueError("nested too deep") from None
    if not is_as_we_write:  # text that comes back as it was has no name twice
        json.loads(data, object_pairs_hook=_names_once)
    return value


def _names_once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name twice in one object")
