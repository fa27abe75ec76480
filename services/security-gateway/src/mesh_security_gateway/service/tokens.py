"""Tokens that are fetched with a secret: one fetch for any number of callers, in any number of replicas."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from uuid import UUID

import orjson
from mesh_shared.database.engine import Database, reachable

from mesh_security_gateway.domain import oauth
from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.injectors import Fetched, GithubApp
from mesh_security_gateway.domain.oauth import Token, TokenQuestion
from mesh_security_gateway.domain.secret_forms import client
from mesh_security_gateway.errors import UpstreamToken, UpstreamTooLarge
from mesh_security_gateway.ports import Envelope, HeadKey, Outgoing, PrivateKeys, Upstream, Vault
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.repository.connections import Stored, Wired
from mesh_security_gateway.repository.tokens import Tokens
from mesh_security_gateway.service.bodies import once, whole
from mesh_security_gateway.service.sharing import Sharing

MAX_ANSWER = 64 << 10
FETCH_S = 20.0
_OK, _REDIRECT = 200, 300

Key = tuple[UUID, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """Keeps tokens sealed beside the secrets that they were fetched with, and fetches the next in time."""

    database: Database
    head_key: HeadKey
    vault: Vault
    keys: PrivateKeys
    upstream: Upstream
    clock: Callable[[], float] = time.time
    under_way: Sharing[Key, str] = field(default_factory=Sharing[Key, str])
    """Waited for at the end: a refresh token that is replaced there must be kept here."""

    async def token(self, wired: Wired, secret: Stored, text: str, by: str, stale: str) -> str:
        """The token of the secret, whose `text` is open; another one than `stale`, which was refused.

        Raises `UpstreamToken` and the other failures of the token endpoint, `Unavailable` and
        `AuditUnavailable`.
        """
        held = await self._opened(wired, secret, secret.token)
        if held is not None and self._is_fresh(held, stale):
            return held.access
        key = (wired.connection.id, secret.version.number)
        return await self.under_way.result(key, lambda: self._renew(wired, secret, text, by, stale))

    async def _renew(self, wired: Wired, secret: Stored, text: str, by: str, stale: str) -> str:
        with reachable():
            # Another replica may be at it; what it fetches is ours too.
            async with self.database.sole(f"token:{wired.connection.id}"):
                held = await self._newest(wired, secret)
                if held is not None and self._is_fresh(held, stale):
                    return held.access
                token = await self._fetch(wired, text, held)
                await self._keep(wired, secret, token, by)
                return token.access

    def _is_fresh(self, token: Token, stale: str) -> bool:
        is_young = token.fresh_until is None or self.clock() < token.fresh_until
        return is_young and token.access != stale

    async def _newest(self, wired: Wired, secret: Stored) -> Token | None:
        async with self.database.read() as session:
            envelope = await Tokens(session).find(wired.connection.id, secret.version.number)
        return await self._opened(wired, secret, envelope)

    async def _opened(self, wired: Wired, secret: Stored, envelope: Envelope | None) -> Token | None:
        if envelope is None:
            return None
        return Token(**orjson.loads(await self.vault.open(envelope, wired.token_sealing(secret))))

    async def _fetch(self, wired: Wired, text: str, held: Token | None) -> Token:
        injector = wired.provider.injector
        assert isinstance(injector, Fetched)  # noqa: S101 - who else has tokens
        now = int(self.clock())
        question = self._question(wired, injector, text, held)
        try:
            async with asyncio.timeout(FETCH_S):
                said = await self._ask(question, wired)
        except TimeoutError:
            raise UpstreamToken from None
        if isinstance(injector, GithubApp):
            return oauth.installation(said, now)
        token = oauth.answered(said, now)
        return token if token.refresh or held is None else replace(token, refresh=held.refresh)

    def _question(self, wired: Wired, injector: Fetched, text: str, held: Token | None) -> TokenQuestion:
        if isinstance(injector, GithubApp):
            jwt = self.keys.jwt(text, "RS256", oauth.app_claims(injector, int(self.clock())), None)
            return oauth.installation_question(injector, wired.provider.base_url, jwt)
        who = client(injector, text)
        return oauth.question(injector, who, (held and held.refresh) or who.token)

    async def _ask(self, question: TokenQuestion, wired: Wired) -> bytes:
        """The body of an answer that is one. Raises `UpstreamToken` for every other."""
        incoming = await self.upstream.send(
            Outgoing(
                method="POST",
                url=question.url,
                fields=(*question.fields, ("accept-encoding", "identity")),
                body=once(question.body),
                length=len(question.body),
                allow_private=wired.provider.allow_private,
                identity=f"{wired.connection.id.hex}/token",
            )
        )
        try:
            if not _OK <= incoming.status < _REDIRECT:
                raise UpstreamToken
            return await whole(incoming.chunks(), MAX_ANSWER, UpstreamTooLarge())
        finally:
            incoming.close()

    async def _keep(self, wired: Wired, secret: Stored, token: Token, by: str) -> None:
        sealed = await self.vault.seal(orjson.dumps(asdict(token)).decode(), wired.token_sealing(secret))
        async with self.database.write() as session:
            await Tokens(session).put(wired.connection.id, secret.version.number, sealed)
            await AuditLog(session, self.head_key).append(
                Happening(
                    phase="change",
                    action="token-fetched",
                    agent=by,
                    connection=wired.connection.name,
                    secret_version=secret.version.number,
                    fingerprint=self.vault.fingerprint(token.access),
                    origin=wired.provider.addresses()[-1],
                    private_origin=wired.provider.allow_private,
                )
            )
