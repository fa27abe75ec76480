"""Text that is what it looks like: nothing in it that a machine reads and a person does not see.

What is not is refused; what only may be meant to mislead is flagged.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import cast
from unicodedata import category
from unicodedata import name as name_of

_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
_IN_PROSE = frozenset("\n\r\t\u200c\u200d")
"""Line breaks, tabs, and the two joiners that Persian, Indic scripts and emoji are written with."""
_INJECTION = re.compile(
    r"(ignore|disregard|forget)\s+(all|any|the|your|previous|prior|above|earlier)\b.{0,40}"
    r"(instruction|prompt|rule|message)|system\s+prompt|you\s+are\s+now\b|<\|im_start\|>|\[/?INST\]"
    r"|do\s+not\s+tell\s+the\s+user",
    re.IGNORECASE | re.DOTALL,
)
_LOOK_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


class Flag(StrEnum):
    """What a reader should know before a model reads a stranger's texts, or anything calls his addresses."""

    PROMPT_INJECTION = "prompt-injection"
    MIXED_SCRIPTS = "mixed-scripts"
    PRIVATE_ADDRESS = "private-address"


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


def warnings(said: object) -> list[Flag]:
    """What is suspicious in any text of a JSON value, names of members included."""
    texts = list(_texts(said))
    found: list[Flag] = []
    if any(_INJECTION.search(text) for text in texts):
        found.append(Flag.PROMPT_INJECTION)
    if any(_mixes_scripts(word) for text in texts for word in text.split()):
        found.append(Flag.MIXED_SCRIPTS)
    return found


def _mixes_scripts(word: str) -> bool:
    """Whether one word has letters of two alphabets that look alike (UTS #39)."""
    if word.isascii():
        return False
    scripts = {name_of(letter, "").partition(" ")[0] for letter in word if letter.isalpha()}
    return len(scripts & _LOOK_ALIKE) > 1


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
