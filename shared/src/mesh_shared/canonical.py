"""One spelling per JSON value, so that equal values have equal hashes."""

from typing import Any

import orjson
from eth_utils.crypto import keccak


def canonical_json(value: Any) -> bytes:
    """Compact UTF-8 JSON with sorted keys. Raises `TypeError` for what JSON has no word for."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def json_hash(value: Any) -> bytes:
    """Keccak-256 of the canonical JSON: 32 bytes, as contracts take it."""
    return keccak(canonical_json(value))
