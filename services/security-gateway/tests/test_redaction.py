import base64
import html
import json
import re
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mesh_security_gateway.domain.injectors import Basic
from mesh_security_gateway.domain.redaction import (
    REDACTED,
    Redactor,
    _places,
    _plan,
    needles,
    redacted,
    redacted_fields,
    spellings,
)
from mesh_security_gateway.domain.secret_forms import secret_parts

VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
SECRETS = st.text(VISIBLE, min_size=8, max_size=40)
# Two letters make secrets that overlap themselves and each other.
STUTTERING = st.text("ab", min_size=8, max_size=10)

Encode = Callable[[str], str]


def in_base64(before: str, after: str, encode: Callable[[bytes], bytes] = base64.b64encode) -> Encode:
    return lambda s: encode(f"{before}{s}{after}".encode()).decode()


def percent(kept: str) -> Encode:
    """Percent-encodes all but letters, digits and `kept`; `quote` always leaves -._~ as they are."""
    return lambda s: "".join(c if c.isalnum() or c in kept else f"%{ord(c):02X}" for c in s)


def lower(encode: Encode) -> Encode:
    return lambda s: re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), encode(s))


def numbered(characters: str, form: str = "\\u{:04x}") -> Encode:
    """JSON whose `characters` are written as numbers, quotes and backslashes as json.dumps does it."""
    return lambda s: "".join(form.format(ord(c)) if c in characters else json.dumps(c)[1:-1] for c in s)


def replacing(**codes: str) -> Encode:
    """HTML that codes & < > as everybody does, and the named characters as told."""
    names = {"quot": '"', "apos": "'", "slash": "/", "tick": "`", "equals": "="}
    table = {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {names[name]: code for name, code in codes.items()}
    return lambda s: "".join(table.get(c, c) for c in s)


ENCODERS: dict[str, Encode] = {
    "plain": str,
    "reversed": lambda s: s[::-1],
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
    "base64": in_base64("", ""),
    "base64 after one": in_base64("x", "yz"),
    "base64 after two": in_base64("xy", "z"),
    "base64 in an address": lambda s: quote(in_base64("x", "y")(s), safe=""),
    "base64 in a path": lambda s: quote(in_base64("", "")(s)),
    "base64 in PHP's json": lambda s: in_base64("x", "")(s).replace("/", "\\/"),
    "base64 in .NET's json": lambda s: in_base64("", "y")(s).replace("+", "\\u002B"),
    "base64url": in_base64("", "", base64.urlsafe_b64encode),
    "base64url after one": in_base64("x", "", base64.urlsafe_b64encode),
    "percent": lambda s: quote(s, safe=""),
    "percent of urllib": quote,
    "percent of a form": quote_plus,
    "percent of a browser's form": percent("*-._"),
    "percent of PHP": percent("-._"),
    "percent of encodeURIComponent": percent("-._~!'()*"),
    "percent of encodeURI": percent("-._~!'()*;,/?:@&=+$#"),
    "percent of a query": percent("".join(set(map(chr, range(0x21, 0x7F))) - set('"#<>'))),
    "percent of Go": percent("-._~$&+:=@"),
    "percent in lower case": lower(lambda s: quote(s, safe="")),
    "percent of all": lambda s: "".join(f"%{ord(c):02X}" for c in s),
    "percent in an address within an address": lambda s: quote(quote(s, safe=""), safe=""),
    "percent of a browser in an address": lambda s: quote(percent("-._~!'()*")(s), safe="~!'()*"),
    "percent in lower case in an address": lambda s: quote(lower(lambda s: quote(s, safe=""))(s), safe=""),
    "mail": lambda s: s.replace("=", "=3D"),
    "html of all": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "html of all in hex": lambda s: "".join(f"&#x{ord(c):x};" for c in s),
    "html of all in HEX": lambda s: "".join(f"&#x{ord(c):X};" for c in s),
    "C of all in hex": lambda s: "".join(f"\\x{ord(c):02x}" for c in s),
    "C of all in HEX": lambda s: "".join(f"\\x{ord(c):02X}" for c in s),
    "C of all in octal": lambda s: "".join(f"\\{ord(c):03o}" for c in s),
    "json": json.dumps,
    "json of PHP": lambda s: json.dumps(s).replace("/", "\\/"),
    "json of Go": numbered("&<>"),
    "json of Django": numbered("&<>", "\\u{:04X}"),
    "json of Gson": numbered("&<>='"),
    "json of .NET": numbered("&<>'+`\"", "\\u{:04X}"),
    "json of all": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "html": html.escape,
    "html of text": replacing(),
    "html of Go": replacing(quot="&#34;", apos="&#39;"),
    "html of PHP": replacing(quot="&quot;", apos="&#039;"),
    "xml": replacing(quot="&quot;", apos="&apos;"),
    "html of Mustache": replacing(
        quot="&quot;", apos="&#39;", slash="&#x2F;", tick="&#x60;", equals="&#x3D;"
    ),
    "html of Handlebars": replacing(quot="&quot;", apos="&#x27;", tick="&#x60;", equals="&#x3D;"),
}


def streamed(chunks: list[bytes], *secrets: str) -> bytes:
    redactor = Redactor(needles(secrets))
    return b"".join([*(redactor.feed(chunk) for chunk in chunks), redactor.end()])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS.keys())
@settings(max_examples=30)
@given(secret=SECRETS)
def test_no_spelling_of_a_secret_passes(encode: Encode, secret: str):
    echo = encode(secret).encode()

    clean = streamed([b"before ", echo, b" after"], secret)

    assert clean.startswith(b"before ")
    assert clean.endswith(b" after")
    assert REDACTED in clean
    assert not [needle for needle in spellings(secret) if needle in clean]
    # What is left are quotes, padding, and base64's letters that hang on the secret's neighbours.
    assert len(clean) <= len(b"before  after" + REDACTED) + 16


@given(secret=SECRETS, text=st.binary(max_size=50), places=st.lists(st.integers(0, 200), max_size=8))
def test_chunk_borders_make_no_difference(secret: str, text: bytes, places: list[int]):
    data = text + secret.encode() + text + base64.b64encode(secret.encode()) + secret.encode() + text

    assert streamed(cut(data, places), secret) == streamed([data], secret)


@given(
    st.lists(STUTTERING, min_size=1, max_size=3),
    st.text("ab ", max_size=80),
    st.lists(st.integers(0, 100), max_size=20),
)
@example(["aaaaaaaa"], "a" * 30, list(range(30)))
@example(["abababab"], "ab" * 20 + "a", list(range(40)))
def test_secrets_that_overlap_make_no_difference(secrets: list[str], text: str, places: list[int]):
    data = text.encode()

    whole = streamed([data], *secrets)

    assert streamed(cut(data, places), *secrets) == whole
    assert not [needle for needle in needles(secrets) if needle in whole]


@given(STUTTERING, st.text("ab ", max_size=80))
@example("aaaaaaaa", "a" * 40)
@example("abaabaab", "abaabaabaabaab" * 3)
def test_a_secret_that_overlaps_itself_is_found_wherever_it_is(secret: str, text: str):
    needle, data = secret.encode(), text.encode()

    found = {place for start, end in _places(needle, data) for place in range(start, end)}

    starts = [at for at in range(len(data)) if data.startswith(needle, at)]
    assert found == {place for at in starts for place in range(at, at + len(needle))}


@given(SECRETS, st.binary(max_size=200))
def test_what_holds_no_secret_passes_unchanged(secret: str, data: bytes):
    if any(needle in data for needle in needles([secret])):
        return

    assert streamed([data], secret) == data


@given(SECRETS, st.binary(max_size=60), st.binary(max_size=60))
def test_taking_a_secret_out_never_puts_one_together(secret: str, before: bytes, after: bytes):
    half = len(secret) // 2
    data = before + secret[:half].encode() + secret.encode() + secret[half:].encode() + after

    clean = streamed([data], secret)

    assert not [needle for needle in needles([secret]) if needle in clean]


def test_every_byte_is_passed_on_at_once_unless_it_could_begin_a_secret():
    redactor = Redactor(needles(["sk-0123456789"]))

    assert redactor.feed(b"data: hello\n\n") == b"data: hello\n\n"
    assert redactor.feed(b"data: sk-01") == b"data: "
    assert redactor.feed(b"99\n\n") == b"sk-0199\n\n"
    assert redactor.feed(b"data: sk-0123456789\n\n") == b"data: " + REDACTED + b"\n\n"
    assert redactor.end() == b""


def test_no_more_is_held_back_than_the_longest_spelling():
    redactor = Redactor(needles(["abababab"]))
    longest = max(map(len, needles(["abababab"])))

    passed = sum(len(redactor.feed(b"ab" * 50)) for _ in range(100))

    assert passed == len(REDACTED)
    assert len(redactor.end()) <= longest


def test_a_header_field_is_cleaned_as_a_whole():
    secret = "sk-0123456789"

    assert redacted(f"/next?key={quote(secret)}&x=1", needles([secret])) == "/next?key= [***] &x=1"
    assert redacted("/next?x=1", needles([secret])) == "/next?x=1"


def test_a_password_is_found_alone_and_inside_its_pair():
    parts = secret_parts(Basic(), "robot:p4ssw0rd-9876")
    echo = b"Basic " + base64.b64encode(b"robot:p4ssw0rd-9876") + b" user=robot password=p4ssw0rd-9876"

    assert streamed([echo], *parts) == b"Basic  [***] == user=robot password= [***] "


@given(st.lists(SECRETS, min_size=1, max_size=3))
def test_one_glance_misses_no_spelling_and_no_beginning_of_one(secrets: list[str]):
    sought = needles(secrets)

    plan = _plan(sought)

    assert not any(plan.is_clean(b"\0 before " + needle + b" after \xff") for needle in sought)
    assert all(byte in plan.inner for needle in sought for byte in needle[:-1])


def test_fields_keep_what_is_no_secret_and_lose_a_name_that_is_one():
    secret = "sk-0123456789"
    said = (("x-a", "fine"), (f"x-{secret}", "odd"), ("x-b", f"Bearer {secret}"))

    assert redacted_fields(said, needles([secret])) == (("x-a", "fine"), ("x-b", "Bearer  [***]"))
    assert redacted_fields(said[:1], needles([secret])) == said[:1]
    assert redacted_fields((), needles([secret])) == ()


@given(SECRETS)
def test_the_name_of_a_field_gives_no_secret_away_in_lower_case(secret: str):
    said = ((f"x-{secret.lower()}", "odd"), ("x-hex-" + secret.encode().hex(), "odd"), ("x-a", "fine"))

    assert redacted_fields(said, needles([secret])) == (("x-a", "fine"),)


@given(STUTTERING, STUTTERING, st.lists(st.integers(0, 60), max_size=20))
def test_of_a_secret_that_begins_another_nothing_is_left(short: str, more: str, places: list[int]):
    long = short + more
    data = f"<{long}|{short}|{long[1:]}|{long}{short}>".encode()

    clean = streamed(cut(data, places), long, short)

    assert clean == streamed([data], short, long)
    assert not [needle for needle in needles([long, short]) if needle in clean]


@given(SECRETS, st.integers(0, 1000), st.integers(0, 300), st.binary(max_size=1))
def test_what_could_begin_a_secret_is_told_from_what_could_not(secret: str, n: int, size: int, more: bytes):
    """As fast for a secret that stutters as for any other: tails are looked up, not compared one by one."""
    sought = needles([secret])
    tail = sought[n % len(sought)][:size] + more

    begun = [needle for needle in sought if needle.startswith(tail) and needle != tail]

    assert _plan(sought).begins(tail) == bool(begun)


def test_the_same_secrets_are_spelled_once():
    assert needles(("sk-0123456789", "another")) is needles(("another", "sk-0123456789"))
