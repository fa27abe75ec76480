"""Regular expressions from strangers: bounded before they are compiled, and while they run.

The syntax is that which ECMA-262 and the `regex` library share, which JSON Schema recommends too. The library
unrolls fixed repeats when it compiles: `a{100000000}` takes all memory there is.
"""

from math import prod
from typing import Any

import regex

LIMIT_S = 0.02
MAX_LENGTH = 200
MAX_UNROLLED = 20_000
"""Length times the product of all repeat counts."""
_COUNTS = regex.compile(r"\{([0-9]*),?([0-9]*)\}")
_OTHER_GROUP = regex.compile(r"\(\?(?!:|=|!|<=|<!|<[A-Za-z_])")


class Undecidable(Exception):
    """A check could not be carried out: it is neither passed nor failed."""


def fault(pattern: Any) -> str | None:
    """What is wrong with a pattern; None when it can be used."""
    if not isinstance(pattern, str) or len(pattern) > MAX_LENGTH:
        return f"a pattern is a text of at most {MAX_LENGTH} characters"
    if _OTHER_GROUP.search(pattern):
        return "only the groups of ECMA-262 are supported: (?:…) (?=…) (?!…) (?<=…) (?<!…) (?<name>…)"
    if len(pattern) * prod(_counts(pattern)) > MAX_UNROLLED:
        return "the pattern repeats too often"
    try:
        regex.compile(pattern)
    except regex.error as error:
        return f"no regular expression: {error}"
    return None


def found(pattern: str, text: str) -> bool:
    """True when `pattern`, which has no fault, is found in `text`. Raises `Undecidable` after 20 ms."""
    try:
        return regex.search(pattern, text, timeout=LIMIT_S) is not None
    except TimeoutError:
        raise Undecidable("a pattern takes too long") from None


def _counts(pattern: str) -> list[int]:
    """The larger number of every `{n}`, `{n,}` and `{n,m}`."""
    bounds = (match.groups() for match in _COUNTS.finditer(pattern))
    return [max(1, int(low or 0), int(high or 0)) for low, high in bounds]
