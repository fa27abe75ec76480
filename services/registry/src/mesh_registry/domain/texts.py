"""Text that is what it looks like: nothing in it that a machine reads and a person does not see."""

from collections.abc import Iterator
from typing import cast
from unicodedata import category

_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
_IN_PROSE = frozenset("\n\r\t\u200c\u200d")
"""Line breaks, tabs, and the two joiners that Persian, Indic scripts and emoji are written with."""


def unseen_in_name(name: str) -> str | None:
    """The first character of a name that shows nothing, such as `U+202E`; None when all of them show."""
    return _first_unseen(name, frozenset())


def unseen_in(value: object) -> str | None:
    """The first such character in any text of a JSON value, names of members included.

    Unseen are controls, bidirectional overrides, zero-width and tag characters: Unicode's categories Cc, Cf,
    Zl and Zp (UAX #44). Prose may have line breaks, tabs and U+200C, U+200D.
    """
    found = (_first_unseen(text, _IN_PROSE) for text in _texts(value))
    return next((character for character in found if character is not None), None)


def _first_unseen(text: str, allowed: frozenset[str]) -> str | None:
    if text.isprintable():
        return None
    unseen = (c for c in text if category(c) in _UNSEEN and c not in allowed)
    return next((f"U+{ord(c):04X}" for c in unseen), None)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in cast("list[object]", value):
                yield from _texts(item)
        case dict():
            for name, item in cast("dict[str, object]", value).items():
                yield name
                yield from _texts(item)
        case _:
            return
