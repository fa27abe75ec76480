"""Finds a secret in whatever an upstream says, in every spelling it may have been given, and takes it out.

Bytes are held back only while they could be the beginning of a secret, so that streams keep flowing.
"""

import base64
import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

# Spelled with blanks at both ends, which no spelling of a secret has: what is left can never join up to one.
REDACTED = b" [***] "

# RFC 3986's reserved characters, as the common encoders leave them: all, urllib's, and JavaScript's two.
_ESCAPE = re.compile("%[0-9A-F]{2}")
_UNICODE = re.compile(r"\\u([0-9a-f]{4})")
_UNTOUCHED = ("", "/", "!'()*", "!'()*;,/?:@&=+$#")


def spellings(secret: str) -> tuple[bytes, ...]:
    """The byte strings under which an upstream may repeat `secret`."""
    plain = secret.encode()
    found = {plain, plain[::-1], plain.hex().encode(), plain.hex().upper().encode()}
    found |= {text.encode() for text in (*_percent(secret), *_json(secret), *_html(secret))}
    found |= set(_base64(plain))
    found.add(secret.encode("utf-16-le")[:-1])  # UTF-16 of either byte order
    return tuple(found)


def needles(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """The spellings of all `secrets`: what a `Redactor` looks for."""
    return tuple({spelling for secret in secrets for spelling in spellings(secret)})


def _percent(secret: str) -> Iterable[str]:
    every = "".join(f"%{ord(c):02X}" for c in secret)
    yield from (every, every.lower())
    for safe in _UNTOUCHED:
        encoded = quote(secret, safe=safe)
        yield from (encoded, _ESCAPE.sub(lambda escape: escape[0].lower(), encoded))


def _json(secret: str) -> Iterable[str]:
    every = "".join(f"\\u{ord(c):04x}" for c in secret)
    escaped = json.dumps(secret)[1:-1]
    yield from (every, _UNICODE.sub(_upper, every), escaped, escaped.replace("/", "\\/"))
    for escaping in ("&<>", "&<>'+`"):  # Go's and Rails' encoders; .NET's
        codes = str.maketrans({c: f"\\u{ord(c):04x}" for c in escaping})
        yield from (escaped.translate(codes), _UNICODE.sub(_upper, escaped.translate(codes)))


def _upper(escape: re.Match[str]) -> str:
    return f"\\u{escape[1].upper()}"


def _html(secret: str) -> Iterable[str]:
    escaped = html.escape(secret)
    yield from (escaped, escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))


def _base64(plain: bytes) -> Iterable[bytes]:
    """What base64 makes of `plain` wherever it stands: whole at the start, else its sure letters."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(plain).rstrip(b"=")
        for before in range(3):
            first, end = -(-before * 8 // 6), (before + len(plain)) * 8 // 6
            yield encode(bytes(before) + plain)[first:end]


class Redactor:
    """Takes the needles out of one stream; the result does not depend on how the stream was cut."""

    def __init__(self, needles: tuple[bytes, ...]) -> None:
        self._needles = needles
        self._longest = max(map(len, needles))
        self._held = b""
        self._covered = 0
        """Leading bytes of `_held` that belong to a secret whose mark is out already."""

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now that `chunk` has come."""
        data = self._held + chunk
        return self._pass_on(data, self._sure(data))

    def end(self) -> bytes:
        """What was held back, now that nothing more comes."""
        return self._pass_on(self._held, len(self._held))

    def _pass_on(self, data: bytes, until: int) -> bytes:
        clean, position, covered = bytearray(), 0, max(self._covered - until, 0)
        for start, end in self._found(data):
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
        for needle in self._needles:
            at = data.find(needle)
            while at >= 0:
                places.append((at, at + len(needle)))
                at = data.find(needle, at + 1)
        merged: list[tuple[int, int]] = []
        for start, end in sorted(places):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _sure(self, data: bytes) -> int:
        """Where the first byte is that could begin a secret which has not come whole yet."""
        earliest = max(0, len(data) - self._longest + 1)
        tail = data[earliest:]
        begins = [len(tail)]
        for needle in self._needles:
            at = tail.find(needle[:1])
            while 0 <= at < begins[-1]:
                if len(tail) - at < len(needle) and needle.startswith(tail[at:]):
                    begins.append(at)
                at = tail.find(needle[:1], at + 1)
        return earliest + min(begins)


def redacted(text: str, needles: tuple[bytes, ...]) -> str:
    """`text` without the needles; it has Latin-1 characters only, as header fields do."""
    redactor = Redactor(needles)
    return (redactor.feed(text.encode("latin-1")) + redactor.end()).decode("latin-1").strip()
