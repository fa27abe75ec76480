"""Proof that a caller holds the key that its token is bound to (RFC 9449).

A proof is for one method and one address, at most a minute old, and good once. Who uses a proof twice is
found in Redis, for all replicas together; while that is down nothing is proved.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import extract_compact
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mesh_shared.errors import Unauthenticated, Unavailable

ALGORITHMS = ("ES256", "EdDSA")
WINDOW_S = 60
NONCE_S = 300
MAX_PROOF_LENGTH, MAX_JTI_LENGTH = 4096, 256
_TYPE = "dpop+jwt"
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ProofRefused(Unauthenticated, title="Proof refused"):
    """The DPoP proof is missing, unreadable, for something else, too old, or was used before."""

    def __init__(self) -> None:
        super().__init__("The proof of possession does not hold.")

    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": f'DPoP error="invalid_dpop_proof", algs="{" ".join(ALGORITHMS)}"'}


class NonceNeeded(Unauthenticated, title="Nonce needed"):
    """The proof has no nonce of ours, or an old one; `DPoP-Nonce` has the one to use."""

    def __init__(self, nonce: str) -> None:
        super().__init__("The proof needs the nonce that this answer has.")
        self._nonce = nonce

    def headers(self) -> Mapping[str, str]:
        challenge = f'DPoP error="use_dpop_nonce", algs="{" ".join(ALGORITHMS)}"'
        return {"WWW-Authenticate": challenge, "DPoP-Nonce": self._nonce}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a proof must be about: `url` is ours without query, `token` the one that comes with it, if any."""

    method: str
    url: str
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof whose signature holds; `jkt` is the thumbprint of the key that made it (RFC 7638)."""

    jkt: str
    jti: str
    claims: Mapping[str, Any]

    def is_about(self, request: Request, now: float) -> bool:
        """True for this method, address, token and minute."""
        claims = self.claims
        return (
            claims.get("htm") == request.method
            and _plain(str(claims.get("htu", ""))) == _plain(request.url)
            and isinstance(issued := claims.get("iat"), int | float)
            and now - WINDOW_S <= issued <= now + WINDOW_S  # no difference: it overflows for 10**400
            and claims.get("ath") == (None if request.token is None else _digest(request.token))
        )


def read(text: str) -> Proof:
    """The proof in `text`. Raises `ProofRefused` for what its own key did not sign, or that has a secret."""
    if len(text) > MAX_PROOF_LENGTH:
        raise ProofRefused
    try:
        header = extract_compact(text.encode()).headers()
        key = _key(header)
        claims = jwt.decode(text, key, algorithms=list(ALGORITHMS)).claims
        jti = claims["jti"]
    except (JoseError, ValueError, KeyError, TypeError):
        raise ProofRefused from None
    if not isinstance(jti, str) or not 1 <= len(jti) <= MAX_JTI_LENGTH:
        raise ProofRefused
    return Proof(jkt=key.thumbprint(), jti=jti, claims=claims)


def _key(header: Mapping[str, Any]) -> ECKey | OKPKey:
    public = cast("dict[str, Any]", header["jwk"])  # joserfc has seen that it is one
    if header.get("typ") != _TYPE or _PRIVATE & public.keys():
        raise ProofRefused
    match public.get("kty"), public.get("crv"):
        case "EC", "P-256":
            return ECKey.import_key(public)
        case "OKP", "Ed25519":
            return OKPKey.import_key(public)
        case _:
            raise ProofRefused


def _digest(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def _plain(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path: RFC 9449 §4.3 compares without query and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme.lower())
    except ValueError:
        return "", "", None, ""
    return parts.scheme.lower(), (parts.hostname or "").lower(), port, parts.path or "/"


@dataclass(frozen=True, slots=True)
class Nonces:
    """Nonces that need not be kept: the five minutes in which they were made, under a secret of ours."""

    secret: str

    def current(self) -> str:
        """The one to use now."""
        return self._of(int(time.time()) // NONCE_S)

    def holds(self, nonce: object) -> bool:
        """True for one of these five minutes or those before."""
        now = int(time.time()) // NONCE_S
        given = nonce if isinstance(nonce, str) and nonce.isascii() else ""
        return any(hmac.compare_digest(given, self._of(then)) for then in (now, now - 1))

    def _of(self, period: int) -> str:
        tag = hmac.digest(self.secret.encode(), f"dpop-nonce\0{period}".encode(), "sha256")
        return base64.urlsafe_b64encode(tag[:18]).decode()


@dataclass(frozen=True, slots=True)
class Proofs:
    """Checks proofs and remembers them for as long as they could be used again."""

    redis: Redis
    nonces: Nonces

    async def check(self, texts: Sequence[str], request: Request, *, needs_nonce: bool = False) -> str:
        """The thumbprint of the key that made the one proof in `texts`, which is then used up.

        Raises `ProofRefused`, `NonceNeeded` for a proof without our nonce when that is needed or with an old
        one, and `Unavailable` while nobody can tell whether it was used before.
        """
        if len(texts) != 1:
            raise ProofRefused
        proof = read(texts[0])
        if not proof.is_about(request, time.time()):
            raise ProofRefused
        nonce = proof.claims.get("nonce")
        if (needs_nonce or nonce is not None) and not self.nonces.holds(nonce):
            raise NonceNeeded(self.nonces.current())
        if not await self._is_new(proof):
            raise ProofRefused
        return proof.jkt

    async def _is_new(self, proof: Proof) -> bool:
        name = hashlib.sha256(json.dumps([proof.jkt, proof.jti]).encode()).hexdigest()
        try:
            # Twice the window: a proof may be a minute ahead of our clock.
            return bool(await self.redis.set(f"mesh:dpop:{name}", 1, nx=True, ex=2 * WINDOW_S + 1))
        except (RedisError, OSError, TimeoutError):
            raise Unavailable("redis") from None
