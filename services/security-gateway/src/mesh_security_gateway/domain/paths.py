"""Canonical addresses: the bytes that are checked are the bytes that are sent."""

import re
from urllib.parse import unquote, unquote_plus, unquote_to_bytes

from mesh_security_gateway.errors import PathRefused

MAX_LENGTH = 8000
MAX_KEYS, MAX_KEY_LENGTH = 50, 100

# RFC 3986 §3.3: pchar and the slash. Everything else must arrive percent-encoded.
_PATH = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(rb"[\x21\x22\x24-\x7e]*")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_TWICE = re.compile(r"%25[0-9A-Fa-f]{2}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


def canonical_path(raw: bytes) -> str:
    """The one spelling of the path `raw`, which starts with a slash and has no query.

    Unreserved characters lose their percent-encoding and hex digits become upper case (RFC 3986 §6.2.2).
    Raises `PathRefused` for what two parsers may read differently: encoded separators and backslashes,
    control characters, dot segments (also encoded, also before `;`), empty segments, double encoding, bytes
    that are not UTF-8, and anything that is not a path of RFC 3986 or is longer than 8000 bytes.
    """
    if len(raw) > MAX_LENGTH or not _PATH.fullmatch(raw):
        raise PathRefused
    path = _ESCAPE.sub(_normal, raw.decode("ascii"))
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise PathRefused from None
    if _TWICE.search(path) or "%2F" in path or _FORBIDDEN.search(decoded):
        raise PathRefused
    segments = path.split("/")[1:]
    if "" in segments[:-1] or any(_is_dots(segment) for segment in segments):
        raise PathRefused
    return path


def _normal(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else f"%{escape[1].upper()}"


def _is_dots(segment: str) -> bool:
    return unquote(segment).partition(";")[0] in (".", "..")


def checked_query(raw: bytes) -> str:
    """The query string `raw`, byte for byte. Raises `PathRefused` unless it is visible ASCII without `#`."""
    if len(raw) > MAX_LENGTH or not _QUERY.fullmatch(raw):
        raise PathRefused
    return raw.decode("ascii")


def query_keys(query: str) -> tuple[str, ...]:
    """The parameter names in `query`, each once: at most 50 of at most 100 characters. Never a value."""
    names = (_key(pair)[:MAX_KEY_LENGTH] for pair in query.split("&") if pair)
    return tuple(dict.fromkeys(names))[:MAX_KEYS]


def without_key(query: str, name: str) -> str:
    """`query` without the parameter `name`, however that is spelled; the others keep their bytes."""
    return "&".join(pair for pair in query.split("&") if pair and _key(pair) != name)


def _key(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])
