"""Approvals: a call under a grant that needs one waits for a person's word on exactly this request."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn
from uuid import UUID, uuid4

from mesh_shared.auth.tokens import ADMIN, Principal
from mesh_shared.database.engine import Database, reachable
from mesh_shared.events import outbox

from mesh_security_gateway.domain.approvals import Approval, Subject
from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.domain.paths import query_keys
from mesh_security_gateway.errors import (
    ApprovalClosed,
    ApprovalForeign,
    ApprovalNotFound,
    ApprovalRequired,
    ApprovalsFull,
    ApprovalUnfit,
)
from mesh_security_gateway.events import ApprovalAsked, ApprovalDecided
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.approvals import Approvals, Listed
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.repository.connections import Connection
from mesh_security_gateway.service.connections import sees

MOST_PENDING = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Approving:
    """Asks, answers and uses approvals; each ends `lasts_s` seconds after it was asked for."""

    database: Database
    head_key: HeadKey
    lasts_s: int

    async def ask(self, subject: Subject, connection: Connection) -> NoReturn:
        """Asks about this request, unless the question is open already.

        Raises `ApprovalRequired`, which names the question, `ApprovalsFull`, and `Unavailable` without the
        database.
        """
        raise ApprovalRequired(await self._question(subject, connection))

    async def _question(self, subject: Subject, connection: Connection) -> UUID:
        now = int(time.time())
        with reachable():
            async with self.database.write() as session:
                approvals = Approvals(session)
                known = await approvals.open(subject.digest, now)
                if known is not None:
                    return known.id
                if await approvals.pending(subject.agent, now) >= MOST_PENDING:
                    raise ApprovalsFull
                asked = _asked(subject, connection, now, now + self.lasts_s)
                await approvals.add(asked, subject.connection_id)
                outbox.record(
                    session, ApprovalAsked(id=asked.id, agent=asked.agent, connection=connection.name)
                )
                return asked.id

    async def use(self, id: UUID, subject: Subject) -> None:
        """Uses the word up; it is durable when the method is back, so that no crash makes it good twice.

        Raises `ApprovalUnfit` for one that is unknown, used, denied, expired, not given yet, or about another
        request: the answer never says which. Raises `Unavailable` without the database.
        """
        with reachable():
            async with self.database.write() as session:
                is_used = await Approvals(session).use(id, subject.digest, int(time.time()))
        if not is_used:
            raise ApprovalUnfit

    async def decide(self, caller: Principal, id: UUID, state: Literal["approved", "denied"]) -> Approval:
        """Answers an open question. Repeating one's answer is harmless.

        Raises `ApprovalNotFound`, also for somebody else's connection, `ApprovalForeign` for one's own
        request, and `ApprovalClosed` when it was answered otherwise, used, or is too old.
        """
        now = int(time.time())
        async with self.database.write() as session:
            approvals = Approvals(session)
            asked = await approvals.get(id)
            if not sees(caller, asked.owner):
                raise ApprovalNotFound
            if caller.subject == asked.agent:
                raise ApprovalForeign
            if (asked.said, asked.approver) == (state, caller.subject):
                return asked
            if not await approvals.decide(id, state=state, approver=caller.subject, now=now):
                raise ApprovalClosed
            await AuditLog(session, self.head_key).append(_change(caller, asked, state))
            outbox.record(session, ApprovalDecided(id=id, agent=asked.agent, by=caller.subject, state=state))
            return await approvals.get(id)

    async def get(self, caller: Principal, id: UUID) -> Approval:
        """The approval, for who asked and who may answer. Raises `ApprovalNotFound`, also for others'."""
        async with self.database.read() as session:
            approval = await Approvals(session).get(id)
        if caller.subject != approval.agent and not sees(caller, approval.owner):
            raise ApprovalNotFound
        return approval

    async def page(
        self, caller: Principal, before: int | None, limit: int, *, only_pending: bool
    ) -> Sequence[Listed]:
        """At most `limit` approvals on the caller's connections, on all for an admin, newest first."""
        owner = None if caller.can(ADMIN) else caller.subject
        pending_at = int(time.time()) if only_pending else None
        async with self.database.read() as session:
            return await Approvals(session).before(before, limit, owner=owner, pending_at=pending_at)


def _asked(subject: Subject, connection: Connection, now: int, until: int) -> Approval:
    return Approval(
        id=uuid4(),
        digest=subject.digest,
        agent=subject.agent,
        connection=connection.name,
        owner=connection.owner,
        method=subject.method,
        path=subject.path,
        query_keys=query_keys(subject.query),
        body_digest=subject.body_digest,
        body_bytes=len(subject.body),
        said="pending",
        approver=None,
        created_at=now,
        expires_at=until,
    )


def _change(caller: Principal, asked: Approval, state: str) -> Happening:
    return Happening(
        phase="change",
        action=f"approval-{state}",
        agent=caller.subject,
        target=str(asked.id),
        holder=asked.agent,
        connection=asked.connection,
    )
