"""References from a step's parameters to earlier results: `{"$ref": "#/steps/<id>/result/…"}`.

A reference stands for a whole value, whose type it keeps. There are no text templates: what an agent
delivered is never spliced into anything. Pointers are JSON Pointers (RFC 6901).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from mesh_shared.canonical import canonical_json

MARK = "$ref"
STEP_ID = r"[a-z0-9][a-z0-9_-]{0,63}"
_POINTER = r"(?:/(?:[^/~]|~[01])*)*"
_TARGET = re.compile(rf"#/(?:steps/(?P<step>{STEP_ID})/result|input|(?P<item>item))(?P<pointer>{_POINTER})")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


class PointerMissing(LookupError):
    """The document has nothing at that pointer."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a reference points: into the result of `step`, or into the run's input when that is None.

    With `is_item` it points into the element for which a `for_each` step works.
    """

    step: str | None
    pointer: str
    is_item: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference at `place`, a pointer into the parameters; `target` is None when it is malformed."""

    place: str
    target: Target | None


def at(document: Any, pointer: str) -> Any:
    """The value at `pointer`. Raises `PointerMissing`. Source: RFC 6901 §4."""
    value = document
    for step in pointer.split("/")[1:]:
        value = _child(value, step.replace("~1", "/").replace("~0", "~"))
    return value


def _child(value: Any, step: str) -> Any:
    match value:
        case dict() if step in value:
            return cast("dict[str, Any]", value)[step]
        case list() if _INDEX.fullmatch(step) and int(step) < len(cast("list[Any]", value)):
            return cast("list[Any]", value)[int(step)]
        case _:
            raise PointerMissing(step)


def joined(pointer: str, step: object) -> str:
    """`pointer` one step deeper, escaped."""
    return f"{pointer}/{str(step).replace('~', '~0').replace('/', '~1')}"


def find(value: Any, place: str = "") -> Iterator[Reference]:
    """Every reference inside `value`, malformed ones included. The nesting must be bounded: see `depth`."""
    if isinstance(value, dict) and MARK in value:
        yield Reference(place, _target(cast("dict[str, Any]", value)))
        return
    for step, child in _children(value):
        yield from find(child, joined(place, step))


def steps(value: Any) -> list[str]:
    """The steps that `value` refers to, each once."""
    targets = (reference.target for reference in find(value))
    return list(dict.fromkeys(target.step for target in targets if target and target.step is not None))


def fill(value: Any, results: Mapping[str, Any], given: Any, item: Any = None) -> Any:
    """`value` with every reference replaced by what it points at: in `results` by step, `given` or `item`.

    Raises `PointerMissing` when a result turned out not to have that place.
    """
    match value:
        case dict():
            members = cast("dict[str, Any]", value)
            target = _target(members) if MARK in members else None
            if target is not None:
                source = item if target.is_item else given
                return at(source if target.step is None else results[target.step], target.pointer)
            return {name: fill(child, results, given, item) for name, child in members.items()}
        case list():
            return [fill(child, results, given, item) for child in cast("list[Any]", value)]
        case _:
            return value


def filled(
    wanted: Mapping[str, Any], results: Mapping[str, Any], given: Any, max_bytes: int
) -> dict[str, Any]:
    """The members of `wanted` with their references replaced, while all of it stays within `max_bytes`.

    A member whose references have nothing to point at is left out, and so is one that would be too much.
    """
    found: dict[str, Any] = {}
    left = max_bytes
    for name, value in wanted.items():
        try:
            member = fill(value, results, given)
        except LookupError:
            continue
        size = len(canonical_json({name: member}))
        if size <= left:
            found[name] = member
            left -= size
    return found


def depth(value: Any) -> int:
    """Levels of nesting: 0 for a scalar. Takes any depth."""
    level, count = [value], -1
    while level:
        count += 1
        level = [child for parent in level for _, child in _children(parent)]
    return count


def _children(value: Any) -> Iterator[tuple[object, Any]]:
    match value:
        case dict():
            yield from cast("dict[str, Any]", value).items()
        case list():
            yield from enumerate(cast("list[Any]", value))
        case _:
            return


def _target(members: Mapping[str, Any]) -> Target | None:
    text = members[MARK]
    found = _TARGET.fullmatch(text) if isinstance(text, str) and len(members) == 1 else None
    return None if found is None else Target(found["step"], found["pointer"], found["item"] is not None)
