"""Agents come in by their owners' signatures: the chain says who they are, and no key is handed out."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joserfc.jwk import OKPKey
from mesh_shared.auth.tokens import Principal
from mesh_shared.database.engine import Database

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.challenges import Asker, Challenge
from mesh_security_gateway.domain.scopes import WALLET_SCOPES, exceeding
from mesh_security_gateway.errors import ScopesExceeded, WalletRefused
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.answers import Answers
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.service.sessions import Session, sign
from mesh_security_gateway.service.watching import Watching


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An owner's signature of the question that was asked under `nonce`."""

    agent: str
    nonce: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallets:
    """Asks owners, and opens sessions for the agents of those who answer."""

    database: Database
    head_key: HeadKey
    signing_key: OKPKey
    asker: Asker
    watching: Watching
    clock: Callable[[], float] = time.time

    async def ask(self, agent: str, site: str = "") -> Challenge:
        """A question to the agent's owner, on a page of `site`.

        Raises `SiteNotAllowed`, `AgentNotFound`, `AgentBarred`, `Unavailable`.
        """
        owner = (await self.watching.admitted(agent)).owner
        return self.asker.ask(agent, owner, int(self.clock()), secrets.token_bytes(8), site)

    async def open(
        self,
        answer: Answer,
        *,
        audiences: Sequence[str] | None,
        scopes: Sequence[str] | None,
        jkt: str | None,
    ) -> Session:
        """A session for the agent, which is its own subject; it ends when the agent changes hands, is
        switched off or loses its stake.

        Raises what `ask` does, `WalletRefused` for an answer that is not the owner's to an open question, and
        also for one that comes twice, `ScopesExceeded` and `AudienceExceeded`.
        """
        owner = (await self.watching.admitted(answer.agent)).owner
        asked = self.asker.asked(answer.agent, owner, answer.nonce, int(self.clock()))
        if not await self.watching.registry.has_signed(answer.agent, owner, asked.text, answer.signature):
            raise WalletRefused
        holder = Principal(answer.agent, frozenset(WALLET_SCOPES))
        if lacking := exceeding(holder, scopes or ()):
            raise ScopesExceeded(lacking)
        session = sign(
            self.signing_key,
            subject=answer.agent,
            scopes=WALLET_SCOPES if scopes is None else scopes,
            audiences=audiences,
            jkt=jkt,
            wallets=[(answer.agent, owner)],
        )
        await self._use(asked)
        return session

    async def _use(self, asked: Challenge) -> None:
        async with self.database.write() as session:
            chain = AuditLog(session, self.head_key)
            await chain.turn()  # of two who come with the same answer one is the second
            if not await Answers(session).use(asked.nonce, asked.expires_at, int(self.clock())):
                raise WalletRefused
            await chain.append(
                Happening(
                    phase="change", action="wallet-session-opened", agent=asked.agent, holder=asked.owner
                )
            )
