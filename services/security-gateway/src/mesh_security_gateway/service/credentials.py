"""Has a credential for a call, whatever it takes: places the secret, signs with it, mints or fetches a
token.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from mesh_security_gateway.domain import injection, oauth, request_hmac, sigv4
from mesh_security_gateway.domain.injection import Credentialed, Draft
from mesh_security_gateway.domain.injectors import (
    AwsSigV4,
    Bearer,
    ClientCertificate,
    Fetched,
    Held,
    MintedJwt,
    RequestHmac,
)
from mesh_security_gateway.domain.secret_forms import secret_parts
from mesh_security_gateway.errors import SecretRevoked
from mesh_security_gateway.ports import PrivateKeys, Vault
from mesh_security_gateway.repository.connections import Stored, Wired
from mesh_security_gateway.service.tokens import Fetching


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Attempt:
    """A request with its credential; `token` is the fetched one that it carries, or empty."""

    secret: Stored
    credentialed: Credentialed
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Opens secrets and uses them; knows neither who asks nor what for."""

    vault: Vault
    keys: PrivateKeys
    fetching: Fetching
    clock: Callable[[], float] = time.time

    async def first(self, wired: Wired, draft: Draft, by: str) -> Attempt:
        """`draft` under the newest live secret; a token is fetched on behalf of `by`.

        Raises `SecretRevoked` when none is live, `SecretUnreadable`, and the failures of the token endpoint.
        """
        live = wired.live(self.clock())
        if not live:
            raise SecretRevoked
        return await self._attempt(wired, live[0], draft, by)

    def has_more(self, wired: Wired, refused: Attempt) -> bool:
        """True when there is something left to try after the upstream refused this attempt's credential."""
        return bool(refused.token or self._older(wired, refused))

    async def second(self, wired: Wired, draft: Draft, by: str, refused: Attempt) -> Attempt:
        """`draft` with what is left: a token that is fetched anew, or the secret in grace."""
        if refused.token:
            return await self._attempt(wired, refused.secret, draft, by, stale=refused.token)
        return await self._attempt(wired, self._older(wired, refused)[0], draft, by)

    def _older(self, wired: Wired, refused: Attempt) -> list[Stored]:
        newer = refused.secret.version.number
        return [secret for secret in wired.live(self.clock()) if secret.version.number < newer]

    async def _attempt(self, wired: Wired, secret: Stored, draft: Draft, by: str, stale: str = "") -> Attempt:
        injector = wired.provider.injector
        text = await self.vault.open(secret.envelope, secret.sealing)
        if not isinstance(injector, Fetched):
            return Attempt(secret=secret, credentialed=self._used(injector, text, draft))
        token = await self.fetching.token(wired, secret, text, by, stale)
        placed = injection.inject(Bearer(), token, draft)
        sensitive = (token, *secret_parts(injector, text))
        return Attempt(
            secret=secret,
            credentialed=Credentialed(fields=placed.fields, query=placed.query, sensitive=sensitive),
            token=token,
        )

    def _used(self, injector: Held, secret: str, draft: Draft) -> Credentialed:
        match injector:
            case AwsSigV4() as spec:
                return sigv4.sign(spec, secret, draft, self.clock())
            case RequestHmac() as spec:
                return request_hmac.sign(spec, secret, draft, self.clock())
            case MintedJwt() as spec:
                claims = oauth.claims(spec, int(self.clock()), str(uuid4()))
                token = self.keys.jwt(secret, spec.algorithm, claims, spec.key_id)
                return injection.inject(Bearer(), token, draft)
            case ClientCertificate():
                return Credentialed(fields=draft.fields, query=draft.query, sensitive=(), certificate=secret)
            case static:
                return injection.inject(static, secret, draft)
