"""Amounts as an SDL spells them."""

import re
from decimal import Decimal

_DECIMAL = r"([0-9]+\.?[0-9]*|\.[0-9]+)"
_CPU = re.compile(rf"(?:(?P<milli>[0-9]+)m|(?P<units>{_DECIMAL}))")
_SIZE = re.compile(rf"(?P<number>{_DECIMAL})(?P<suffix>[A-Za-z]*)")
_NEARLY_A_SIZE = re.compile(rf"(?P<number>{_DECIMAL})(?P<letter>[kmgt])i?b?", re.IGNORECASE)
_PRICE = re.compile(r"[0-9]{1,30}(\.[0-9]{1,18})?")
_SUFFIXES = {
    "": 1,
    **{letter: 1000**power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)},
}
_DIGITS = 30
"""More digits than any limit has; keeps the arithmetic bounded."""


class NotAQuantity(ValueError):
    """The text is no amount; `hint` says how to write one."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def cpu_millis(text: str) -> int:
    """Thousandths of a CPU: `500m` and `0.5` are 500, the fraction beyond is cut off.

    The same float arithmetic as Akash's (go/sdl/units.go), because its hash depends on it.
    Raises `NotAQuantity`.
    """
    match = _CPU.fullmatch(text)
    if match is None or len(text) > _DIGITS:
        raise NotAQuantity("not an amount of CPU.", "Write 500m or 0.5.")
    return int(match["milli"]) if match["milli"] else int(float(match["units"]) * 1000)


def size_bytes(text: str) -> int:
    """Bytes: `512Mi` is 512 * 2**20, `1G` is 10**9, the fraction beyond is cut off.

    The same float arithmetic as Akash's (go/sdl/units.go). Raises `NotAQuantity`.
    """
    match = _SIZE.fullmatch(text)
    if match is None or match["suffix"] not in _SUFFIXES or len(text) > _DIGITS:
        raise NotAQuantity("not a size that Akash reads.", _size_hint(text))
    return int(float(match["number"]) * _SUFFIXES[match["suffix"]])


def price(text: str) -> Decimal:
    """A positive price with at most 18 decimals, in base units per block. Raises `NotAQuantity`."""
    if not _PRICE.fullmatch(text) or not Decimal(text):
        raise NotAQuantity("not a price above zero.", "Write a number such as 100 or 0.75.")
    return Decimal(text)


def spelled(size: int) -> str:
    """`size` bytes with the largest binary suffix that is exact: 536870912 is `512Mi`."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        if size % _SUFFIXES[suffix] == 0:
            return f"{size // _SUFFIXES[suffix]}{suffix}"
    return str(size)


def _size_hint(text: str) -> str:
    if meant := _NEARLY_A_SIZE.fullmatch(text):
        return f"Write {meant['number']}{meant['letter'].upper()}i."
    return "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."
