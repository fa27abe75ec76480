"""Puts a credential in its place, and says what of it must never come back."""

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import quote

from msgspec import Struct

from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.injectors import Basic, Bearer, Cookie, Header, Query, Static
from mesh_security_gateway.domain.paths import without_key


class Draft(Struct, frozen=True, kw_only=True):
    """A request before its credential: `path` includes the provider's, `body` is there only to be signed."""

    method: str
    origin: str
    path: str
    query: str
    fields: Fields
    body: bytes = b""

    @property
    def host(self) -> str:
        """The Host field as it goes out: without the scheme's own port."""
        scheme, _, authority = self.origin.partition("://")
        return authority.removesuffix({"http": ":80", "https": ":443"}[scheme])


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credentialed:
    """What goes out, and the texts in it that must not come back; no representation, so that none is printed.

    `certificate` is the PEM of a client certificate and its key.
    """

    fields: Fields
    query: str
    sensitive: tuple[str, ...]
    certificate: str | None = None


def inject(injector: Static, secret: str, draft: Draft) -> Credentialed:
    """`draft` with the secret in its place, in stead of anything that stood there."""
    fields, query = draft.fields, draft.query
    match injector:
        case Bearer():
            fields = (*fields, ("authorization", f"Bearer {secret}"))
        case Basic():
            fields = (*fields, ("authorization", f"Basic {b64encode(secret.encode()).decode()}"))
        case Header(name=name):
            fields = (*fields, (name, secret))
        case Cookie(name=name):
            fields = (*fields, ("cookie", f"{name}={secret}"))
        case Query(name=name):
            own = f"{quote(name, safe='')}={quote(secret, safe='')}"
            query = "&".join(filter(None, (without_key(query, name), own)))
    sensitive = (secret, basic_password(secret)) if isinstance(injector, Basic) else (secret,)
    return Credentialed(fields=fields, query=query, sensitive=sensitive)


def basic_password(secret: str) -> str:
    """The half of `user:password` that is secret: the user name when the password is empty."""
    user, _, password = secret.partition(":")
    return password or user
