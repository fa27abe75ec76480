"""One spelling per JSON value and one value per spelling, so that equal values have equal hashes."""

import json
from contextlib import suppress
from decimal import Decimal
from math import isfinite
from typing import Any, cast

import orjson
from eth_hash.auto import keccak

LONGEST_INTEGER = 21
SMALLEST_FRACTION = -6
"""ECMAScript writes numbers beyond these with an exponent."""


def canonical_json(value: Any) -> bytes:
    """Compact UTF-8 JSON with sorted keys. Raises `TypeError` for what JSON has no word for."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def json_hash(value: Any) -> bytes:
    """Keccak-256 of the canonical JSON: 32 bytes, as contracts take it."""
    return keccak(canonical_json(value))


def jcs(value: Any) -> bytes:
    """JSON Canonicalization Scheme (RFC 8785): names in UTF-16 order, numbers as ECMAScript writes them.

    Raises `ValueError` for a number that is none there.
    """
    match value:
        case dict():
            said = cast("dict[str, Any]", value)
            members = sorted(said.items(), key=lambda member: member[0].encode("utf-16-be"))
            return b"{" + b",".join(orjson.dumps(name) + b":" + jcs(item) for name, item in members) + b"}"
        case list():
            return b"[" + b",".join(jcs(item) for item in cast("list[Any]", value)) + b"]"
        case bool() | str() | None:
            return orjson.dumps(value)
        case _:
            return _ecmascript(_double(value)).encode()


def _double(value: Any) -> float:
    with suppress(OverflowError):
        if isfinite(number := float(value)):
            return number
    raise ValueError("not a number of JSON")


def _ecmascript(number: float) -> str:
    """ECMA-262, Number::toString; `point` is how many of the digits are before the decimal point."""
    if number == 0:
        return "0"
    sign, figures, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits, minus = "".join(map(str, figures)), "-" * sign
    point = len(digits) + int(exponent)
    if 0 < point <= LONGEST_INTEGER:
        whole = digits[:point].ljust(point, "0")
        return f"{minus}{whole}.{digits[point:]}".rstrip(".")
    if SMALLEST_FRACTION < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    return f"{minus}{digits[0]}.{digits[1:]}".rstrip(".") + f"e{point - 1:+d}"


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
