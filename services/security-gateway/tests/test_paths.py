import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_security_gateway.domain.paths import canonical_path, checked_query, query_keys, without_key
from mesh_security_gateway.errors import PathRefused

# Fragments that parsers are known to disagree about, mixed with plain ones.
FRAGMENTS = st.one_of(
    st.sampled_from(
        ["/", "//", ".", "..", "\\", ";", ";x=1", "@", ":", "?", "#", " ", "\t", "\x7f", "\xe9", "a", "B"]
    ),
    st.sampled_from(
        ["%2e", "%2E", "%2f", "%5c", "%00", "%25", "%252e", "%41", "%7E", "%c3%a9", "%C0%AE", "%3b", "%z"]
    ),
)
ADDRESSES = st.lists(FRAGMENTS, max_size=12).map(lambda parts: ("/" + "".join(parts)).encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"user",
        b"",
        b"/a%2fb",
        b"/a%2Fb",
        b"/a%5cb",
        b"/a\\b",
        b"/a%00b",
        b"/a%0d%0ab",
        b"/a\r\nb",
        b"/a%7fb",
        b"/a%c2%85b",
        b"/..",
        b"/a/../b",
        b"/a/./b",
        b"/a/%2e%2e/b",
        b"/a/.%2E/b",
        b"/a/..;x/b",
        b"/a/%2e%2e%3bx/b",
        b"/a/..",
        b"/a//b",
        b"//evil.example/a",
        b"/%252e%252e/a",
        b"/%25%32%65",
        b"/a%c0%aeb",
        b"/a%ff",
        b"/a%2",
        b"/a%zz",
        b"/a b",
        b"/a\xc3\xa9",
        b"/a#b",
        b"/a?b",
        b'/a"b',
        b"/a{b}",
        b"/" + b"a" * 8000,
    ],
)
def test_a_path_that_two_parsers_may_read_differently_is_refused(raw: bytes):
    with pytest.raises(PathRefused):
        canonical_path(raw)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"/", "/"),
        (b"/repos/a-b/c_d", "/repos/a-b/c_d"),
        (b"/repos/", "/repos/"),
        (b"/%61%64min", "/admin"),
        (b"/caf%c3%a9", "/caf%C3%A9"),
        (b"/a%20b", "/a%20b"),
        (b"/100%25", "/100%25"),
        (b"/.well-known/x", "/.well-known/x"),
        (b"/a..b/...", "/a..b/..."),
        (b"/user@host:1;v=2,3", "/user@host:1;v=2,3"),
    ],
)
def test_every_other_path_has_one_spelling(raw: bytes, canonical: str):
    assert canonical_path(raw) == canonical


@given(ADDRESSES)
def test_what_is_forwarded_means_the_same_to_every_parser(raw: bytes):
    try:
        path = canonical_path(raw)
    except PathRefused:
        return

    assert canonical_path(path.encode()) == path
    assert re.fullmatch(r"/[!-~]*", path)
    decoded = unquote(path, errors="strict")
    assert unquote(decoded).count("/") == decoded.count("/") == path.count("/")
    assert not {".", ".."} & {segment.partition(";")[0] for segment in unquote(decoded).split("/")}
    assert "\\" not in unquote(decoded)
    assert unquote(raw.decode(), errors="strict") == decoded


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1), max_size=5))
def test_any_text_can_be_addressed_once_it_is_encoded(segments: list[str]):
    wanted = [s for s in segments if not {"/", "\\"} & set(s) and s.partition(";")[0] not in (".", "..")]
    raw = "/" + "/".join(quote(segment, safe="") for segment in wanted)
    if re.search("%25[0-9A-Fa-f]{2}", raw):
        return

    assert unquote(canonical_path(raw.encode())).split("/")[1:] == (wanted or [""])


@pytest.mark.parametrize("raw", [b"a b", b"a=\xc3\xa9", b"a#b", b"a=1\r\nX: y", b"a" * 8001])
def test_a_query_that_is_not_visible_ascii_is_refused(raw: bytes):
    with pytest.raises(PathRefused):
        checked_query(raw)


def test_a_query_is_told_by_its_names_and_never_by_its_values():
    query = checked_query(b"q=sk-1&%61pi=sk-2&q=sk-3&flag&a+b=c&=sk-4&&")

    assert query_keys(query) == ("q", "api", "flag", "a b", "")


def test_the_record_of_names_is_bounded():
    query = "&".join(f"{'k' * 200}{n}=v" for n in range(3)) + "&" + "&".join(f"n{n}" for n in range(100))

    keys = query_keys(query)

    assert len(keys) == 50
    assert max(map(len, keys)) == 100


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("key=mine", ""),
        ("a=1&key=mine&b=2", "a=1&b=2"),
        ("%6bey=mine&a=%41", "a=%41"),
        ("key", ""),
        ("keys=1&KEY=2", "keys=1&KEY=2"),
    ],
)
def test_a_parameter_is_taken_out_however_it_is_spelled(query: str, rest: str):
    assert without_key(query, "key") == rest
