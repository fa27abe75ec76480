"""Short-lived EdDSA JWTs (RFC 7519, RFC 8037): issue, publish keys, verify."""

import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import OKPKey
from joserfc.jws import extract_compact

from mesh_shared.errors import Unauthenticated

# RFC 9864 renames it to Ed25519, but most JWT libraries know only this name yet.
ALGORITHM = "EdDSA"
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)

ISSUER = "mesh"
ADMIN = "mesh:admin"
LEEWAY_S = 5
MAX_TOKEN_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller; `scopes` are what its token allows, never more than its key does."""

    subject: str
    scopes: frozenset[str]

    def can(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes


class KeySource(Protocol):
    async def key(self, kid: str) -> OKPKey:
        """The public key with that id. Raises `Unauthenticated` when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Accepts a token that the mesh's gateway issued for one of our audiences and that is still valid."""

    keys: KeySource
    audiences: frozenset[str]

    async def verify(self, token: str) -> Principal:
        """The caller behind `token`. Raises `Unauthenticated`; the text never says which check failed."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated("The token is not valid here.")
        try:
            key = await self.keys.key(_kid(token))
            decoded = jwt.decode(token, key, algorithms=[ALGORITHM])
            self._check(decoded.claims)
        except (JoseError, ValueError, KeyError, TypeError):
            raise Unauthenticated("The token is not valid here.") from None
        claims = decoded.claims
        return Principal(str(claims["sub"]), frozenset(str(claims["scope"]).split()))

    def _check(self, claims: dict[str, Any]) -> None:
        now = time.time()
        if claims["iss"] != ISSUER or not self.audiences.intersection(claims["aud"]):
            raise ValueError("issued by or for somebody else")
        if not claims["nbf"] - LEEWAY_S <= now < claims["exp"] + LEEWAY_S:
            raise ValueError("outside its time")


def _kid(token: str) -> str:
    header = extract_compact(token.encode()).headers()
    return str(header["kid"])


def issue(
    key: OKPKey, *, subject: str, scopes: Iterable[str], audiences: Iterable[str], ttl_s: int
) -> tuple[str, int]:
    """A signed token and its expiry in Unix seconds."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": sorted(audiences),
        "scope": " ".join(sorted(scopes)),
        "iat": now,
        "nbf": now,
        "exp": now + ttl_s,
        "jti": str(uuid4()),
    }
    header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": "JWT"}
    return jwt.encode(header, claims, key, algorithms=[ALGORITHM]), now + ttl_s


def jwks(keys: Iterable[OKPKey]) -> dict[str, Any]:
    """The public halves as a JWK Set (RFC 7517 §5), each with its thumbprint as `kid`."""
    return {
        "keys": [
            k.as_dict(private=False) | {"kid": k.thumbprint(), "use": "sig", "alg": ALGORITHM} for k in keys
        ]
    }
