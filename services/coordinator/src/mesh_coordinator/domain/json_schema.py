"""Whether a stranger's result fits a JSON Schema (draft 2020-12), without endless work.

Every keyword asks first whether there is time and stack left, patterns run with a limit of their own, and
equal items are found by their canonical spelling. References are followed by us: the library's own way leads
through Rust, where the end of the stack is a panic.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote

from jsonschema import Draft202012Validator, ValidationError, validators
from mesh_shared.canonical import canonical_json

from mesh_coordinator.domain import patterns, references
from mesh_coordinator.domain.patterns import Undecidable
from mesh_coordinator.domain.schema_rules import undeclared

MAX_NESTED = 300
"""Keywords inside keywords. A library of ours lifts Python's own limit, and then the process would end."""
_TOO_DEEP = "the schema nests too deep, or leads in circles"
_EXACT = 2.0**53
_DETAIL_LENGTH = 200

IsLate = Callable[[], bool]
"""True once there is no time left."""
_Check = Callable[[Any, Any, Any, Any], Any]


def first_error(schema: dict[str, Any], instance: Any, is_late: IsLate) -> str | None:
    """Where and why `instance` does not fit `schema`; None when it fits. Raises `Undecidable`.

    `schema` is one in which `schema_rules.faults` finds nothing.
    """
    # At its dialect's name the library would put its own validator in place of ours.
    schema = undeclared(schema)
    validator = _validator(schema, is_late)
    try:
        error: ValidationError | None = next(validator.iter_errors(instance), None)
    except RecursionError:
        raise Undecidable(_TOO_DEEP) from None
    return None if error is None else f"{_pointer(error)}: {error.message}"[:_DETAIL_LENGTH]


def _pointer(error: ValidationError) -> str:
    pointer = ""
    for step in error.absolute_path:
        pointer = references.joined(pointer, step)
    return pointer


def _validator(root: dict[str, Any], is_late: IsLate) -> Any:
    """The draft's validator with an eye on the clock, and without what a stranger could make expensive."""

    def follow(validator: Any, target: str, instance: Any, _: Any) -> Iterator[ValidationError]:
        yield from validator.descend(instance, references.at(root, unquote(target[1:])))

    own = {"$ref": follow, "pattern": _pattern, "uniqueItems": _unique_items}
    keywords = {**Draft202012Validator.VALIDATORS, **own}
    bound = _Bound(is_late)
    bounded = {keyword: bound.to(check) for keyword, check in keywords.items()}
    return cast("Any", validators).extend(Draft202012Validator, bounded)(root)


class _Bound:
    """What all keywords of one validation may take together."""

    def __init__(self, is_late: IsLate) -> None:
        self._is_late = is_late
        self._nested = 0

    def to(self, check: _Check) -> _Check:
        def run(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
            if self._is_late():
                raise Undecidable("the schema takes too long")
            if self._nested >= MAX_NESTED:
                raise Undecidable(_TOO_DEEP)
            self._nested += 1
            try:
                yield from check(validator, value, instance, schema) or ()
            finally:
                self._nested -= 1

        return run


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not patterns.found(pattern, instance):
        yield ValidationError(f"the text does not match {pattern!r}")


def _unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list):
        items = cast("list[Any]", instance)
        if len({canonical_json(_plain(item)) for item in items}) < len(items):
            yield ValidationError("two items are equal")


def _plain(value: Any) -> Any:
    """`value` with 1.0 written as 1: JSON Schema counts them as equal."""
    match value:
        case float() if value.is_integer() and abs(value) < _EXACT:
            return int(value)
        case dict():
            return {name: _plain(child) for name, child in cast("Mapping[str, Any]", value).items()}
        case list():
            return [_plain(child) for child in cast("list[Any]", value)]
        case _:
            return value
