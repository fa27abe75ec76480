"""What can be run for a project, and what has to run before it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """Something that a tool can run for a project; with `cache` it is not run again for equal inputs.

    Of `depends_on`, `^build` is that target of every project that is needed, `build` one of the same project,
    `web:build` one of project `web`. The names of projects and targets may be globs, projects also `tag:…`.
    Source: nx 24, `dependsOn`.
    """

    name: str
    depends_on: tuple[str, ...] = ()
    cache: bool = False


def depends_on(given: Iterable[Any]) -> tuple[str, ...]:
    """Nx's `dependsOn` in its short form. What is no entry of one is left out, as is what a list excludes
    (`!…`): rather one task too many is waited for."""
    return tuple(dict.fromkeys(entry for one in given for entry in _short(one)))


def _short(given: Any) -> Iterator[str]:
    match given:
        case str():
            yield given
        case {"target": str(target), "projects": str(project)}:
            yield f"{project}:{target}"
        case {"target": str(target), "projects": [*projects]}:
            yield from (f"{name}:{target}" for name in projects if isinstance(name, str) and name[:1] != "!")
        case {"target": str(target), "dependencies": True}:
            yield f"^{target}"
        case {"target": str(target)}:
            yield target
        case _:
            pass
