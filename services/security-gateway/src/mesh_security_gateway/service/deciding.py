"""What the policies say of a call. Read once and kept until the rules of its connection change."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from uuid import UUID

from mesh_shared.errors import MeshError
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain import rules
from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.domain.holding import Holding
from mesh_security_gateway.domain.rules import Decision, Question, Target
from mesh_security_gateway.errors import GrantMissing, PolicyForbids, PolicyUndecided
from mesh_security_gateway.ports import Compile, Rules
from mesh_security_gateway.repository.connections import Wired
from mesh_security_gateway.repository.grants import Grants
from mesh_security_gateway.repository.policies import Policies

KEPT = 1000
"""Subjects with a connection whose rules are kept."""


class Call(Struct, frozen=True, kw_only=True):
    """What is asked: the canonical `path`, the names in its query, and the moment in Unix seconds."""

    subject: str
    method: str
    path: str
    query_keys: tuple[str, ...]
    now: float
    is_leased: bool = False


class Verdict(Struct, frozen=True, kw_only=True):
    """The grant that a call goes out under, or why it does not; `policies` are the ids that decided."""

    grant: Grant | None
    refusal: MeshError | None
    policies: tuple[str, ...]
    policy_hash: str

    def granted(self) -> Grant:
        """The grant. Raises `GrantMissing`, `PolicyForbids` or `PolicyUndecided`."""
        if self.grant is None:
            raise self.refusal or GrantMissing()
        return self.grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What bears on one subject at one connection; `revision` is that of its grants and of the policies."""

    revision: tuple[int, int]
    target: Target
    holding: Holding
    rules: Rules

    def is_older(self, revision: tuple[int, int]) -> bool:
        """True when something changed until `revision`. A reader whose transaction began earlier may see
        what a later one knows: a grant that was revoked since is no loss.
        """
        return self.revision[0] < revision[0] or self.revision[1] < revision[1]

    @property
    def is_known(self) -> bool:
        """True when the subject ever had a grant here, and so may know that the connection exists."""
        return bool(self.holding.grants)

    def decide(self, call: Call) -> Verdict:
        """The first grant that covers the call and that no policy forbids to be used for it."""
        verdict = None
        for grant, patterns in self.holding.fitting(call.method, call.path, call.now):
            decision = self.rules.decide(self._question(call, grant, patterns))
            verdict = self._verdict(decision, grant)
            if verdict.refusal is None:
                return verdict
        return verdict or self._verdict(self.rules.decide(self._question(call)), None)

    def _question(self, call: Call, grant: Grant | None = None, patterns: tuple[str, ...] = ()) -> Question:
        return Question(
            subject=call.subject,
            target=self.target,
            method=call.method,
            path=call.path,
            query_keys=call.query_keys,
            now=int(call.now),
            patterns=patterns,
            grant=grant,
            is_leased=call.is_leased,
        )

    def _verdict(self, decision: Decision, grant: Grant | None) -> Verdict:
        refusal = _refusal(decision)
        return Verdict(
            grant=grant if refusal is None else None,
            refusal=refusal,
            policies=decision.policies,
            policy_hash=self.rules.hash,
        )


def _refusal(decision: Decision) -> MeshError | None:
    if not decision.is_sound:
        return PolicyUndecided()
    if decision.is_allowed:
        return None
    published = [id for id in decision.policies if not id.startswith(rules.PREFIX)]
    if rules.SCOPE in decision.policies or rules.LAPSED in decision.policies or not published:
        return GrantMissing()
    return PolicyForbids(published)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """Finds what bears on a call, and keeps the 1000 slices that were used last."""

    compile: Compile
    kept: OrderedDict[tuple[str, UUID], Slice] = field(default_factory=OrderedDict[tuple[str, UUID], Slice])
    compiled: dict[str, Rules] = field(default_factory=dict[str, Rules])

    def known(self, subject: str, wired: Wired) -> Slice | None:
        """What is kept, while nothing has changed since."""
        found = self.kept.get((subject, wired.connection.id))
        return None if found is None or found.is_older((wired.connection.rules, wired.policies)) else found

    async def slice(self, session: AsyncSession, subject: str, wired: Wired) -> Slice:
        """What bears on `subject` at the connection, as it is in the transaction that read `wired`."""
        key, revision = (subject, wired.connection.id), (wired.connection.rules, wired.policies)
        known = self.kept.get(key)
        if known is None or known.is_older(revision):
            known = self.kept[key] = await self._read(session, subject, wired, known)
        self.kept.move_to_end(key)
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return known

    async def _read(self, session: AsyncSession, subject: str, wired: Wired, known: Slice | None) -> Slice:
        """All of it, or only what changed since it was `known`: giving one grant must not cost a reading of
        two thousand.
        """
        holding, after = (Holding(), 0) if known is None else (known.holding, known.revision[0])
        async for changed in Grants(session).of(subject, wired.connection.id, after=after):
            holding.take(changed, time.time())
        return Slice(
            revision=(wired.connection.rules, wired.policies),
            target=target(wired),
            holding=holding,
            rules=await self._rules(session),
        )

    async def _rules(self, session: AsyncSession) -> Rules:
        policy = await Policies(session).current()
        hash, text = (policy.hash, policy.text) if policy else ("", "")
        if hash not in self.compiled:
            compiled = self.compile(text)
            self.compiled.clear()
            self.compiled[hash] = compiled
        return self.compiled[hash]


def target(wired: Wired) -> Target:
    """The connection as policies see it."""
    return Target(
        name=wired.connection.name,
        owner=wired.connection.owner,
        origin=wired.provider.origin,
        is_private=wired.provider.allow_private,
    )
