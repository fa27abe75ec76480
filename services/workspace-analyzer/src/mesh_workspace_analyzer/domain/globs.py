"""Globs as Nx writes them, matched in time that a hostile pattern cannot blow up."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import islice

LONGEST = 1000
MOST_CHOICES = 100
"""`{a,b}` multiply; more spellings than this are not looked at."""
_CHOICE = re.compile(r"\{([^{}]*)\}")


def matches(glob: str, path: str) -> bool:
    """True when `glob` names the file: `*`, `?` and `[…]` within a folder, `**` across folders, `{a,b}`.

    A pattern of more than 1000 characters names every file: to affect too much is the lesser evil.
    """
    if len(glob) > LONGEST:
        return True
    parts = path.split("/")
    return any(_fits(pattern, parts) for pattern in _patterns(glob))


@lru_cache(maxsize=1024)
def _patterns(glob: str) -> tuple[list[str], ...]:
    return tuple(choice.split("/") for choice in islice(_choices(glob), MOST_CHOICES))


def _choices(glob: str) -> Iterator[str]:
    if (found := _CHOICE.search(glob)) is None:
        yield glob
        return
    for choice in found[1].split(","):
        yield from _choices(glob[: found.start()] + choice + glob[found.end() :])


def _fits(pattern: list[str], parts: list[str]) -> bool:
    """Walks the pattern once, with every place in the path that it may have led to."""
    places = {0}
    for part in pattern:
        if part == "**":
            places = set(range(min(places), len(parts) + 1))
        else:
            places = {place + 1 for place in places if place < len(parts) and fnmatchcase(parts[place], part)}
        if not places:
            return False
    return len(parts) in places
