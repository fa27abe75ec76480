"""Publishes policies, and says what they would say of a call without making it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh_shared.auth.tokens import Principal
from mesh_shared.database.engine import Database
from mesh_shared.events import outbox

from mesh_security_gateway.domain.audit import Happening
from mesh_security_gateway.errors import ConnectionNotFound
from mesh_security_gateway.events import PolicyPublished
from mesh_security_gateway.ports import HeadKey
from mesh_security_gateway.repository.audit import AuditLog
from mesh_security_gateway.repository.connections import Connections
from mesh_security_gateway.repository.policies import Policies, Policy
from mesh_security_gateway.service.connections import sees
from mesh_security_gateway.service.deciding import Call, Deciding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Keeps every text that was ever published, with its author; the newest holds."""

    database: Database
    head_key: HeadKey
    deciding: Deciding

    async def adopt(self, caller: Principal, text: str) -> Policy:
        """Makes `text` what holds beside the baseline, from the next call on. Repeating it is harmless.

        Raises `PolicyUnfit` for what is no policies, does not fit the schema, or does more than forbid.
        """
        hash = self.deciding.compile(text).hash
        async with self.database.write() as session:
            chain = AuditLog(session, self.head_key)
            await chain.turn()  # two who publish at once come one after the other
            policies = Policies(session)
            current = await policies.current()
            if current is not None and current.hash == hash:
                return current
            published = await policies.adopt(text, hash=hash, author=caller.subject)
            await chain.append(_change(caller, hash))
            outbox.record(session, PolicyPublished(hash=hash, by=caller.subject))
            return published

    async def get(self, hash: str) -> Policy:
        """The text with that hash. Raises `PolicyNotFound`."""
        async with self.database.read() as session:
            return await Policies(session).get(hash)

    async def page(self, before: int | None, limit: int) -> Sequence[Policy]:
        """At most `limit` publications, newest first."""
        async with self.database.read() as session:
            return await Policies(session).before(before, limit)

    async def simulate(self, caller: Principal, connection: str, call: Call, draft: str | None) -> Verdict:
        """What would come of the call, with `draft` in place of what was published when given.

        Nothing is sent, charged or put on record. Raises `ConnectionNotFound`, also for somebody else's
        connection, and `PolicyUnfit`.
        """
        compiled = None if draft is None else self.deciding.compile(draft)
        async with self.database.read() as session:
            wired = await Connections(session).get(connection)
            if not sees(caller, wired.connection.owner):
                raise ConnectionNotFound
            known = await self.deciding.slice(session, call.subject, wired)
        return (known if compiled is None else replace(known, rules=compiled)).decide(call)


def at(moment: int | None) -> float:
    """The moment that a simulation is about, in Unix seconds; now when none is named."""
    return time.time() if moment is None else float(moment)


def _change(caller: Principal, hash: str) -> Happening:
    return Happening(phase="change", action="policy-published", agent=caller.subject, target=hash)
