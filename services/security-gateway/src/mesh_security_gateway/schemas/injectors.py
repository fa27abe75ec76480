"""Where a secret goes, or what is made with it."""

from typing import Annotated, Any, Literal, cast

from mesh_shared.wire import WireModel
from pydantic import Discriminator, Field, Tag

from mesh_security_gateway.schemas.fields import ORIGIN

_TEXT = r"^[\x21-\x7e]+$"
_SPACED = r"^[\x21-\x7e]+( [\x21-\x7e]+)*$"
FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
TokenUrl = Annotated[
    str,
    Field(
        pattern=rf"^{ORIGIN}(/[A-Za-z0-9._~-]+)*/?$",
        max_length=500,
        description="Where tokens are asked for; `http://` only with `allow_private`.",
        examples=["https://login.example/oauth/token"],
    ),
]
ClientAuth = Annotated[
    Literal["basic", "post"], Field(description="How the client says who it is (RFC 6749 §2.3.1).")
]
Scope = Annotated[
    str | None, Field(pattern=_SPACED, max_length=1000, description="Divided by blanks.", examples=["read"])
]
Audience = Annotated[str | None, Field(pattern=_TEXT, max_length=500, examples=["https://api.example"])]


class Bearer(WireModel):
    """`Authorization: Bearer <secret>`."""

    kind: Literal["bearer"] = Field(examples=["bearer"])


class Basic(WireModel):
    """`Authorization: Basic <base64 of user:password>`."""

    kind: Literal["basic"] = Field(examples=["basic"])


class HeaderKey(WireModel):
    """`<name>: <secret>`."""

    kind: Literal["header"] = Field(examples=["header"])
    name: FieldName = Field(examples=["X-Api-Token"])


class QueryKey(WireModel):
    """`?<name>=<secret>`."""

    kind: Literal["query"] = Field(examples=["query"])
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$", examples=["api_key"])


class CookieKey(WireModel):
    """`Cookie: <name>=<secret>`."""

    kind: Literal["cookie"] = Field(examples=["cookie"])
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$", examples=["session"])


class ClientCredentials(WireModel):
    """A bearer token of OAuth 2 (RFC 6749 §4.4); the secret is `client_id:client_secret`."""

    kind: Literal["client-credentials"] = Field(examples=["client-credentials"])
    token_url: TokenUrl
    client_auth: ClientAuth = "basic"
    scope: Scope = None
    audience: Audience = None


class RefreshToken(WireModel):
    """A bearer token of OAuth 2 (RFC 6749 §6); the secret is `client_id:client_secret:refresh_token`."""

    kind: Literal["refresh-token"] = Field(examples=["refresh-token"])
    token_url: TokenUrl
    client_auth: ClientAuth = "basic"
    scope: Scope = None


class TokenExchange(WireModel):
    """A bearer token of RFC 8693; the secret is `client_id:client_secret:subject_token`."""

    kind: Literal["token-exchange"] = Field(examples=["token-exchange"])
    token_url: TokenUrl
    client_auth: ClientAuth = "basic"
    subject_token_type: str = Field(
        default="urn:ietf:params:oauth:token-type:access_token",
        pattern=_TEXT,
        max_length=200,
        examples=["urn:ietf:params:oauth:token-type:jwt"],
    )
    scope: Scope = None
    audience: Audience = None
    resource: str | None = Field(
        default=None, pattern=_TEXT, max_length=500, examples=["https://api.example/v1"]
    )


class GithubApp(WireModel):
    """An installation token of a GitHub App; the secret is the app's private key (RSA, PEM)."""

    kind: Literal["github-app"] = Field(examples=["github-app"])
    app_id: str = Field(
        pattern=r"^[A-Za-z0-9]{1,40}$", description="The app's id or client id.", examples=["123456"]
    )
    installation_id: str = Field(pattern=r"^[0-9]{1,20}$", examples=["7654321"])


class AwsSigV4(WireModel):
    """AWS Signature Version 4; the secret is `access_key_id:secret_access_key[:session_token]`."""

    kind: Literal["aws-sigv4"] = Field(examples=["aws-sigv4"])
    region: str = Field(pattern=r"^[a-z0-9-]{1,40}$", examples=["eu-west-1"])
    service: str = Field(pattern=r"^[a-z0-9-]{1,40}$", examples=["s3"])
    payload: Literal["signed", "unsigned"] = Field(
        default="signed",
        description="`unsigned` streams the body, which only some services take; `signed` reads it first.",
    )


class RequestHmac(WireModel):
    """An HMAC over a text made of the request; the secret is the key, or `id:key` with a `key_header`."""

    kind: Literal["hmac"] = Field(examples=["hmac"])
    template: str = Field(
        pattern=r"^[\x20-\x7e\n]+$",
        max_length=500,
        description="Names: {method} {path} {query} {target} {host} {timestamp} {key_id} {body} {body_sha256}"
        " {body_sha512}.",
        examples=["{timestamp}\n{method}\n{target}\n{body_sha256}"],
    )
    signature_header: FieldName = Field(examples=["X-Signature"])
    signature_prefix: str = Field(default="", pattern=r"^[\x20-\x7e]*$", max_length=50, examples=["v1="])
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: FieldName | None = Field(default=None, examples=["X-Timestamp"])
    timestamp_format: Literal["unix", "unix-ms", "rfc3339"] = "unix"
    key_header: FieldName | None = Field(default=None, examples=["X-Key-Id"])


class MintedJwt(WireModel):
    """`Authorization: Bearer <JWT>`, signed for each call; the secret is the private key (PEM)."""

    kind: Literal["jwt"] = Field(examples=["jwt"])
    algorithm: Literal["ES256", "EdDSA", "RS256"] = Field(examples=["ES256"])
    issuer: str = Field(pattern=_TEXT, max_length=200, examples=["mesh"])
    subject: str | None = Field(default=None, pattern=_TEXT, max_length=200, examples=["mesh"])
    audience: Audience = None
    scope: Scope = None
    key_id: str | None = Field(default=None, pattern=_TEXT, max_length=200, examples=["2026-11"])
    lifetime_s: int = Field(default=300, ge=10, le=3600, examples=[300])


class ClientCertificate(WireModel):
    """TLS with a client certificate; the secret is its chain and its private key (PEM, unencrypted)."""

    kind: Literal["client-certificate"] = Field(examples=["client-certificate"])


def _kind(given: Any) -> str | None:
    """Which model is meant; null makes it none."""
    if isinstance(given, dict):
        kind = cast(dict[str, Any], given).get("kind")
        return kind if isinstance(kind, str) else None
    return getattr(given, "kind", None)


InjectorModel = Annotated[
    Annotated[Bearer, Tag("bearer")]
    | Annotated[Basic, Tag("basic")]
    | Annotated[HeaderKey, Tag("header")]
    | Annotated[QueryKey, Tag("query")]
    | Annotated[CookieKey, Tag("cookie")]
    | Annotated[ClientCredentials, Tag("client-credentials")]
    | Annotated[RefreshToken, Tag("refresh-token")]
    | Annotated[TokenExchange, Tag("token-exchange")]
    | Annotated[GithubApp, Tag("github-app")]
    | Annotated[AwsSigV4, Tag("aws-sigv4")]
    | Annotated[RequestHmac, Tag("hmac")]
    | Annotated[MintedJwt, Tag("jwt")]
    | Annotated[ClientCertificate, Tag("client-certificate")],
    Discriminator(
        _kind,
        custom_error_type="injector_kind",
        custom_error_message="There is no such kind of injector",  # pydantic's own repeats what was sent
    ),
    Field(description="Where the secret goes, or what is made with it.", examples=[{"kind": "bearer"}]),
]
