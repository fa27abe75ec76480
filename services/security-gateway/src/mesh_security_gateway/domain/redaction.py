"""Finds a secret in whatever an upstream says, in every spelling it may have been given, and takes it out.

Bytes are held back only while they could be the beginning of a secret, so that streams keep flowing.
"""

import base64
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ahocorasick_rs import BytesAhoCorasick, MatchKind

from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.errors import EchoDetected

KEPT = 256
"""Secrets whose spellings are kept."""
GLANCE = 16
"""Bytes of each spelling that are looked for at first, so that what is made for one call is soon ready."""

# Spelled with blanks at both ends, which no spelling of a secret has: what is left can never join up to one.
REDACTED = b" [***] "

_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_SPECIAL = frozenset(c for c in _VISIBLE if not c.isalnum() and c not in "-._")
"""What at least one encoder does not leave as it is."""
Escapes = Mapping[int, str]


def _coded(characters: Iterable[str], form: str) -> dict[int, str]:
    """Writes each of `characters` as its number in the format `form`."""
    return {ord(c): form.format(ord(c)) for c in characters}


# What percent-encoders leave as it is, beside letters, digits and -._ : RFC 3986, urllib's quote, forms of
# browsers and Java, PHP, JavaScript's two, Go's path.
_KEPT = ("~", "~/", "*", "", "~!'()*", "~!'()*;,/?:@&=+$#", "~$&+:=@")
_IN_URLS = ('"#<>', "\"#<>'", '"#<>?`{}')
"""What the WHATWG's URLs encode in a query, in one of http, and in a path."""
_PERCENT = (*(_SPECIAL.difference(kept) for kept in _KEPT), *_IN_URLS)

_QUOTED = {ord("\\"): "\\\\", ord('"'): '\\"'}
# What JSON encoders write as numbers: nothing; Go, Rails and Django; Gson; .NET.
_NUMBERED = ("", "&<>", "&<>='", "&<>'+`\"")

_AMP = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_QUOT = _AMP | {ord('"'): "&quot;"}
_HTML: tuple[Escapes, ...] = (
    _AMP,
    _QUOT,
    *(_QUOT | {ord("'"): quote} for quote in ("&#x27;", "&#39;", "&#039;", "&apos;")),
    _AMP | {ord('"'): "&#34;", ord("'"): "&#39;"},  # Go
    _QUOT | {ord("'"): "&#39;"} | _coded("/`=", "&#x{:02X};"),  # Mustache
    _QUOT | _coded("'`=", "&#x{:02X};"),  # Handlebars
)
_PERCENT_FORMS, _JSON_FORMS = ("%{:02X}", "%{:02x}"), ("\\u{:04x}", "\\u{:04X}")
_TWICE_FORMS = ("%25{:02X}", "%25{:02x}")
"""An address within an address, as where a login page is told the way back."""
_ESCAPES: tuple[Escapes, ...] = (
    {},
    *(_coded(characters, form) for characters in _PERCENT for form in (*_PERCENT_FORMS, *_TWICE_FORMS)),
    *(_QUOTED | _coded(numbered, form) for numbered in _NUMBERED for form in _JSON_FORMS),
    _QUOTED | {ord("/"): "\\/"},  # PHP
    {ord("="): "=3D"},  # quoted-printable
    *_HTML,
)
_NUMBER_FORMS = ("&#{};", "&#x{:x};", "&#x{:X};", "\\x{:02x}", "\\x{:02X}", "\\{:03o}")
_EVERY_CHARACTER = tuple(_coded(_VISIBLE, form) for form in (*_PERCENT_FORMS, *_JSON_FORMS, *_NUMBER_FORMS))


def spellings(secret: str) -> tuple[bytes, ...]:
    """The byte strings under which an upstream may repeat `secret`, which is visible ASCII.

    As it is, reversed, in hex, in base64 wherever it stands, in UTF-16, and each escaped for an address, also
    one within another, for JSON, for HTML or for mail as the common encoders do it; and each of its
    characters as a number. Not broken into lines, as mail breaks what is longer than 76 characters.
    """
    plain = secret.encode()
    texts = {secret, secret[::-1], plain.hex(), plain.hex().upper(), *_base64(plain)}
    found = {spelling.encode() for text in texts for spelling in _escaped(text)}
    found |= {secret.translate(numbers).encode() for numbers in _EVERY_CHARACTER}
    found.add(secret.encode("utf-16-le")[:-1])  # UTF-16 of either byte order
    return tuple(found)


def _escaped(text: str) -> Iterable[str]:
    """`text` after each of the escapes; most of them treat the few special characters of a text alike."""
    special = [ord(c) for c in set(text) if c in _SPECIAL]
    ways = {tuple(escapes.get(code) for code in special) for escapes in _ESCAPES}
    for way in ways:
        yield text.translate({code: spelled for code, spelled in zip(special, way, strict=True) if spelled})


def needles(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """The spellings of all `secrets`: what a `Redactor` looks for."""
    return _needles(tuple(sorted(secrets)))


# Kept because spelling takes longer than a call may: whoever reads our memory reads the keys to all secrets.
@lru_cache(maxsize=KEPT)
def _needles(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple({spelling for secret in secrets for spelling in spellings(secret)})


def _base64(plain: bytes) -> Iterable[str]:
    """What base64 makes of `plain` wherever it stands: whole at the start, else its sure letters."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(plain).rstrip(b"=").decode()
        for before in range(3):
            first, end = -(-before * 8 // 6), (before + len(plain)) * 8 // 6
            yield encode(bytes(before) + plain)[first:end].decode()


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to see at one glance that there is no needle: `search` looks for the beginnings of all at once.

    `inner` are the bytes that a needle can break off behind, and `ordered` are the needles in order, so that
    those with one beginning stand together.
    """

    longest: int
    search: BytesAhoCorasick
    inner: frozenset[int]
    ordered: tuple[bytes, ...]

    def is_clean(self, data: bytes) -> bool:
        """True when there is none; what only begins like one is looked at again."""
        return not self.search.find_matches_as_indexes(data)

    def begins(self, tail: bytes) -> bool:
        """True when a needle is longer than `tail` and begins with it."""
        place = bisect_right(self.ordered, tail)
        return place < len(self.ordered) and self.ordered[place].startswith(tail)


@lru_cache(maxsize=KEPT)
def _plan(needles: tuple[bytes, ...]) -> _Plan:
    # Only matches that do not overlap are found by the processor's vector instructions, at 10 GB/s.
    beginnings = {needle[:GLANCE] for needle in needles}
    search = BytesAhoCorasick(beginnings, matchkind=MatchKind.LeftmostLongest)
    inner = frozenset(b"".join(needle[:-1] for needle in needles))
    return _Plan(max(map(len, needles), default=1), search, inner, tuple(sorted(needles)))


@lru_cache(maxsize=KEPT)
def _first(needles: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Finds the bytes that a needle can begin with."""
    return re.compile(b"[%s]" % re.escape(bytes({needle[0] for needle in needles})) if needles else b"(?!)")


@lru_cache(maxsize=KEPT)
def _lowered(needles: tuple[bytes, ...], longest: int) -> frozenset[bytes]:
    """For names of fields, which have no case and come in lower case: those of `longest` bytes at most."""
    return frozenset(needle.lower() for needle in needles if len(needle) <= longest)


class Redactor:
    """Takes the needles, if any, out of one stream; the result does not depend on how the stream was cut."""

    def __init__(self, needles: tuple[bytes, ...]) -> None:
        self._needles = needles
        self._plan = _plan(needles)
        self._held = b""
        self._covered = 0
        """Leading bytes of `_held` that belong to a secret whose mark is out already."""

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now that `chunk` has come."""
        data = self._held + chunk if self._held else chunk
        return self._pass_on(data, self._sure(data))

    def end(self) -> bytes:
        """What was held back, now that nothing more comes."""
        return self._pass_on(self._held, len(self._held))

    def _pass_on(self, data: bytes, until: int) -> bytes:
        found = self._found(data)
        if not found:  # nearly always: what is whole is not copied
            self._held = data[until:]
            return data[:until]
        clean, position, covered = bytearray(), 0, max(self._covered - until, 0)
        for start, end in found:
            if start >= until:
                break
            clean += data[position:start]
            if not (start == 0 and self._covered):
                clean += REDACTED
            position, covered = end, max(end - until, 0)
        clean += data[position:until]
        self._held, self._covered = data[until:], covered
        return bytes(clean)

    def _found(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets are, those that overlap as one, in order."""
        places = [(0, self._covered)] if self._covered else []
        if self._plan.is_clean(data):
            return places
        for needle in self._needles:
            places += _places(needle, data)
        merged: list[tuple[int, int]] = []
        for start, end in sorted(places):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _sure(self, data: bytes) -> int:
        """Where the first byte is that could begin a secret which has not come whole yet."""
        plan = self._plan
        if data and data[-1] not in plan.inner:
            return len(data)
        earliest = max(0, len(data) - plan.longest + 1)
        begins = (found.start() for found in _first(self._needles).finditer(data, earliest))
        return next((at for at in begins if plan.begins(data[at:])), len(data))


def _places(needle: bytes, data: bytes) -> Iterable[tuple[int, int]]:
    """Where the needle is; where it overlaps itself again and again, all of that as one place."""
    at = data.find(needle)
    while at >= 0:
        end = at + len(needle)
        again = data.find(needle, at + 1, end + len(needle) - 1)
        if again >= 0:  # it repeats itself after so many bytes
            period = needle[at - again :]
            while data.startswith(period, end):
                end += len(period)
        yield at, end
        at = data.find(needle, end - len(needle) + 1)


class MessageRedactor:
    """Takes the needles out of messages. Each stands by itself and none is held back, so a secret that comes
    in pieces ends the conversation before its last piece.
    """

    def __init__(self, needles: tuple[bytes, ...]) -> None:
        self._needles = needles
        self._kept = max(map(len, needles), default=1) - 1
        self._before = b""

    def clean(self, message: bytes) -> bytes:
        """`message` without the needles. Raises `EchoDetected` for one that began in a message before."""
        said, border = self._before + message, len(self._before)
        for needle in self._needles:
            first, last = max(0, border - len(needle) + 1), border + len(needle) - 1
            if border and said.find(needle, first, last) >= 0:
                raise EchoDetected
        self._before = said[-self._kept :] if self._kept else b""
        return scrubbed(message, self._needles)


def scrubbed(data: bytes, needles: tuple[bytes, ...]) -> bytes:
    """`data` without the needles."""
    if _plan(needles).is_clean(data):
        return data
    redactor = Redactor(needles)
    return redactor.feed(data) + redactor.end()


def redacted(text: str, needles: tuple[bytes, ...]) -> str:
    """`text` without the needles; it has Latin-1 characters only, as header fields do."""
    return scrubbed(text.encode("latin-1"), needles).decode("latin-1").strip()


def redacted_fields(fields: Fields, needles: tuple[bytes, ...]) -> Fields:
    """`fields`, whose names are in lower case, without the needles in their values, and without those that
    have one in their name.
    """
    names = [name.encode("latin-1") for name, _ in fields]
    # No needle has a line break in it, so one look at all values together sees as much as one at each.
    values = "\n".join([value for _, value in fields]).encode("latin-1")
    sought = _lowered(needles, max(map(len, names), default=0))
    named = [needle for needle in sought if any(needle in name for name in names)]
    if _plan(needles).is_clean(values) and not named:
        return fields
    return tuple(
        (name, redacted(value, needles))
        for (name, value), said in zip(fields, names, strict=True)
        if not any(needle in said for needle in named)
    )
