"""Schemas and patterns of strangers: judged by, or refused with a pointer, and never held up by."""

import time
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import regex
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from mesh_coordinator.domain import patterns, schema_rules
from mesh_coordinator.domain.json_schema import first_error
from mesh_coordinator.domain.patterns import Undecidable


def never() -> bool:
    return False


def within(limit_s: float) -> Any:
    over = time.monotonic() + limit_s
    return lambda: time.monotonic() > over


def faults(schema: Any) -> dict[str, str]:
    return dict(schema_rules.faults(schema))


@pytest.mark.parametrize(
    ("schema", "instance", "place"),
    [
        ({"type": "object"}, [], ""),
        ({"required": ["a"]}, {}, ""),
        ({"properties": {"a/b": {"type": "string"}}}, {"a/b": 1}, "/a~1b"),
        ({"items": {"minimum": 3}}, [3, 2], "/1"),
        ({"prefixItems": [{"const": 1}], "items": False}, [1, 2], ""),
        ({"additionalProperties": False, "properties": {"a": True}}, {"b": 1}, ""),
        ({"pattern": "^a+$"}, "ab", ""),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], ""),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, ""),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, ""),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 1.5, ""),
        ({"$ref": "#/$defs/a~1%20b", "$defs": {"a/ b": False}}, 1, ""),
        ({"properties": {"child": {"$ref": "#"}}, "required": ["id"]}, {"id": 1, "child": {}}, "/child"),
        ({"$schema": schema_rules.DIALECT, "type": "null"}, 0, ""),
        ({"oneOf": [{"minLength": 1}, {"maxLength": 3}]}, "ab", ""),
        ({"multipleOf": 0.1}, 0.35, ""),
    ],
)
def test_a_result_that_does_not_fit_is_told_where(schema: dict[str, Any], instance: Any, place: str):
    assert faults(schema) == {}

    error = first_error(schema, instance, never)

    assert error is not None
    assert error.startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("schema", "instance"),
    [
        ({}, None),
        ({"type": "integer"}, 7.0),
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}]),
        ({"properties": {"next": {"$ref": "#"}}}, {"next": {"next": {"next": {}}}}),
        ({"format": "email"}, "not an address"),
        ({"title": "T", "description": "D", "default": 1, "examples": [1], "$comment": "C"}, 1),
    ],
)
def test_a_result_that_fits_has_no_error(schema: dict[str, Any], instance: Any):
    assert faults(schema) == {}
    assert first_error(schema, instance, never) is None


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "text"}, "/type"),
        ({"type": []}, "/type"),
        ({"type": ["string", 1]}, "/type"),
        ({"required": ["a", 1]}, "/required"),
        ({"requierd": ["a"]}, "/requierd"),
        ({"items": 3}, "/items"),
        ({"items": [{"type": "string"}]}, "/items"),
        ({"allOf": {}}, "/allOf"),
        ({"allOf": [1]}, "/allOf/0"),
        ({"properties": [1]}, "/properties"),
        ({"properties": {"a/b": {"minLength": -1}}}, "/properties/a~1b/minLength"),
        ({"minItems": 1.5}, "/minItems"),
        ({"maximum": "3"}, "/maximum"),
        ({"maximum": True}, "/maximum"),
        ({"multipleOf": 0}, "/multipleOf"),
        ({"uniqueItems": 1}, "/uniqueItems"),
        ({"dependentRequired": {"a": "b"}}, "/dependentRequired"),
        ({"dependentSchemas": {"a": 1}}, "/dependentSchemas/a"),
        ({"enum": "abc"}, "/enum"),
        ({"patternProperties": {}}, "/patternProperties"),
        ({"unevaluatedProperties": False}, "/unevaluatedProperties"),
        ({"unevaluatedItems": False}, "/unevaluatedItems"),
        ({"$id": "https://evil.example"}, "/$id"),
        ({"$anchor": "a"}, "/$anchor"),
        ({"$dynamicRef": "#a"}, "/$dynamicRef"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
        ({"$defs": {"a": {"$schema": schema_rules.DIALECT}}}, "/$defs/a/$schema"),
        ({"$ref": "https://evil.example/schema"}, "/$ref"),
        ({"$ref": "file:///etc/passwd"}, "/$ref"),
        ({"$ref": "#/$defs/nothing"}, "/$ref"),
        ({"$ref": "#anchor"}, "/$ref"),
        ({"$ref": 7}, "/$ref"),
        ({"enum": [{"type": 12}], "$ref": "#/enum/0"}, "/$ref"),
        ({"const": {"pattern": "("}, "$ref": "#/const"}, "/$ref"),
        ({"required": ["a"], "$ref": "#/required"}, "/$ref"),
        ({"pattern": "("}, "/pattern"),
        ({"propertyNames": {"pattern": "a{100000000}"}}, "/propertyNames/pattern"),
        ({"pattern": 7}, "/pattern"),
    ],
)
def test_a_schema_that_cannot_be_judged_by_is_refused_with_a_pointer(schema: dict[str, Any], place: str):
    assert place in faults(schema)


def test_every_fault_of_a_schema_is_named_at_once():
    schema = {"type": "x", "properties": {"a": {"minimum": "1"}, "b": 3}, "not": {"foo": 1}}

    assert set(faults(schema)) == {"/type", "/properties/a/minimum", "/properties/b", "/not/foo"}


def test_a_schema_has_a_bounded_size_and_depth():
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"not": deep}

    assert faults({"enum": ["x" * schema_rules.MAX_BYTES]}) == {
        "": f"longer than {schema_rules.MAX_BYTES} bytes"
    }
    assert faults(deep) == {"": f"nested deeper than {schema_rules.MAX_DEPTH} levels"}


def exploding() -> dict[str, Any]:
    """Each name stands for two of the one before."""
    names: dict[str, Any] = {"n0": {"properties": {"a": {"const": 1}}}}
    for n in range(1, 40):
        names[f"n{n}"] = {
            "anyOf": [{"allOf": [{"$ref": f"#/$defs/n{n - 1}"}, False]}, {"$ref": f"#/$defs/n{n - 1}"}]
        }
    return {"$ref": "#/$defs/n39", "$defs": names}


@pytest.mark.parametrize(
    ("schema", "instance"),
    [
        ({"items": {"anyOf": [{"const": n} for n in range(2_000)]}}, list(range(1_000, 2_000)) * 50),
        ({"items": {"enum": list(range(6_000))}}, [5_999] * 50_000),
        ({"contains": {"const": 1}, "items": {"not": {"const": 2}}}, [3] * 60_000),
        (exploding(), {"a": 1}),
    ],
    ids=["choices", "enumeration", "long list", "nesting"],
)
def test_no_schema_holds_the_verifier_up(schema: dict[str, Any], instance: Any):
    assert faults(schema) == {}
    started = time.process_time()

    with pytest.raises(Undecidable):
        first_error(schema, instance, within(0.1))

    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    ],
)
def test_a_schema_that_leads_in_circles_decides_nothing(schema: dict[str, Any]):
    with pytest.raises(Undecidable):
        first_error(schema, {}, never)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(?:a|aa)+$", "(a|a?)+$"])
def test_a_pattern_that_backtracks_for_ever_is_given_up(pattern: str):
    started = time.process_time()

    with pytest.raises(Undecidable):
        patterns.found(pattern, "a" * 5_000 + "c")

    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "pattern",
    [
        "a{100000000}",
        "(?:ab){1000000000}",
        "((((a{1000}){1000}){1000}){1000})",
        "(?:a{0,65535}){0,65535}",
        "a{,99999999}",
        "a" * 190 + "{200}",
    ],
)
def test_a_pattern_that_would_be_unrolled_without_end_is_refused_before_it_is_compiled(pattern: str):
    assert patterns.fault(pattern) == "the pattern repeats too often"


@pytest.mark.parametrize(
    "pattern", ["(?x)a{1 000 000 00}", "(?R)", "(?P<n>a)", "(?>a)", "(?(1)a|b)", "(?#c)", "(?i)a"]
)
def test_groups_that_ecma_does_not_know_are_refused(pattern: str):
    assert "ECMA" in (patterns.fault(pattern) or "")


@pytest.mark.parametrize("pattern", ["(", "[", "a**", "\\k<x>", "(?<n>", 7, None, "x" * 201])
def test_what_is_no_pattern_is_refused(pattern: Any):
    assert patterns.fault(pattern) is not None


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        ("^0x[0-9a-f]{64}$", "0x" + "ab" * 32, True),
        ("^[a-z]{1,1000}$", "z" * 1_000, True),
        ("(?<year>\\d{4})", "in 2026", True),
        ("(?<!un)happy", "unhappy", False),
        ("\\p{L}+", "ß", True),
        ("a(?=b)", "ab", True),
    ],
)
def test_usual_patterns_work(pattern: str, text: str, is_found: bool):
    assert patterns.fault(pattern) is None
    assert patterns.found(pattern, text) is is_found


@given(st.text(st.sampled_from("ab(){}[]|*+?.^$\\,0123456789:=!<>-pLR#"), max_size=30))
@settings(max_examples=300)
def test_a_pattern_without_fault_never_breaks_the_search(pattern: str):
    assume(patterns.fault(pattern) is None)

    with suppress(Undecidable):
        patterns.found(pattern, "aabb" * 20)


names = st.sampled_from(["a", "b", "c/d", "~"])
instances = st.recursive(
    st.sampled_from([None, True, False, 0, 1, -3, 2.0, 0.5, 3.7, "", "a", "ab", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def keyword(name: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return value.map(lambda drawn: {name: drawn})


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


plain_keywords = st.one_of(
    keyword("type", st.sampled_from(["object", "array", "string", "integer", "number", ["null", "boolean"]])),
    keyword("const", instances),
    keyword("enum", st.lists(instances, max_size=3)),
    keyword("minimum", st.integers(-3, 3)),
    keyword("exclusiveMaximum", st.sampled_from([-1.5, 0, 3.5])),
    keyword("multipleOf", st.sampled_from([1, 2, 0.5, 1e-300, 3.0])),
    keyword("minLength", st.integers(0, 3)),
    keyword("maxItems", st.sampled_from([0, 1, 2.0])),
    keyword("required", st.lists(names, max_size=2)),
    keyword("uniqueItems", st.booleans()),
    keyword("pattern", st.sampled_from(["^a", "b$", "\\d"])),
    keyword("$ref", st.sampled_from(["#", "#/$defs/x", "#/not", "#/items"])),
    keyword("dependentRequired", st.dictionaries(names, st.lists(names, max_size=2), max_size=2)),
    keyword("minContains", st.integers(0, 2)),
)


def applied(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=2)
    keywords = st.one_of(
        plain_keywords,
        *[keyword(name, inner) for name in ("items", "not", "if", "then", "contains", "propertyNames")],
        *[keyword(name, several) for name in ("anyOf", "oneOf", "allOf", "prefixItems")],
        *[
            keyword(name, st.dictionaries(names, inner, max_size=2))
            for name in ("properties", "dependentSchemas")
        ],
        keyword("additionalProperties", inner),
        keyword("$defs", st.fixed_dictionaries({"x": inner})),
    )
    return st.lists(keywords, min_size=1, max_size=3).map(merged)


schemas = applied(st.recursive(st.booleans() | plain_keywords, applied, max_leaves=4))


@given(schemas, instances)
@settings(max_examples=200)
def test_a_schema_without_faults_never_breaks_the_verifier(schema: dict[str, Any], instance: Any):
    assume(not faults(schema))

    with suppress(Undecidable):
        first_error(schema, instance, within(0.5))


@given(schemas, instances)
@settings(max_examples=200)
def test_the_verdict_is_that_of_the_library_itself(schema: dict[str, Any], instance: Any):
    """Where the library decides: its equality of nested numbers and ours is the same."""
    assume("$ref" not in str(schema) and not faults(schema))

    assert Draft202012Validator(schema).is_valid(instance) == (first_error(schema, instance, never) is None)


@given(schemas)
def test_our_rules_take_nothing_that_the_meta_schema_refuses(schema: dict[str, Any]):
    assume(not faults(schema))

    Draft202012Validator.check_schema(schema)


def test_the_clock_is_looked_at_for_every_keyword():
    looks = iter([False, False, True])

    with pytest.raises(Undecidable):
        first_error({"type": "object", "minProperties": 0, "maxProperties": 9}, {}, lambda: next(looks))


def test_a_pattern_error_names_the_reason():
    with pytest.raises(regex.error) as raised:
        regex.compile("(")

    assert patterns.fault("(") == f"no regular expression: {raised.value}"


def chain(length: int) -> dict[str, Any]:
    """A schema whose names stand for one another, each for the next."""
    names: dict[str, Any] = {f"n{n}": {"$ref": f"#/$defs/n{n + 1}"} for n in range(length)}
    return {"$ref": "#/$defs/n0", "$defs": names | {f"n{length}": {"type": "integer"}}}


@pytest.mark.parametrize("length", [10, 600])
def test_references_are_followed_as_far_as_the_stack_allows_and_never_crash(length: int):
    schema = chain(length)
    assert faults(schema) == {}

    with nullcontext() if length < 100 else pytest.raises(Undecidable):
        assert first_error(schema, "text", never) == ": 'text' is not of type 'integer'"
