"""What may be done with a secret so that an upstream takes a request for its owner's.

Each kind is fixed with its provider. `members` is the one spelling that is stored, bound to ciphertexts and
shown; `injector` reads it.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

ClientAuth = Literal["basic", "post"]
JwtAlgorithm = Literal["ES256", "EdDSA", "RS256"]


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer <secret>`."""

    kind: ClassVar[str] = "bearer"


@dataclass(frozen=True, slots=True)
class Basic:
    """`Authorization: Basic <base64 of user:password>`."""

    kind: ClassVar[str] = "basic"


@dataclass(frozen=True, slots=True)
class Header:
    """`<name>: <secret>`."""

    kind: ClassVar[str] = "header"
    name: str


@dataclass(frozen=True, slots=True)
class Query:
    """`?<name>=<secret>`."""

    kind: ClassVar[str] = "query"
    name: str


@dataclass(frozen=True, slots=True)
class Cookie:
    """`Cookie: <name>=<secret>`."""

    kind: ClassVar[str] = "cookie"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """A bearer token of RFC 6749 §4.4."""

    kind: ClassVar[str] = "client-credentials"
    token_url: str
    client_auth: ClientAuth = "basic"
    scope: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A bearer token of RFC 6749 §6. A refresh token that the answer brings takes the old one's place."""

    kind: ClassVar[str] = "refresh-token"
    token_url: str
    client_auth: ClientAuth = "basic"
    scope: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExchange:
    """A bearer token of RFC 8693, for a subject token that is the secret."""

    kind: ClassVar[str] = "token-exchange"
    token_url: str
    client_auth: ClientAuth = "basic"
    subject_token_type: str = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
    scope: str | None = None
    audience: str | None = None
    resource: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubApp:
    """An installation token, asked of the origin itself with a JWT that the app's key signs."""

    kind: ClassVar[str] = "github-app"
    app_id: str
    installation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSigV4:
    """AWS Signature Version 4. An `unsigned` payload streams; a `signed` one is read first."""

    kind: ClassVar[str] = "aws-sigv4"
    region: str
    service: str
    payload: Literal["signed", "unsigned"] = "signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHmac:
    """An HMAC over `template`; see `domain.request_hmac` for its names."""

    kind: ClassVar[str] = "hmac"
    template: str
    signature_header: str
    signature_prefix: str = ""
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: str | None = None
    timestamp_format: Literal["unix", "unix-ms", "rfc3339"] = "unix"
    key_header: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedJwt:
    """`Authorization: Bearer <JWT>`, signed with the private key that is the secret; lifetime in seconds."""

    kind: ClassVar[str] = "jwt"
    algorithm: JwtAlgorithm
    issuer: str
    subject: str | None = None
    audience: str | None = None
    scope: str | None = None
    key_id: str | None = None
    lifetime_s: int = 300


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A TLS client certificate; the secret is its chain and private key, in PEM."""

    kind: ClassVar[str] = "client-certificate"


Static = Bearer | Basic | Header | Query | Cookie
OAuth = ClientCredentials | RefreshToken | TokenExchange
Fetched = OAuth | GithubApp
Held = Static | AwsSigV4 | RequestHmac | MintedJwt | ClientCertificate
"""What needs nobody but the gateway."""
Injector = Held | Fetched

_KINDS: tuple[type[Injector], ...] = (
    Bearer,
    Basic,
    Header,
    Query,
    Cookie,
    ClientCredentials,
    RefreshToken,
    TokenExchange,
    GithubApp,
    AwsSigV4,
    RequestHmac,
    MintedJwt,
    ClientCertificate,
)
KINDS = {kind.kind: kind for kind in _KINDS}


def injector(members: dict[str, Any]) -> Injector:
    """The injector that `members` describe. Raises `KeyError` for a kind that there is not."""
    return KINDS[members["kind"]](**{name: value for name, value in members.items() if name != "kind"})


def members(of: Injector) -> dict[str, Any]:
    """`kind` and every parameter that is not null."""
    return {"kind": of.kind} | {name: value for name, value in asdict(of).items() if value is not None}


def written_fields(of: Injector) -> frozenset[str]:
    """The header fields that it writes, in lower case: an agent's own never go out beside them."""
    match of:
        case Header(name=name):
            return frozenset({name.lower()})
        case Cookie():
            return frozenset({"cookie"})
        case AwsSigV4():
            return frozenset({"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"})
        case RequestHmac():
            named = (of.signature_header, of.timestamp_header, of.key_header)
            return frozenset(name.lower() for name in named if name)
        case Query() | ClientCertificate():
            return frozenset()
        case _:
            return frozenset({"authorization"})


def signs_body(of: Injector) -> bool:
    """True when the body must be whole before the first byte goes out."""
    match of:
        case AwsSigV4(payload=payload):
            return payload == "signed"
        case RequestHmac(template=template):
            return "{body" in template
        case _:
            return False
