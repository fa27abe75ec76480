"""Which header fields cross the gateway, in either direction."""

import re
from collections.abc import Iterable

from mesh_security_gateway.errors import PathRefused

Fields = tuple[tuple[str, str], ...]

# RFC 9110 §7.6.1: these belong to one connection, and so does every field that `Connection` names.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# An agent's fields go out only when they are here or end in `-version` (`anthropic-version`,
# `notion-version`). `Range` is not: asking for an echo in pieces would read a secret past the redaction.
_REQUEST = frozenset(
    {
        "accept",
        "accept-language",
        "content-encoding",
        "content-language",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "last-event-id",
        "prefer",
        "user-agent",
        "x-amz-target",  # names the operation in AWS's JSON protocols
    }
)
# What an upstream says to a browser about its own origin would be said about the gateway's. The length
# changes with the redaction, and our server says the date.
_RESPONSE_DROPPED = HOP_BY_HOP | {
    "alt-svc",
    "clear-site-data",
    "content-encoding",
    "content-length",
    "date",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "x-content-type-options",
    "x-mesh-gateway-error",
}
_PLAIN = {"content-encoding": ("", "identity"), "transfer-encoding": ("", "chunked")}
_VALUE = re.compile(r"[\x20-\x7e\t]*")
# RFC 9110 §5.1 and §5.5. Answers are parsed leniently; a CR that got through would begin another field.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_ANSWERED_VALUE = re.compile(r"[\x20-\x7e\t\x80-\xff]*")
# What frames a message cannot be what authenticates it.
_NOT_INJECTED = HOP_BY_HOP | {"accept-encoding", "content-length", "content-type", "cookie", "expect", "host"}


def for_upstream(fields: Iterable[tuple[str, str]], injected: frozenset[str]) -> Fields:
    """The agent's fields that go out, without those that are `injected` (names in lower case).

    Authorization, cookies, API keys, forwarding and tracing fields stay here, and so does what `Connection`
    names. Compression is refused in advance. Raises `PathRefused` for a value that is not printable ASCII.
    """
    given = [(name.lower(), value) for name, value in fields]
    stays = _named_by_connection(given) | injected
    sent = [(name, value) for name, value in given if _goes_out(name) and name not in stays]
    if not all(_VALUE.fullmatch(value) for _, value in sent):
        raise PathRefused
    return (*sent, ("accept-encoding", "identity"))


def _goes_out(name: str) -> bool:
    return name in _REQUEST or name.endswith("-version")


def for_caller(fields: Iterable[tuple[str, str]]) -> Fields:
    """The upstream's fields that come back: no cookies, no framing, nothing that speaks of an origin, and
    nothing that is not a field of RFC 9110.
    """
    given = [(name.lower(), value) for name, value in fields]
    stays = _named_by_connection(given) | _RESPONSE_DROPPED
    return tuple((n, v) for n, v in given if n not in stays and _comes_back(n, v))


def _comes_back(name: str, value: str) -> bool:
    is_field = _NAME.fullmatch(name) and _ANSWERED_VALUE.fullmatch(value)
    return bool(is_field) and not name.startswith("access-control-")


def _named_by_connection(fields: list[tuple[str, str]]) -> frozenset[str]:
    values = (value for name, value in fields if name == "connection")
    return frozenset(token.strip().lower() for value in values for token in value.split(","))


def is_encoded(fields: Iterable[tuple[str, str]]) -> bool:
    """True when the bytes of the body are not the bytes of its content."""
    said = ((_PLAIN.get(name.lower()), value) for name, value in fields)
    return any(plain is not None and value.strip().lower() not in plain for plain, value in said)


def may_be_injected(name: str) -> bool:
    """True for a field that can carry a credential without changing how the message is read."""
    return name.lower() not in _NOT_INJECTED


def joined(fields: Fields) -> dict[str, str]:
    """Each field once, values of the same name joined as RFC 9110 §5.3 has it."""
    together: dict[str, str] = {}
    for name, value in fields:
        together[name] = f"{together[name]}, {value}" if name in together else value
    return together
