"""References stand for whole values of earlier results, and for nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_coordinator.domain import references
from mesh_coordinator.domain.references import PointerMissing, Reference, Target

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4)
)


def ref(target: str) -> dict[str, str]:
    return {"$ref": target}


def test_a_reference_keeps_the_type_of_what_it_stands_for():
    results = {"a": {"n": 7, "list": [1, {"x": None}]}}
    wanted = {"n": ref("#/steps/a/result/n"), "x": [ref("#/steps/a/result/list/1")]}

    assert references.fill(wanted, results, {}) == {"n": 7, "x": [{"x": None}]}


def test_a_reference_can_stand_for_a_whole_result_and_for_the_input():
    wanted = {"all": ref("#/steps/a/result"), "task": ref("#/input/task"), "input": ref("#/input")}

    filled = references.fill(wanted, {"a": [1]}, {"task": "t"})

    assert filled == {"all": [1], "task": "t", "input": {"task": "t"}}


def test_nothing_is_spliced_into_texts():
    wanted = {"text": "see #/steps/a/result and ${a}"}

    assert references.fill(wanted, {"a": "secret"}, {}) == wanted


def test_what_a_reference_brings_in_is_not_looked_into_again():
    results = {"a": ref("#/input/password")}

    filled = references.fill({"x": ref("#/steps/a/result")}, results, {"password": "hunter2"})

    assert filled == {"x": ref("#/input/password")}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"a/b": [10, {"~": 1}], "": 5}),
        ("/a~1b/0", 10),
        ("/a~1b/1/~0", 1),
        ("/", 5),
    ],
)
def test_pointers_are_read_as_rfc_6901_says(pointer: str, value: Any):
    assert references.at({"a/b": [10, {"~": 1}], "": 5}, pointer) == value


@pytest.mark.parametrize("pointer", ["/b", "/a/2", "/a/-1", "/a/01", "/a/-", "/a/0/x", "/a/1e0", "/a/\u0660"])
def test_what_is_not_there_is_missing(pointer: str):
    with pytest.raises(PointerMissing):
        references.at({"a": [1, 2]}, pointer)


@pytest.mark.parametrize(
    "target",
    [
        "#/steps/a/result/x",
        "#/steps/a-b_c9/result",
        "#/input",
        "#/input/a~1b/~0",
        "#/input//x",
    ],
)
def test_well_formed_references_have_a_target(target: str):
    ((place, found),) = [(one.place, one.target) for one in references.find({"p": ref(target)})]

    assert place == "/p"
    assert isinstance(found, Target)


@pytest.mark.parametrize(
    "value",
    [
        ref("/steps/a/result"),
        ref("#/steps/A/result"),
        ref("#/steps/a"),
        ref("#/steps/a/parameters"),
        ref("#/steps/a/result/~2"),
        ref("#/steps/a/resultx"),
        ref("http://evil.example/#/input"),
        ref("#/input/x") | {"default": 1},
        {"$ref": 7},
        {"$ref": None},
        ref(""),
        ref("#/input\n"),
    ],
)
def test_malformed_references_are_found_without_a_target(value: Any):
    assert list(references.find({"p": [value]})) == [Reference("/p/0", None)]


@given(values)
def test_values_without_references_stay_as_they_are(value: Any):
    assert references.fill(value, {}, {}) == value
    assert list(references.find(value)) == [] or "$ref" in str(value)


@given(values, values)
def test_whatever_is_referred_to_arrives_unchanged(result: Any, given_input: Any):
    wanted = {"a": ref("#/steps/s/result"), "b": [ref("#/input/i")]}

    assert references.fill(wanted, {"s": result}, {"i": given_input}) == {"a": result, "b": [given_input]}


@given(values)
def test_every_place_in_a_value_can_be_pointed_at(value: Any):
    def walk(inner: Any, pointer: str) -> None:
        assert references.at(value, pointer) is inner
        children = (
            inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        )
        for step, child in children:
            walk(child, references.joined(pointer, step))

    walk(value, "")


@pytest.mark.parametrize(
    ("value", "depth"), [(1, 0), ({}, 0), ([1], 1), ({"a": [1]}, 2), ({"a": [], "b": [[[0]]]}, 4)]
)
def test_depth_counts_the_levels_that_hold_something(value: Any, depth: int):
    assert references.depth(value) == depth


def test_depth_takes_values_that_recursion_could_not():
    value: Any = 0
    for _ in range(10_000):
        value = [value]

    assert references.depth(value) == 10_000


def test_what_is_wanted_at_the_end_is_answered_without_what_is_missing():
    wanted = {
        "one": {"$ref": "#/steps/a/result/x"},
        "both": [{"$ref": "#/steps/a/result"}, {"$ref": "#/input/i"}],
        "lost": {"$ref": "#/steps/b/result"},
        "half": [{"$ref": "#/steps/a/result"}, {"$ref": "#/steps/a/result/y"}],
        "null": {"$ref": "#/steps/n/result"},
    }

    found = references.filled(wanted, {"a": {"x": 1}, "n": None}, {"i": 2}, 1_000)

    assert found == {"one": 1, "both": [{"x": 1}, 2], "null": None}


def test_what_is_answered_at_the_end_is_bounded_and_small_values_are_not_lost_for_large_ones():
    wanted = {name: {"$ref": f"#/steps/{name}/result"} for name in ("small", "large", "last")}

    found = references.filled(wanted, {"small": 1, "large": "x" * 100, "last": 2}, {}, 40)

    assert found == {"small": 1, "last": 2}


def test_the_steps_that_a_value_refers_to_are_each_named_once():
    value = [{"$ref": "#/steps/b/result"}, {"$ref": "#/steps/a/result/x"}, {"$ref": "#/steps/b/result/y"}]

    assert references.steps([*value, {"$ref": "#/input/z"}, {"$ref": "nonsense"}]) == ["b", "a"]


def test_an_item_is_filled_in_and_what_it_looks_like_is_never_followed():
    wanted = {"all": {"$ref": "#/item"}, "one": {"$ref": "#/item/x"}, "in": {"$ref": "#/input/i"}}
    item = {"x": {"$ref": "#/input/secret"}}

    filled = references.fill(wanted, {}, {"i": 1, "secret": "s"}, item)

    assert filled == {"all": item, "one": {"$ref": "#/input/secret"}, "in": 1}
