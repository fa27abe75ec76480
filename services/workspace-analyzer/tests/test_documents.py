"""Configuration files that nobody trusts: what they say, and how they are refused."""

import json
import sys
import time
import tomllib
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.adapters.documents import (
    MAX_BYTES,
    items,
    json_object,
    key_steps,
    strict_json_object,
    string,
    strings,
    table,
    toml_object,
    yaml_object,
)
from mesh_workspace_analyzer.errors import BrokenProjectConfiguration

Parse = Callable[[str, str], dict[str, Any]]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text(max_size=5), values, max_size=4)


@given(objects)
def test_plain_json_is_read_as_it_is(value: dict[str, Any]):
    assert json_object("a.json", json.dumps(value)) == value
    assert strict_json_object("a.json", json.dumps(value)) == value


plain = st.text(alphabet="abc: -#{}[]'", max_size=8)


@given(st.dictionaries(plain, st.lists(plain | st.integers() | st.none(), max_size=3), max_size=4))
def test_json_is_yaml(value: dict[str, Any]):
    assert yaml_object("a.yml", json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '{"a": 1,}',
        '{"a": 1} // end',
        '/* start */ {"a": /* here */ 1}',
        '\ufeff{"a": 1}',
        '{\n// "b": 2\n"a": 1\n}',
        '{"a": 1 /* not closed */ , }',
    ],
)
def test_json_may_have_comments_and_trailing_commas(text: str):
    assert json_object("nx.json", text) == {"a": 1}


@pytest.mark.parametrize(
    "value",
    [
        {"a": "// no comment"},
        {"a": "/* none */"},
        {"a": 'quoted " // still'},
        {"a": ",}"},
        {"a": "\\"},
    ],
)
def test_what_looks_like_a_comment_in_a_text_is_none(value: dict[str, Any]):
    assert json_object("nx.json", json.dumps(value) + " // end") == value


def test_package_managers_take_no_comments():
    with pytest.raises(BrokenProjectConfiguration):
        strict_json_object("package.json", '{"a": 1} // end')


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (json_object, ""),
        (json_object, "{"),
        (json_object, "[]"),
        (json_object, "null"),
        (json_object, '{"a": 1'),
        (json_object, "[" * 100_000),
        (json_object, '{"a":' * 100_000),
        (json_object, " " * (MAX_BYTES + 1)),
        (strict_json_object, "x"),
        (yaml_object, "a: b: c"),
        (yaml_object, "["),
        (yaml_object, "- a"),
        (yaml_object, "text"),
        (yaml_object, "!!python/object/apply:os.system ['true']"),
        (yaml_object, "a: !!python/name:os.system"),
        (yaml_object, "a: *nowhere"),
        (yaml_object, "1: a"),
        (yaml_object, "[" * 100_000),
        (yaml_object, '{"a":' * 100_000),
        (yaml_object, "? " * 100_000),
        (toml_object, "="),
        (toml_object, "a = 1\na = 2"),
        (toml_object, "[a"),
        (toml_object, "a." * 500_000 + "a = 1"),
        (toml_object, "\n".join(f"a{n}.{'a.' * 298}a = 1" for n in range(100))),
        (toml_object, f"[{'a.' * 299}a]\n" + "\n".join(f"a{n} = 1" for n in range(20_000))),
    ],
)
def test_what_cannot_be_read_names_the_file(parse: Parse, text: str):
    with pytest.raises(BrokenProjectConfiguration, match=r"deep/the\.file: "):
        parse("deep/the.file", text)


def test_a_problem_says_where_in_the_file():
    with pytest.raises(BrokenProjectConfiguration, match="line 2 column 6"):
        json_object("a/project.json", '{\n"a": nope\n}')


def test_a_problem_does_not_repeat_the_file():
    with pytest.raises(BrokenProjectConfiguration) as refused:
        yaml_object("moon.yml", "a: [" + "x" * 5000)

    assert len(refused.value.detail) < 400


def test_an_empty_yaml_file_says_nothing():
    assert yaml_object("moon.yml", "") == yaml_object("moon.yml", "# only a word\n") == {}


def test_a_yaml_file_that_names_itself_again_and_again_is_no_larger_for_it():
    rows = ["# \\ud800", "a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30))]
    started = time.process_time()

    assert len(yaml_object("moon.yml", "\n".join(rows))) == 30
    assert time.process_time() - started < 2


def test_toml_has_tables():
    assert toml_object("Cargo.toml", '[package]\nname = "a"\n') == {"package": {"name": "a"}}


def test_toml_may_have_as_many_dots_as_anybody_writes():
    line = f'a = "{"." * 1000}"\n'

    assert toml_object("uv.lock", line + line.replace("a", "b"))["b"] == "." * 1000


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"a{n}.{'a.' * 30}a = 1" for n in range(9)),
        f"[{'a.' * 60}a]\n" + "\n".join(f"a{n} = 1" for n in range(60)),
        f"[[{'a.' * 30}a]]\n" + "\n".join(f"{'b.' * 30}b{n} = {{{'c.' * 30}c = 1}}" for n in range(9)),
    ],
    ids=["keys", "a table", "both"],
)
def test_a_reader_of_toml_works_as_much_as_was_counted(text: str):
    lines = 0

    def look(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return look if frame.f_globals["__name__"] == "tomllib._parser" else None

    before = sys.gettrace()
    sys.settrace(look)
    try:
        tomllib.loads(text)
    finally:
        sys.settrace(before)

    assert lines < 4 * (key_steps(text) + len(text))


@pytest.mark.parametrize(
    ("value", "as_table", "as_strings", "as_string"),
    [
        (None, {}, [], ""),
        (5, {}, [], ""),
        ("x", {}, [], "x"),
        ({"a": 1}, {"a": 1}, [], ""),
        (["a", 1, None, "b"], {}, ["a", "b"], ""),
        ([], {}, [], ""),
        (True, {}, [], ""),
    ],
)
def test_a_value_of_another_shape_says_nothing(
    value: object, as_table: dict[str, Any], as_strings: list[str], as_string: str
):
    assert table(value) == as_table
    assert strings(value) == as_strings
    assert string(value) == as_string


def test_a_list_keeps_what_is_in_it():
    assert items([1, "a", {}]) == [1, "a", {}]
    assert items({"a": 1}) == []


@pytest.mark.parametrize("half", ["\\ud800", "\\uDFFF", "\\ud800\\ud800"])
@pytest.mark.parametrize("read", [json_object, strict_json_object])
def test_half_of_a_pair_is_told_as_a_question_mark(read: Any, half: str):
    found = read("x", f'{{"name": "a{half}"}}')

    assert found["name"].startswith("a?")
    assert found["name"].encode()


@pytest.mark.parametrize("read", [json_object, strict_json_object])
def test_both_halves_are_the_character_that_they_are(read: Any):
    assert read("x", '{"name": "\\ud83e\\uddee"}') == {"name": "\U0001f9ee"}
