"""Tokens that are asked for with a secret: the question, and what the answer must say.

RFC 6749, RFC 8693, and GitHub's "Authenticating as a GitHub App installation".
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

import orjson

from mesh_security_gateway.domain.headers import Fields
from mesh_security_gateway.domain.injectors import (
    ClientCredentials,
    GithubApp,
    MintedJwt,
    OAuth,
    RefreshToken,
    TokenExchange,
)
from mesh_security_gateway.domain.secret_forms import Client
from mesh_security_gateway.errors import UpstreamToken

MAX_TOKEN = 8192
EARLY_S = 30
"""A token is not used any more so long before its end, or a fifth of its life if that is shorter."""
_TOKEN = re.compile(rf"[\x21-\x7e]{{8,{MAX_TOKEN}}}")
_GRANTS = {
    ClientCredentials: "client_credentials",
    RefreshToken: "refresh_token",
    TokenExchange: "urn:ietf:params:oauth:grant-type:token-exchange",
}
_LONGEST_S = 10 * 365 * 86400


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Token:
    """A fetched token, used until `fresh_until` (Unix seconds; null for until it is refused).

    `refresh` is what the next one is asked for with. It has no representation, so that none is printed.
    """

    access: str
    fresh_until: int | None
    refresh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenQuestion:
    """What is posted where; it has no representation."""

    url: str
    fields: Fields
    body: bytes


def question(injector: OAuth, client: Client, held: str) -> TokenQuestion:
    """Asks for a token; `held` is the newest refresh token, or the subject token."""
    form = {"grant_type": _GRANTS[type(injector)], "scope": injector.scope}
    match injector:
        case ClientCredentials(audience=audience):
            form |= {"audience": audience}
        case RefreshToken():
            form |= {"refresh_token": held}
        case TokenExchange():
            form |= {
                "subject_token": held,
                "subject_token_type": injector.subject_token_type,
                "audience": injector.audience,
                "resource": injector.resource,
            }
    fields = [("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")]
    if injector.client_auth == "basic" and client.secret:
        pair = f"{quote_plus(client.id)}:{quote_plus(client.secret)}"  # RFC 6749 §2.3.1
        fields.append(("authorization", f"Basic {b64encode(pair.encode()).decode()}"))
    else:
        form |= {"client_id": client.id, "client_secret": client.secret or None}
    said = {name: value for name, value in form.items() if value is not None}
    return TokenQuestion(url=injector.token_url, fields=tuple(fields), body=urlencode(said).encode())


def installation_question(injector: GithubApp, api: str, jwt: str) -> TokenQuestion:
    """Asks the API at `api` for an installation token."""
    fields = (
        ("accept", "application/vnd.github+json"),
        ("authorization", f"Bearer {jwt}"),
        ("user-agent", "mesh-security-gateway"),  # GitHub refuses requests without one
    )
    url = f"{api}/app/installations/{injector.installation_id}/access_tokens"
    return TokenQuestion(url=url, fields=fields, body=b"")


def answered(body: bytes, now: int) -> Token:
    """The token in an answer of RFC 6749 §5.1 or RFC 8693 §2.2. Raises `UpstreamToken` when there is none."""
    said = _object(body)
    if str(said.get("token_type", "bearer")).lower() not in ("bearer", "n_a"):
        raise UpstreamToken
    return Token(
        access=_text(said.get("access_token")),
        fresh_until=_fresh_until(said.get("expires_in"), now),
        refresh=_text(said["refresh_token"]) if said.get("refresh_token") else "",
    )


def installation(body: bytes, now: int) -> Token:
    """The token in GitHub's answer. Raises `UpstreamToken` when there is none."""
    said = _object(body)
    try:
        ends = int(datetime.fromisoformat(str(said["expires_at"])).timestamp())
    except (KeyError, ValueError, OverflowError):
        raise UpstreamToken from None
    return Token(access=_text(said.get("token")), fresh_until=_fresh_until(ends - now, now))


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UpstreamToken from None
    if not isinstance(said, dict):
        raise UpstreamToken
    return said  # pyright: ignore[reportUnknownVariableType] - an object of JSON


def _text(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise UpstreamToken
    return value


def _fresh_until(expires_in: object, now: int) -> int | None:
    """Some endpoints say their seconds in a string."""
    if expires_in is None:
        return None
    try:
        life = min(int(str(expires_in)), _LONGEST_S)
    except ValueError:
        raise UpstreamToken from None
    return now + life - min(EARLY_S, life // 5)


def claims(spec: MintedJwt, now: int, id: str) -> dict[str, Any]:
    """What a minted token says (RFC 7519 §4.1)."""
    named = {"iss": spec.issuer, "sub": spec.subject, "aud": spec.audience, "scope": spec.scope}
    said = {name: value for name, value in named.items() if value is not None}
    return said | {"iat": now, "exp": now + spec.lifetime_s, "jti": id}


def app_claims(spec: GithubApp, now: int) -> dict[str, Any]:
    """Ten minutes at most, and a minute early for clocks that are slow, as GitHub asks."""
    return {"iss": spec.app_id, "iat": now - 60, "exp": now + 540}
