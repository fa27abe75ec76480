"""What Go's yaml.v3 makes of a scalar: the types of YAML 1.2 with the leftovers of 1.1 that it keeps.

Source: gopkg.in/yaml.v3 v3.0.1, resolve.go and decode.go, with which Akash's compiler reads SDL.
"""

import re
from base64 import b64decode
from dataclasses import dataclass

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
MAX_UINT32 = 2**32 - 1
_TRUE, _FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
# YAML 1.1's, read as flags only where a flag is expected, with quotes or without
_YES = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
_NO = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF"})
_WHOLE = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)|0[oO]?(?P<octal>[0-7]+)"
    r"|(?P<decimal>0|[1-9][0-9]*))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST = 64
"""Digits that are looked at; more are no number that anything here could mean."""
_TYPES: dict[str, type | tuple[type, ...]] = {"!!int": int, "!!float": (int, float), "!!bool": bool}
_UNREAD = frozenset({"!!null", "!!timestamp"})
_BINARY = "!!binary"


@dataclass(slots=True)
class Scalar:
    """A value as it is written; `is_plain` when without quotes, `tag` the short one that it has, if any.

    Nobody changes one, but what is frozen takes three times as long to make; a document makes hundreds.
    """

    value: str
    is_plain: bool
    tag: str = ""

    @property
    def is_null(self) -> bool:
        """True for YAML's spellings of nothing."""
        return self.is_plain and not self.tag and self.value in NULLS

    @property
    def is_readable(self) -> bool:
        """False when its tag says something else than what is written; unknown ones say nothing."""
        if not self.tag:
            return True
        wanted = _TYPES.get(self.tag)
        is_typed = wanted is None or isinstance(self._plain(), wanted)
        return is_typed and self.tag not in _UNREAD and self.text is not None

    @property
    def text(self) -> str | None:
        """As a Go `string`: what is written, whatever its type; None for `!!binary` that is no text."""
        if self.tag != _BINARY:
            return self.value
        try:
            return b64decode("".join(self.value.split("\n")), validate=True).decode()
        except ValueError:
            return None

    def uint32(self) -> int | None:
        """As a Go `uint32`: floats lose their fraction, quoted numbers are none. None if it does not fit."""
        number = None if self._is_text else self._plain()
        if isinstance(number, bool) or not isinstance(number, int | float):
            return None
        return int(number) if -1 < number < MAX_UINT32 + 1 else None

    def flag(self) -> bool | None:
        """As a Go `bool`; None when it is none."""
        if not self._is_text and self.value in _TRUE | _FALSE:
            return self.value in _TRUE
        if self.value in _YES | _NO:
            return self.value in _YES
        return None

    @property
    def _is_text(self) -> bool:
        return self.tag not in ("", "!", *_TYPES) or (not self.is_plain and self.tag not in _TYPES)

    def _plain(self) -> int | float | bool | str:
        text = self.value
        if text in _TRUE | _FALSE:
            return text in _TRUE
        digits = text.replace("_", "") if text[:1].isdigit() or text[:1] in ("+", "-") else text
        if not text or len(digits) > _LONGEST:
            return text
        if whole := _WHOLE.fullmatch(digits):
            base = str(whole.lastgroup)
            return int(whole["sign"] + whole[base], _BASES[base])
        return float(digits) if _FLOAT.fullmatch(digits) else text
