"""Globs as Nx writes them, matched in time that a hostile pattern cannot blow up."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import islice

LONGEST = 1000
MOST_CHOICES = 100
"""`{a,b}` multiply; a pattern with more spellings than this is not looked at."""
MOST_CLASSES = 20
"""CPython's fnmatch looks for the end of each `[`, and as far as the pattern goes when it has none."""
_CHOICE = re.compile(r"\{([^{}]*)\}")
_GROUP = re.compile(r"([!*+?@]?)\(([^()]*)\)")
_NEGATION = re.compile(r"^!(?!\()|[^/]!\(")
"""`!a`, and `!(…)` within a name, which no two engines read alike."""
_ESCAPE = re.compile(r"\\(.)")
_SPECIAL = re.compile(r"[*?\[{(\\]")


def matches(glob: str, path: str) -> bool:
    """True when `glob` names the file: `*`, `?`, `[…]` in a folder, `**` across folders, `{a,b}`, `(a|b)`.

    A pattern without any of them names a file, or all that is in a folder. What is negated, or would cost too
    much to follow, names every file; `!(…)`, `+(…)` and `*(…)` any name: to affect too much is the lesser
    evil. Source: nx 24, which is asked for the same in the tests.
    """
    glob = glob.rstrip("/")
    if _is_costly(glob) or _NEGATION.search(glob):
        return True
    if not _SPECIAL.search(glob):
        return path == glob or path.startswith(f"{glob}/")
    patterns, parts = _patterns(glob), path.split("/")
    return len(patterns) > MOST_CHOICES or any(_fits(pattern, parts) for pattern in patterns)


def fits(glob: str, path: str, *, dot: bool = True) -> bool:
    """True when `glob` names exactly this path, as minimatch has it; without `dot`, `*` leaves `.x` alone.

    What would cost too much to follow names nothing.
    """
    patterns = () if _is_costly(glob) else _patterns(glob)
    if len(patterns) > MOST_CHOICES or (not dot and _hides(glob, path)):
        return False
    return any(_fits(pattern, path.split("/")) for pattern in patterns)


def names(pattern: str, name: str) -> bool:
    """True when `pattern` fits a name without folders; what would cost too much to follow names nothing."""
    return not _is_costly(pattern) and fnmatchcase(name, pattern)


def _is_costly(glob: str) -> bool:
    return len(glob) > LONGEST or glob.count("[") > MOST_CLASSES


def _hides(glob: str, path: str) -> bool:
    hidden = {part for part in path.split("/") if part.startswith(".")}
    return not hidden <= set(glob.split("/"))


def effort(glob: str) -> int:
    """How many steps a comparison may take for each folder of a path."""
    return 1 if _is_costly(glob) else sum(map(len, _patterns(glob)))


@lru_cache(maxsize=1024)
def _patterns(glob: str) -> tuple[list[str], ...]:
    plain = _ESCAPE.sub(r"[\1]", glob.replace("[^", "[!"))
    while (fewer := _GROUP.sub(_without_group, plain)) != plain:
        plain = fewer
    return tuple(choice.split("/") for choice in islice(_choices(plain), MOST_CHOICES + 1))


def _without_group(group: re.Match[str]) -> str:
    choices = group[2].replace("|", ",")
    match group[1]:
        case "" | "@":
            return f"{{{choices}}}"
        case "?":
            return f"{{,{choices}}}"
        case _:
            return "*"


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
