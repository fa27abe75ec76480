"""Which JSON Schemas (draft 2020-12) can be judged by: known keywords with values of the right kind.

Stricter than the draft, which ignores a keyword that it does not know: a misspelt gate would pay for bad
work. The library's check against the meta-schema takes 2 ms for each subschema, these rules microseconds.
Left out is what the library cannot do in bounded time and stack: `unevaluatedItems` and its like.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import unquote

from mesh_shared.canonical import canonical_json

from mesh_coordinator.domain import patterns, references
from mesh_coordinator.domain.references import joined

MAX_DEPTH = 32
MAX_BYTES = 32_768
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_MAPS = frozenset({"properties", "$defs", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset(
    {
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
    }
)


def faults(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pointer and reason of each place that makes `schema` unusable; none when it can be used."""
    if references.depth(schema) > MAX_DEPTH:
        yield "", f"nested deeper than {MAX_DEPTH} levels"
        return
    if len(canonical_json(schema)) > MAX_BYTES:
        yield "", f"longer than {MAX_BYTES} bytes"
        return
    if schema.get("$schema", DIALECT) != DIALECT:
        yield "/$schema", f"only {DIALECT} is spoken here"
    subschemas = dict(_subschemas(undeclared(schema), ""))
    for place, subschema in subschemas.items():
        yield from _own_faults(place, subschema, subschemas)


def undeclared(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` without the name of its dialect."""
    return {keyword: value for keyword, value in schema.items() if keyword != "$schema"}


def _subschemas(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every place at which there should be a schema, with what is there."""
    yield place, schema
    if isinstance(schema, dict):
        for keyword, value in cast("dict[str, Any]", schema).items():
            for step, subschema in _below(keyword, value):
                yield from _subschemas(subschema, joined(place, keyword) + step)


def _below(keyword: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What should be schemas in the value of a keyword, each with its pointer from there."""
    if keyword in _SINGLE:
        yield "", value
    elif keyword in _LISTS and isinstance(value, list):
        for index, subschema in enumerate(cast("list[Any]", value)):
            yield joined("", index), subschema
    elif keyword in _MAPS and isinstance(value, dict):
        for name, subschema in cast("dict[str, Any]", value).items():
            yield joined("", name), subschema


def _own_faults(place: str, schema: Any, subschemas: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, dict):
        if not isinstance(schema, bool):
            yield place, "a schema is an object, true or false"
        return
    for keyword, value in cast("dict[str, Any]", schema).items():
        if (fault := _fault(keyword, value, subschemas)) is not None:
            yield joined(place, keyword), fault


def _fault(keyword: str, value: Any, subschemas: Mapping[str, Any]) -> str | None:
    if keyword in _SINGLE:
        return None  # said at the schema's own place
    if keyword == "pattern":
        return patterns.fault(value)
    if keyword == "$ref":
        leads = isinstance(value, str) and value.startswith("#") and unquote(value[1:]) in subschemas
        return None if leads else "a reference leads to a schema inside this one"
    if keyword not in _KINDS:
        return "this keyword is not supported here"
    fits, kind = _KINDS[keyword]
    return None if fits(value) else f"this is to be {kind}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _are_names(value: Any) -> bool:
    names = cast("list[Any]", value) if isinstance(value, list) else [None]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _are_types(value: Any) -> bool:
    named = cast("list[Any]", value) if isinstance(value, list) else [value]
    return bool(named) and _are_names(named) and _TYPES.issuperset(named)


def _are_dependencies(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_names, cast("dict[str, Any]", value).values()))


def _is_anything(_: Any) -> bool:
    return True


def _is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


_Kind = tuple[Callable[[Any], bool], str]
_NUMBER: _Kind = (_is_number, "a number")
_COUNT: _Kind = (_is_count, "a whole number from 0")
_TEXT: _Kind = (_is_a(str), "a text")
_LIST: _Kind = (_is_a(list), "a list")
_MAP: _Kind = (_is_a(dict), "an object")
_ANYTHING: _Kind = (_is_anything, "anything")
_KINDS: Mapping[str, _Kind] = {
    **dict.fromkeys(_LISTS, _LIST),
    **dict.fromkeys(_MAPS, _MAP),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _COUNT),
    **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), _COUNT),
    **dict.fromkeys(("title", "description", "$comment", "format"), _TEXT),
    **dict.fromkeys(("const", "default", "deprecated", "readOnly", "writeOnly"), _ANYTHING),
    "enum": _LIST,
    "examples": _LIST,
    "multipleOf": (_is_positive, "a number above 0"),
    "required": (_are_names, "a list of distinct names"),
    "dependentRequired": (_are_dependencies, "an object of lists of distinct names"),
    "type": (_are_types, f"one of {', '.join(sorted(_TYPES))}, or a list of them"),
    "uniqueItems": (_is_a(bool), "true or false"),
}
