"""YAML as it is read here: values as they are written, everything bounded, every fault with its place."""

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain import tree
from mesh_deployer.domain.issues import MAX_ISSUES, Findings, Issue, Severity, Unreadable
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.scalars import Scalar
from mesh_deployer.domain.tree import MAX_DEPTH, MAX_NODES, Listing, Mapping, Node

plain = st.recursive(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdef", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def read(text: str) -> Node:
    return tree.read(text)[0]


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
        ("a:\n  b: 1\n  b: 2", "a", "duplicate-key"),
        ("a:\n  ? [x]\n  : 1", "a", "key"),
        ("a:\n  <<: 5", "a", "merge-key"),
        ("a:\n  <<: [{b: 1}, 5]", "a", "merge-key"),
        ("a:\n  <<: {b: 1, b: 2}", "a", "duplicate-key"),
    ],
)
def test_a_fault_of_a_part_is_found_when_that_part_is_read(text: str, path: str, code: str):
    at = place(text)

    assert found(at) == []
    at.at("a").named()
    assert found(at) == [(path, code)]


def test_an_anchor_that_is_not_there_has_its_place():
    with pytest.raises(Unreadable) as refusal:
        read("a: &x 1\nb: [1, *y]")

    assert (refusal.value.issue.path, refusal.value.issue.code) == ("b[1]", "alias")


def test_an_alias_is_what_its_anchor_says():
    assert as_python(read("a: &x {b: [1]}\nc: *x\n*x : d")) == {"a": {"b": ["1"]}, "c": {"b": ["1"]}}


@pytest.mark.parametrize(
    ("merge", "merged"),
    [
        ("<<: *one", {"a": "1", "b": "own"}),
        ("<<: [*one, *two]", {"a": "1", "b": "own", "c": "2"}),
        ("<<: [*two, *one]", {"a": "2", "b": "own", "c": "2"}),
        ("'<<': x", {"<<": "x", "b": "own"}),
    ],
)
def test_own_entries_win_over_merged_ones_and_the_first_of_those_over_the_next(merge: str, merged: object):
    text = f"one: &one {{a: 1, b: 1}}\ntwo: &two {{a: 2, b: 2, c: 2}}\nall:\n  {merge}\n  b: own"

    everything = as_python(read(text))

    assert everything["all"] == merged


def test_aliases_that_unfold_into_a_large_tree_are_refused_at_once():
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10))

    with pytest.raises(Unreadable) as refusal:
        read(f"a0: &a0 x\n{levels}")

    assert refusal.value.issue.code == "too-large"


@pytest.mark.parametrize(
    ("text", "is_alone"), [("a: 1", True), ("a: 1\n...", True), ("a: 1\n---\nb: [", False)]
)
def test_only_the_first_document_is_read(text: str, is_alone: bool):
    node, alone = tree.read(text)

    assert (as_python(node), alone) == ({"a": "1"}, is_alone)


@pytest.mark.parametrize("text", [b"a: \xff", b"a: \xc3(", b"\xff\xfea"])
def test_bytes_that_are_no_text_are_refused(text: bytes):
    with pytest.raises(Unreadable, match="Not YAML"):
        tree.read(text)


def test_a_syntax_error_has_its_line():
    with pytest.raises(Unreadable, match="line 3"):
        read("a: 1\nb: 2\n  c: [")


def test_a_place_that_is_not_there_can_be_asked_for_anything():
    nowhere = place("a: 1").at("b").at("c")

    assert (nowhere.path, nowhere.is_absent) == ("b.c", True)
    assert (nowhere.text(), nowhere.texts(), nowhere.items(), nowhere.named()) == ("", None, [], {})
    assert (nowhere.flag(), nowhere.uint32(), nowhere.written()) == (False, 0, [])
    assert found(nowhere) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("80", 80), ("0x50", 80), ("0o120", 80), ("0120", 80), ("0b1010000", 80), ("8_0", 80), ("+80", 80),
        ("80.9", 80), ("8e1", 80), ("-0.5", 0), ("089", 89), ("4294967295", 2**32 - 1), ("!!int '80'", 80),
        ("4294967296", None), ("-1", None), ("'80'", None), ("!!str 80", None), (".inf", None), ("x", None),
        ("true", None), ("2026-01-01", None), ("[80]", None), ("!!int 1.5", None), ("!x 80", None),
        ("1e999", None), ("9" * 99, None),
    ],
)  # fmt: skip
def test_a_number_is_what_go_reads_into_a_uint32(text: str, number: int | None):
    at = place(f"a: {text}").at("a")

    assert at.uint32(otherwise=7) == (7 if number is None else number)
    assert (number is None) == at.findings.has_errors


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        *((text, True) for text in ("true", "True", "TRUE", "yes", "y", "On", "'yes'", "!!bool true")),
        *((text, False) for text in ("false", "no", "N", "OFF", "'off'", "~")),
        *((text, None) for text in ("'true'", "1", "[true]", "tRue", "!!bool 1", "!!str true")),
    ],
)
def test_a_flag_is_what_go_reads_into_a_bool(text: str, flag: bool | None):
    at = place(f"a: {text}").at("a")

    assert at.flag() is bool(flag)
    assert [code for _, code in found(at)] == ([] if flag is not None else [found(at)[0][1]])


@pytest.mark.parametrize(
    ("text", "value", "codes"),
    [
        ("!!binary aGk=", "hi", []),
        ("!!binary /w==", "", ["tag"]),
        ("!!binary '%'", "", ["tag"]),
        ("!own x", "x", []),
    ],
)
def test_a_tag_says_how_a_text_is_read(text: str, value: str, codes: list[str]):
    at = place(f"a: {text}").at("a")

    assert at.text() == value
    assert [code for _, code in found(at)] == codes


def test_items_that_are_null_are_dropped():
    assert place("a: [x, ~, '~', !!str ~, ]").at("a").texts() == ("x", "~", "~")


def test_what_nothing_deploys_is_read_but_not_checked():
    at = place("a: {b: 1}").at("a").idle()

    at.at("b").invalid("code", "text")

    assert [issue.severity for issue in at.findings] == [Severity.WARNING]


def test_an_unknown_key_is_a_warning_with_what_was_probably_meant():
    at = place("imgae: x\nvolumes: []\nzzz: 1").fields(("image", "env"))

    assert [(i.path, i.severity, i.hint) for i in at.findings] == [
        ("imgae", Severity.WARNING, "Did you mean `image`?"),
        ("volumes", Severity.WARNING, "Declare storage in profiles.compute and mount it in params.storage."),
        ("zzz", Severity.WARNING, "Akash ignores it; leave it out."),
    ]


def test_names_come_sorted_and_items_with_their_number():
    at = place("b: [x, [y]]\na: 1")

    assert list(at.named()) == ["a", "b"]
    assert [item.path for item in at.at("b").items()] == ["b[0]", "b[1]"]
    assert [item.text() for item in at.at("b").items()] == ["x", ""]
    assert found(at) == [("b[1]", "not-a-value")]


def test_the_same_finding_is_kept_once_and_no_more_than_a_hundred():
    findings = Findings()
    for _ in range(2):
        for number in range(MAX_ISSUES):
            findings.add(Issue(f"a[{number}]", "code", "text", severity=Severity.WARNING))
    findings.add(Issue("b", "code", "text", severity=Severity.WARNING))

    with pytest.raises(Unreadable) as refusal:
        findings.add(Issue("b", "code", "text"))

    assert len(list(findings)) == MAX_ISSUES
    assert (findings.has_errors, refusal.value.issue.code) == (False, "too-many")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_nothing_else(text: str):
    with suppress(Unreadable):
        assert isinstance(read(text), Scalar | Listing | Mapping)
