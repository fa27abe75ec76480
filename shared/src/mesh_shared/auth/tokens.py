"""Short-lived EdDSA JWTs (RFC 7519, RFC 8037): issue, publish keys, verify."""

import hashlib
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
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
MOST_SEEN = 1024
"""Tokens whose signatures are remembered."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller; `scopes` are what its token allows, never more than its key does.

    `jkt` is the thumbprint of the key that its token is bound to, null for a bearer's. `actors` are those who
    act for the subject, the present one first (RFC 8693 §4.1). `wallets` are (agent, owner) pairs: it holds
    only while each of these agents belongs to that account. `expires_at` is in Unix seconds.
    """

    subject: str
    scopes: frozenset[str]
    jkt: str | None = None
    actors: tuple[str, ...] = ()
    wallets: tuple[tuple[str, str], ...] = ()
    expires_at: int = field(default=0, compare=False)

    def can(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes


class _Seen(NamedTuple):
    """A token whose signature holds under the key `kid`, and who it is about."""

    kid: str
    claims: dict[str, Any]
    caller: Principal


class KeySource(Protocol):
    async def key(self, kid: str) -> OKPKey:
        """The public key with that id. Raises `Unauthenticated` when there is none."""
        ...


class Verifier(Protocol):
    async def verify(self, token: str, *, is_bound: bool = False) -> Principal:
        """The caller behind `token`. With `is_bound` its proof of the key `jkt` is still to be seen.

        Raises `Unauthenticated`, and `Unavailable` when that cannot be told now.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Accepts a token that the mesh's gateway issued for one of our audiences and that is still valid."""

    keys: KeySource
    audiences: frozenset[str]
    _seen: dict[bytes, _Seen] = field(default_factory=dict[bytes, _Seen], compare=False, repr=False)

    async def verify(self, token: str, *, is_bound: bool = False) -> Principal:
        """The caller behind `token`. With `is_bound` its proof of the key `jkt` is still to be seen.

        A token that is bound to a key is no bearer's, and the other way round (RFC 9449 §7.2).
        Raises `Unauthenticated`; the text never says which check failed.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated("The token is not valid here.")
        try:
            seen = await self._read(token)
            self._check(seen.claims)
        except (JoseError, AttributeError, ValueError, KeyError, TypeError):
            raise Unauthenticated("The token is not valid here.") from None
        if (seen.caller.jkt is not None) != is_bound:
            raise Unauthenticated("The token is not valid here.")
        return seen.caller

    async def _read(self, token: str) -> _Seen:
        """What the token says, under a key that is still one of the mesh's.

        A signature that held once holds for ever: it is looked at once, by the digest of the token.
        """
        digest = hashlib.sha256(token.encode()).digest()
        if (seen := self._seen.get(digest)) is not None:
            await self.keys.key(seen.kid)
            return seen
        kid = _kid(token)
        decoded = jwt.decode(token, await self.keys.key(kid), algorithms=[ALGORITHM])
        while len(self._seen) >= MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        seen = self._seen[digest] = _Seen(kid, decoded.claims, _principal(decoded.claims))
        return seen

    def _check(self, claims: dict[str, Any]) -> None:
        now = time.time()
        if claims["iss"] != ISSUER or not self.audiences.intersection(claims["aud"]):
            raise ValueError("issued by or for somebody else")
        if not claims["nbf"] - LEEWAY_S <= now < claims["exp"] + LEEWAY_S:
            raise ValueError("outside its time")


def _principal(claims: dict[str, Any]) -> Principal:
    return Principal(
        subject=str(claims["sub"]),
        scopes=frozenset(str(claims["scope"]).split()),
        jkt=str(claims["cnf"]["jkt"]) if "cnf" in claims else None,
        actors=tuple(_actors(claims)),
        wallets=tuple((str(agent), str(owner)) for agent, owner in claims.get("wallets", {}).items()),
        expires_at=int(claims["exp"]),
    )


def _actors(claims: dict[str, Any]) -> Iterator[str]:
    """Subjects of nested `act` claims, outermost first: the present actor and those before it."""
    while (act := claims.get("act")) is not None:
        yield str(act["sub"])
        claims = act


def _kid(token: str) -> str:
    header = extract_compact(token.encode()).headers()
    return str(header["kid"])


def issue(
    key: OKPKey,
    *,
    subject: str,
    scopes: Iterable[str],
    audiences: Iterable[str],
    ttl_s: int,
    jkt: str | None = None,
    actors: Sequence[str] = (),
    wallets: Iterable[tuple[str, str]] = (),
) -> tuple[str, int]:
    """A signed token and its expiry in Unix seconds; bound to the key with thumbprint `jkt` if given.

    See `Principal` for `actors` and `wallets`.
    """
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": subject,
        "aud": sorted(audiences),
        "scope": " ".join(sorted(scopes)),
        "iat": now,
        "nbf": now,
        "exp": now + ttl_s,
        "jti": str(uuid4()),
    }
    if jkt is not None:
        claims["cnf"] = {"jkt": jkt}
    if actors:
        claims["act"] = _acting(actors)
    if held := dict(wallets):
        claims["wallets"] = held
    header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": "JWT"}
    return jwt.encode(header, claims, key, algorithms=[ALGORITHM]), now + ttl_s


def _acting(actors: Sequence[str]) -> dict[str, Any]:
    present, *before = actors
    return {"sub": present} | ({"act": _acting(before)} if before else {})


def jwks(keys: Iterable[OKPKey]) -> dict[str, Any]:
    """The public halves as a JWK Set (RFC 7517 §5), each with its thumbprint as `kid`."""
    return {
        "keys": [
            k.as_dict(private=False) | {"kid": k.thumbprint(), "use": "sig", "alg": ALGORITHM} for k in keys
        ]
    }
