"""Amounts as an SDL spells them, read as Akash's compiler reads them (go/sdl/units.go, coin.go)."""

import math
import re
from decimal import Decimal

_DIGITS, _HEX = r"[0-9]+(?:_[0-9]+)*", r"_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
_DECIMAL = rf"(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})"
_BINARY = rf"0[xX]{_HEX}(?:\.(?:{_HEX})?)?[pP][-+]?[0-9]{{1,3}}"
_FLOAT = rf"\+?(?:{_BINARY}|{_DECIMAL}(?:[eE][-+]?[0-9]{{1,3}})?|(?i:inf(?:inity)?|nan))"
"""Go's strconv.ParseFloat without negative numbers, which are refused anyway."""
_CPU = re.compile(rf"(?:(?P<milli>[0-9]+)m|(?P<units>{_FLOAT}))")
_SIZE = re.compile(rf"(?P<number>{_FLOAT})(?P<suffix>[A-Za-z]*)")
_NEARLY_A_SIZE = re.compile(rf"(?P<number>{_DECIMAL}) ?(?P<letter>[kmgt])i?b?", re.IGNORECASE)
_PRICE = re.compile(r"(?:\+|--)?(?P<amount>[0-9]{1,60}(\.[0-9]{1,18})?)")
_UNITS = re.compile(r"[0-9]{1,20}")
_DURATION = re.compile(r"(?P<number>[0-9]{1,18}\.?[0-9]{0,18}|\.[0-9]{1,18})(?P<unit>ns|us|µs|μs|ms|s|m|h)")
_NANOSECONDS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6,
    "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_MAX_INT64, _MAX_UINT32, _MAX_UINT64 = 2**63 - 1, 2**32 - 1, 2**64 - 1
_SUFFIXES = {
    "": 1,
    **{letter: 1000**power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)},
}
_LONGEST = 64
"""More digits than any limit has; keeps the arithmetic bounded."""


class NotAQuantity(ValueError):
    """The text is no amount; `hint` says how to write one."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def cpu_millis(text: str) -> int:
    """Thousandths of a CPU: `500m` and `0.5` are 500, the rest is cut off.

    The same float arithmetic as Akash's (go/sdl/units.go), because its hash depends on it.
    Raises `NotAQuantity`.
    """
    match = _CPU.fullmatch(text)
    if match is None or len(text) > _LONGEST:
        raise NotAQuantity("not an amount of CPU.", "Write 500m or 0.5.")
    if match["units"]:
        return _whole(_float(match["units"]) * 1000) & _MAX_UINT32
    if (millis := int(match["milli"])) > _MAX_UINT32:
        raise NotAQuantity("not an amount of CPU.", "Write 500m or 0.5.")
    return millis


def size_bytes(text: str) -> int:
    """Bytes: `512Mi` is 512 * 2**20, `1G` is 10**9, the fraction beyond is cut off.

    The same float arithmetic as Akash's (go/sdl/units.go). Raises `NotAQuantity`.
    """
    match = _SIZE.fullmatch(text)
    if match is None or match["suffix"] not in _SUFFIXES or len(text) > _LONGEST:
        raise NotAQuantity("not a size that Akash reads.", _size_hint(text))
    return _whole(_float(match["number"]) * _SUFFIXES[match["suffix"]])


def gpu_memory(text: str) -> int:
    """Bytes of a GPU's memory, with binary suffixes only (go/sdl/units.go). Raises `NotAQuantity`."""
    if text[-1:] in ("k", "M", "G", "T", "P", "E"):
        raise NotAQuantity("not a size that Akash reads.", _size_hint(text))
    return size_bytes(text)


def gpu_units(text: str) -> int:
    """How many GPUs: digits only. Raises `NotAQuantity`."""
    if not _UNITS.fullmatch(text) or int(text) > _MAX_UINT64:
        raise NotAQuantity("not a number of GPUs.", "Write a whole number such as 1.")
    return int(text)


def price(text: str) -> Decimal:
    """A positive price with at most 18 decimals, in base units per block. Raises `NotAQuantity`.

    Source: LegacyNewDecFromStr of cosmossdk.io/math, go/sdl/coin.go.
    """
    match = _PRICE.fullmatch(text)
    if match is None or not (amount := Decimal(match["amount"])):
        raise NotAQuantity("not a price above zero.", "Write a number such as 100 or 0.75.")
    return amount


def nanoseconds(text: str) -> int:
    """A duration above zero as Go's time.ParseDuration reads it: `1h30m`, `1.5h`. Raises `NotAQuantity`."""
    parts = list(_DURATION.finditer(text.removeprefix("+"))) if len(text) <= _LONGEST else []
    total = sum(int(Decimal(part["number"]) * _NANOSECONDS[part["unit"]]) for part in parts)
    if "".join(part[0] for part in parts) != text.removeprefix("+") or not 0 < total <= _MAX_INT64:
        raise NotAQuantity("not a duration above zero.", "Write a number and s, m or h, such as 24h.")
    return total


def spelled(size: int) -> str:
    """`size` bytes with the largest binary suffix that is exact: 536870912 is `512Mi`."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        if size % _SUFFIXES[suffix] == 0:
            return f"{size // _SUFFIXES[suffix]}{suffix}"
    return str(size)


def _float(text: str) -> float:
    """Raises `NotAQuantity` for a number of digits that is too large for a float."""
    try:
        number = float.fromhex(text.replace("_", "")) if "x" in text.lower() else float(text)
    except OverflowError:
        number = math.inf
    if math.isinf(number) and "n" not in text.lower():
        raise NotAQuantity("too large.", "Write less.")
    return number


def _whole(number: float) -> int:
    """Without its fraction, as Go converts to `uint64` on amd64: 2**63 for all that does not fit."""
    return int(number) if number < _MAX_UINT64 else _MAX_INT64 + 1


def _size_hint(text: str) -> str:
    if meant := _NEARLY_A_SIZE.fullmatch(text):
        return f"Write {meant['number']}{meant['letter'].upper()}i."
    return "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."
