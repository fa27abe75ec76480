"""What a secret of each kind is written like, and which parts of it are secret."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mesh_security_gateway.domain.injection import basic_password
from mesh_security_gateway.domain.injectors import (
    AwsSigV4,
    Basic,
    ClientCertificate,
    ClientCredentials,
    Cookie,
    GithubApp,
    Injector,
    MintedJwt,
    OAuth,
    RefreshToken,
    RequestHmac,
    TokenExchange,
)
from mesh_security_gateway.errors import SecretUnfit

MIN_SECRET, MAX_SECRET = 8, 4096
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_COOKIE = re.compile(r"[^\",;\\]*")  # RFC 6265 §4.1.1
_PEM = "-----BEGIN "


@dataclass(frozen=True, slots=True, repr=False)
class Client:
    """An OAuth client, and the token that it holds for some kinds; it has no representation."""

    id: str
    secret: str
    token: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class AwsKey:
    """An access key, with a session token when it is a temporary one; it has no representation."""

    id: str
    secret: str
    token: str = ""


def check_secret(injector: Injector, secret: str) -> None:
    """Raises `SecretUnfit` for a secret that the injector cannot use, or whose secret parts are not 8 to 4096
    visible ASCII characters each: a shorter one cannot be told from ordinary text, and any other could break
    out of its place.
    """
    if isinstance(injector, MintedJwt | GithubApp | ClientCertificate):
        if not secret.startswith(_PEM):
            raise SecretUnfit("A secret of this kind is written in PEM.")
        return
    _check_parts(secret_parts(injector, secret))
    if isinstance(injector, Cookie) and not _COOKIE.fullmatch(secret):
        raise SecretUnfit("A cookie has no quotes, commas, semicolons or backslashes.")


def _check_parts(parts: Iterable[str]) -> None:
    if not all(MIN_SECRET <= len(part) <= MAX_SECRET and _VISIBLE.fullmatch(part) for part in parts):
        raise SecretUnfit("What is secret needs 8 to 4096 visible ASCII characters.")


def secret_parts(injector: Injector, secret: str) -> tuple[str, ...]:
    """The texts within `secret` that must not come back. Raises `SecretUnfit` when a part is missing.

    A private key has none: it stays here, and what is made with it is another text.
    """
    match injector:
        case Basic():
            if ":" not in secret:
                raise SecretUnfit("A secret of kind basic is written user:password.")
            return secret, basic_password(secret)
        case ClientCredentials() | RefreshToken() | TokenExchange():
            held = client(injector, secret)
            return tuple(filter(None, (held.secret, held.token)))
        case AwsSigV4():
            key = aws_key(secret)
            return tuple(filter(None, (key.secret, key.token)))
        case RequestHmac():
            return (signing_key(injector, secret)[1],)
        case MintedJwt() | GithubApp() | ClientCertificate():
            return ()
        case _:
            return (secret,)


def client(injector: OAuth, secret: str) -> Client:
    """Reads `id:secret`, and `id:secret:token` where a token is held; a public client's secret is empty.

    Raises `SecretUnfit` when a part is missing.
    """
    if isinstance(injector, ClientCredentials):
        id, _, own = secret.partition(":")
        if not id or not own:
            raise SecretUnfit("A secret of kind client-credentials is written client_id:client_secret.")
        return Client(id, own)
    id, _, rest = secret.partition(":")
    own, _, token = rest.partition(":")
    if not id or not token:
        raise SecretUnfit(f"A secret of kind {injector.kind} is written client_id:client_secret:token.")
    return Client(id, own, token)


def aws_key(secret: str) -> AwsKey:
    """Reads `access_key_id:secret_access_key`, with `:session_token` after a temporary one.

    Raises `SecretUnfit` when a part is missing.
    """
    id, _, rest = secret.partition(":")
    own, _, token = rest.partition(":")
    if not id or not own:
        raise SecretUnfit("A secret of kind aws-sigv4 is written access_key_id:secret_access_key.")
    return AwsKey(id, own, token)


def signing_key(injector: RequestHmac, secret: str) -> tuple[str, str]:
    """The id and the key: `id:key` when the provider sends the id, else the key alone.

    Raises `SecretUnfit` when a part is missing.
    """
    if injector.key_header is None:
        return "", secret
    id, _, key = secret.partition(":")
    if not id or not key:
        raise SecretUnfit("A secret of kind hmac with a key_header is written id:key.")
    return id, key
