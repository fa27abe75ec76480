"""YAML as it is read here: values as they are written, everything bounded, every fault with its place."""

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.issues import MAX_ISSUES, Findings, Issue, Severity, Unreadable
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.tree import MAX_DEPTH, MAX_NODES, Listing, Mapping, Node, Scalar, read

plain = st.recursive(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdef", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def place(text: str) -> Place:
    return Place(read(text), "", Findings())


def found(at: Place) -> list[tuple[str, str]]:
    return [(issue.path, issue.code) for issue in at.findings]


def as_python(node: Node) -> Any:
    match node:
        case Scalar(value=value):
            return value
        case Listing(items=items):
            return [as_python(item) for item in items]
        case Mapping(entries=entries):
            return {key: as_python(value) for key, value in entries.items()}


@given(plain)
def test_what_was_written_is_read_back_whatever_the_style(value: Any):
    for flow in (True, False):
        text = yaml.safe_dump(value, default_flow_style=flow, default_style='"')

        assert as_python(read(text)) == value


@pytest.mark.parametrize(
    "spelling", ["on", "yes", "0644", "1e3", "0x10", "1_000", "2026-01-01", "12:30", "NaN"]
)
def test_a_value_keeps_its_spelling(spelling: str):
    """YAML libraries make true, 420, 1000.0, 16, … of them; Akash's compiler reads most as they are."""
    assert read(spelling) == Scalar(spelling, is_plain=True)


@pytest.mark.parametrize("text", ["'~'", '"null"', "|\n  null"])
def test_a_quoted_null_is_a_text(text: str):
    node = read(text)

    assert isinstance(node, Scalar)
    assert (node.value.strip() in ("~", "null"), node.is_null) == (True, False)


@pytest.mark.parametrize("text", ["~", "null", "Null", "NULL", "a:"])
def test_an_unquoted_null_is_nothing(text: str):
    assert place(text if text == "a:" else f"a: {text}").at("a").is_absent


def test_as_deep_and_as_many_as_allowed_is_read():
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    many = "- a\n" * (MAX_NODES - 1)

    assert isinstance(read(deep), Listing)
    assert isinstance(read(many), Listing)


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("a:\n  b: 1\n  b: 2", "a.b", "duplicate-key"),
        ("a:\n  - x\n  - {c: 1, c: 2}", "a[1].c", "duplicate-key"),
        ("a: &x 1\nb: [1, *x]", "b[1]", "alias"),
        ("a:\n  <<: {b: 1}", "a", "merge-key"),
        ("a: [!!str 1]", "a[0]", "tag"),
    ],
)
def test_a_fault_of_the_text_has_its_place(text: str, path: str, code: str):
    with pytest.raises(Unreadable) as refusal:
        read(text)

    assert (refusal.value.issue.path, refusal.value.issue.code) == (path, code)


def test_a_syntax_error_has_its_line():
    with pytest.raises(Unreadable, match="line 3"):
        read("a: 1\nb: 2\n  c: [")


def test_a_place_that_is_not_there_can_be_asked_for_anything():
    nowhere = place("a: 1").at("b").at("c")

    assert (nowhere.path, nowhere.is_absent) == ("b.c", True)
    assert (nowhere.text(), nowhere.texts(), nowhere.items(), nowhere.named()) == ("", None, [], {})
    assert (nowhere.flag(), nowhere.whole(7, low=1, high=9)) == (False, 7)
    assert found(nowhere) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 1.5", "not-a-number"),
        ("a: '5'", "not-a-number"),
        ("a: [5]", "not-a-number"),
        ("a: 10", "out-of-range"),
    ],
)
def test_a_number_that_does_not_fit_is_noted_and_reading_goes_on(text: str, code: str):
    at = place(text).at("a")

    assert at.whole(3, low=1, high=9) == 3
    assert found(at) == [("a", code)]


@pytest.mark.parametrize("text", ["a: yes", "a: 'true'", "a: 1", "a: [true]", "a: True"])
def test_only_true_and_false_are_flags(text: str):
    at = place(text).at("a")

    assert at.flag() is False
    assert found(at) == [("a", "not-a-flag")]


def test_an_unknown_key_is_a_warning_with_what_was_probably_meant():
    at = place("imgae: x\nvolumes: []\nzzz: 1").fields(("image", "env"))

    assert [(i.path, i.severity, i.hint) for i in at.findings] == [
        ("imgae", Severity.WARNING, "Did you mean `image`?"),
        ("volumes", Severity.WARNING, "Declare storage in profiles.compute and mount it in params.storage."),
        ("zzz", Severity.WARNING, "Akash ignores it."),
    ]


def test_names_come_sorted_and_items_with_their_number():
    at = place("b: [x, [y]]\na: 1")

    assert list(at.named()) == ["a", "b"]
    assert [item.path for item in at.at("b").items()] == ["b[0]", "b[1]"]
    assert [item.text() for item in at.at("b").items()] == ["x", ""]
    assert found(at) == [("b[1]", "not-a-value")]


@pytest.mark.parametrize("text", ["a:", "a: {}", "a: []", "b: 1"])
def test_a_part_that_is_not_compiled_may_be_there_unused(text: str):
    at = place(text)

    at.at("a").unsupported("This")

    assert found(at) == []


def test_the_same_finding_is_kept_once_and_no_more_than_a_hundred():
    findings = Findings()
    for _ in range(2):
        for number in range(MAX_ISSUES):
            findings.add(Issue(f"a[{number}]", "code", "text", severity=Severity.WARNING))

    with pytest.raises(Unreadable) as refusal:
        findings.add(Issue("b", "code", "text"))

    assert len(list(findings)) == MAX_ISSUES
    assert (findings.has_errors, refusal.value.issue.code) == (False, "too-many")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_nothing_else(text: str):
    with suppress(Unreadable):
        assert isinstance(read(text), Scalar | Listing | Mapping)
