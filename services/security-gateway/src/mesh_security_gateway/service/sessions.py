"""Sessions: what every one of them says, whoever it is for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from joserfc.jwk import OKPKey
from mesh_shared.auth import tokens

from mesh_security_gateway.domain.scopes import HERE, SERVICES
from mesh_security_gateway.errors import AudienceExceeded

SESSION_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed token and what it says; `expires_at` is in Unix seconds, `token_type` how it is sent."""

    token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_at: int
    subject: str
    scopes: tuple[str, ...]


def sign(
    key: OKPKey,
    *,
    subject: str,
    scopes: Iterable[str],
    audiences: Sequence[str] | None,
    ttl_s: int = SESSION_S,
    jkt: str | None = None,
    actors: Sequence[str] = (),
    wallets: Sequence[tuple[str, str]] = (),
) -> Session:
    """A token, by default for all five services; for the gateway alone when it hangs on `wallets`, because
    nobody else looks at the chain for each call. See `Principal` for `actors` and `wallets`.

    Raises `AudienceExceeded` for a token of the second kind that is to be used elsewhere.
    """
    if wallets and not HERE.issuperset(audiences or HERE):
        raise AudienceExceeded
    granted = tuple(sorted(set(scopes)))
    token, expires_at = tokens.issue(
        key,
        subject=subject,
        scopes=granted,
        audiences=set(audiences or (HERE if wallets else SERVICES)),
        ttl_s=ttl_s,
        jkt=jkt,
        actors=actors,
        wallets=wallets,
    )
    return Session(
        token=token,
        token_type="Bearer" if jkt is None else "DPoP",
        expires_at=expires_at,
        subject=subject,
        scopes=granted,
    )
