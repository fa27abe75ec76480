"""How a credential gets into a request, and what of it must never come back."""

import ipaddress
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from mesh_security_gateway.domain import headers
from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.paths import without_key
from mesh_security_gateway.errors import ProviderUnfit, SecretUnfit

Kind = Literal["bearer", "basic", "header", "query"]

MIN_SECRET, MAX_SECRET = 8, 4096
_BRACKETED = re.compile(r"\[(.*)\]")
_VISIBLE = re.compile(r"[\x21-\x7e]*")


@dataclass(frozen=True, slots=True)
class Injector:
    """Where a secret goes; `name` is the field's or the parameter's, for the kinds that have one."""

    kind: Kind
    name: str | None = None

    def field(self) -> str:
        """The header field it writes; empty when it writes none."""
        match self.kind:
            case "bearer" | "basic":
                return "authorization"
            case "header":
                return self.name or ""
            case "query":
                return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An upstream as the operator fixed it. It never changes, so a secret stays where it was put."""

    name: str
    origin: str
    base_path: str
    injector: Injector
    allow_private: bool


def check_provider(provider: Provider) -> None:
    """Raises `ProviderUnfit` for a public origin without TLS, for an address that is none, and for a header
    field that frames the message.
    """
    if provider.origin.startswith("http://") and not provider.allow_private:
        raise ProviderUnfit("An origin without TLS must be a private one: set allow_private, or use https.")
    if (literal := _BRACKETED.search(provider.origin)) and not _is_ipv6(literal[1]):
        raise ProviderUnfit("What stands in brackets is not an IPv6 address.")
    if not headers.may_be_injected(provider.injector.field()):
        raise ProviderUnfit("That header field frames the message and cannot carry a credential.")


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def secret_parts(kind: Kind, secret: str) -> tuple[str, ...]:
    """The texts that must not come back: the secret, and for `basic` also the half that is secret.

    That half is the password, or the user name when the password is empty.
    Raises `SecretUnfit` unless each has 8 to 4096 visible ASCII characters: a shorter one cannot be told from
    ordinary text, and any other could break out of its place in the request.
    """
    user, colon, password = secret.partition(":")
    if kind == "basic" and not colon:
        raise SecretUnfit("A secret of kind basic is written user:password.")
    parts = (secret, password or user) if kind == "basic" else (secret,)
    if not all(MIN_SECRET <= len(part) <= MAX_SECRET and _VISIBLE.fullmatch(part) for part in parts):
        raise SecretUnfit("What is secret needs 8 to 4096 visible ASCII characters.")
    return parts


def inject(injector: Injector, secret: str, fields: Fields, query: str) -> tuple[Fields, str]:
    """`fields` and `query` with the credential in its place, in stead of anything that stood there."""
    match injector:
        case Injector("bearer"):
            return (*fields, ("authorization", f"Bearer {secret}")), query
        case Injector("basic"):
            return (*fields, ("authorization", f"Basic {b64encode(secret.encode()).decode()}")), query
        case Injector("header"):
            return (*fields, (injector.field(), secret)), query
        case Injector(name=name):
            own = f"{quote(name or '', safe='')}={quote(secret, safe='')}"
            return fields, "&".join(filter(None, (without_key(query, name or ""), own)))
