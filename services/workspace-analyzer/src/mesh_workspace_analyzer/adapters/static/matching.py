"""The projects that a pattern of Nx names: by name, `tag:…`, `directory:…`, with `!` for exceptions."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mesh_workspace_analyzer.adapters.documents import strings
from mesh_workspace_analyzer.domain.globs import fits

Projects = Mapping[str, Mapping[str, Any]]
_IS_GLOB = re.compile(r"[*|{}()\[]")
_TYPES = ("name", "tag", "directory", "unlabeled")


def matching(patterns: Sequence[str], projects: Projects) -> list[str]:
    """The names of the projects; the first pattern, when it excludes, starts from all (nx 24)."""
    found: dict[str, None] = dict.fromkeys(projects if patterns and patterns[0].startswith("!") else ())
    for pattern in filter(None, patterns):
        named = _named(pattern.removeprefix("!"), projects)
        if pattern.startswith("!"):
            found = {name: None for name in found if name not in set(named)}
        else:
            found |= dict.fromkeys(named)
    return list(found)


def _named(pattern: str, projects: Projects) -> Iterable[str]:
    kind, _, value = pattern.partition(":")
    if pattern in projects:
        return [pattern]
    if kind not in _TYPES or not value:
        kind, value = "unlabeled", pattern
    if value == "*":
        return list(projects)
    match kind:
        case "tag":
            return [name for name in projects if _has_tag(value, strings(projects[name].get("tags")))]
        case "directory":
            return _in_folder(value, projects)
        case "name":
            return list(_by_name(value, projects))
        case _:
            return list(_by_name(value, projects)) or _in_folder(value, projects)


def _by_name(value: str, projects: Projects) -> Iterator[str]:
    if value in projects:
        yield value
    elif _IS_GLOB.search(value):
        yield from (name for name in projects if fits(value, name))
    else:
        # Nx takes a part of a name for the name, as long as it ends where a word does.
        part = re.compile(rf"(?<![@a-zA-Z0-9-]){re.escape(value)}(?![@a-zA-Z0-9-])", re.IGNORECASE)
        yield from (name for name in projects if part.search(name))


def _in_folder(value: str, projects: Projects) -> list[str]:
    return [name for name in projects if fits(value, str(projects[name].get("root", "")))]


def _has_tag(value: str, tags: Sequence[str]) -> bool:
    return value in tags or (bool(_IS_GLOB.search(value)) and any(fits(value, tag) for tag in tags))
