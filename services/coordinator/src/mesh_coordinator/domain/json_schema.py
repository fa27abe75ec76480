"""JSON Schema (draft 2020-12) for strangers' results: no remote references, no endless work.

Patterns run with a time limit, references are followed while there is time, and equal items are found by their
canonical spelling: neither a schema nor a result can hold the verifier up.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import regex
from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.exceptions import SchemaError
from mesh_shared.canonical import canonical_json
from referencing import Registry
from referencing.exceptions import Unresolvable

from mesh_coordinator.domain import references
from mesh_coordinator.domain.references import PointerMissing, joined

PATTERN_LIMIT_S = 0.02
MAX_PATTERN_LENGTH = 200
MAX_DEPTH = 32
_NOT_SUPPORTED = ("patternProperties", "$schema", "$dynamicRef", "$dynamicAnchor", "$anchor", "$id")
_MAPS_OF_SCHEMAS = ("properties", "$defs", "definitions", "dependentSchemas")
_DATA = ("enum", "const", "default", "examples", "dependentRequired")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EXACT = 2.0**53
_DETAIL_LENGTH = 200

IsLate = Callable[[], bool]
"""True once there is no time left."""


class Undecidable(Exception):
    """The check could not be carried out: it is neither passed nor failed."""


def matches(pattern: str, text: str) -> bool:
    """True when `pattern` is found in `text`. Raises `Undecidable` after 20 ms."""
    try:
        return regex.search(pattern, text, timeout=PATTERN_LIMIT_S) is not None
    except TimeoutError:
        raise Undecidable("a pattern takes too long") from None


def pattern_fault(pattern: Any) -> str | None:
    """What is wrong with a pattern; None when it can be used."""
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN_LENGTH:
        return f"a pattern is a text of at most {MAX_PATTERN_LENGTH} characters"
    try:
        regex.compile(pattern)
    except regex.error as error:
        return f"no regular expression: {error}"
    return None


def faults(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pointer and reason of each place that makes `schema` unusable; none when it can be used."""
    if references.depth(schema) > MAX_DEPTH:
        yield "", f"nested deeper than {MAX_DEPTH} levels"
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield _pointer(error), error.message[:_DETAIL_LENGTH]
        return
    if schema.get("$schema", _DIALECT) != _DIALECT:
        yield "/$schema", f"only {_DIALECT} is spoken here"
    for place, keyword, value in _keywords(_undeclared(schema), ""):
        if (fault := _keyword_fault(schema, keyword, value)) is not None:
            yield joined(place, keyword), fault


def first_error(schema: dict[str, Any], instance: Any, is_late: IsLate) -> str | None:
    """Where and why `instance` does not fit `schema`; None when it fits. Raises `Undecidable`."""
    try:
        validator = _validator(is_late)(_undeclared(schema), registry=Registry())
        error = next(validator.iter_errors(instance), None)
    except (RecursionError, Unresolvable):
        raise Undecidable("the schema leads in circles") from None
    return None if error is None else f"{_pointer(error)}: {error.message}"[:_DETAIL_LENGTH]


def _undeclared(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` without its dialect, at whose name the library would put its own validator in place of ours."""
    return {keyword: value for keyword, value in schema.items() if keyword != "$schema"}


def _pointer(error: ValidationError | SchemaError) -> str:
    pointer = ""
    for step in error.absolute_path:
        pointer = joined(pointer, step)
    return pointer


def _keywords(schema: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """Place, name and value of every keyword of a schema and of its subschemas."""
    if not isinstance(schema, dict):
        return
    for keyword, value in cast("dict[str, Any]", schema).items():
        yield place, keyword, value
        inside = joined(place, keyword)
        if keyword in _DATA:
            continue
        if keyword in _MAPS_OF_SCHEMAS:
            for name, subschema in value.items():
                yield from _keywords(subschema, joined(inside, name))
        elif isinstance(value, list):
            for index, subschema in enumerate(cast("list[Any]", value)):
                yield from _keywords(subschema, joined(inside, index))
        else:
            yield from _keywords(value, inside)


def _keyword_fault(root: Any, keyword: str, value: Any) -> str | None:
    if keyword in _NOT_SUPPORTED:
        return "this keyword is not supported here"
    if keyword == "pattern":
        return pattern_fault(value)
    if keyword == "$ref":
        return _reference_fault(root, value)
    return None


def _reference_fault(root: Any, target: str) -> str | None:
    if target != "#" and not target.startswith("#/"):
        return "only references into the schema itself are followed"
    try:
        references.at(root, target[1:])
    except PointerMissing:
        return "there is nothing at this reference"
    return None


def _validator(is_late: IsLate) -> Callable[..., Any]:
    """The draft's validator with the keywords that a stranger could make expensive under our control."""

    def follow(validator: Any, target: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if is_late():
            raise Undecidable("the schema takes too long")
        yield from Draft202012Validator.VALIDATORS["$ref"](validator, target, instance, schema)

    def pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if is_late():
            raise Undecidable("the patterns take too long")
        if isinstance(instance, str) and not matches(pattern, instance):
            yield ValidationError(f"the text does not match {pattern!r}")

    own = {"$ref": follow, "pattern": pattern, "uniqueItems": _unique_items}
    return validators.extend(Draft202012Validator, own)


def _unique_items(validator: Any, wanted: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
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
