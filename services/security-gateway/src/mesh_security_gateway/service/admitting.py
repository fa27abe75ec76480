"""What a call needs besides a grant: room in its rate and budget, and a person's word where it says so."""

from dataclasses import dataclass

from mesh_shared.errors import BodyTooLarge, MeshError
from msgspec import structs

from mesh_security_gateway.domain import headers
from mesh_security_gateway.domain.approvals import Subject
from mesh_security_gateway.domain.grants import Grant
from mesh_security_gateway.errors import SocketUnapprovable
from mesh_security_gateway.repository.connections import Wired
from mesh_security_gateway.service.approving import Approving
from mesh_security_gateway.service.bodies import once, whole
from mesh_security_gateway.service.limiting import Limiting, Reservation
from mesh_security_gateway.service.sending import WEBSOCKET, Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitting:
    """`max_bytes` is how much of a body is kept in memory, so that a person can be asked about all of it."""

    limiting: Limiting
    approving: Approving
    max_bytes: int

    async def admit(self, agent: str, asked: Asked, wired: Wired, grant: Grant) -> tuple[Asked, Reservation]:
        """The request as it may go out, and what it took of the budget.

        Raises what `Limiting.reserve`, `Approving.ask` and `Approving.use` raise, `BodyTooLarge`, and
        `SocketUnapprovable`.
        """
        if not grant.needs_approval:
            return asked, await self.limiting.reserve(grant)
        if asked.method == WEBSOCKET:
            raise SocketUnapprovable
        too_large = BodyTooLarge(self.max_bytes)
        body = b"" if asked.body is None else await whole(asked.body, self.max_bytes, too_large)
        subject = _subject(agent, asked, wired, grant, body)
        if asked.approval is None:
            await self.approving.ask(subject, wired.connection)
        reserved = await self.limiting.reserve(grant)
        try:
            await self.approving.use(asked.approval, subject)
        except MeshError:
            await reserved.release()
            raise
        return _buffered(asked, body), reserved


def _subject(agent: str, asked: Asked, wired: Wired, grant: Grant, body: bytes) -> Subject:
    return Subject(
        agent=agent,
        connection_id=wired.connection.id,
        grant_id=grant.id,
        method=asked.method,
        path=asked.path,
        query=asked.query,
        fields=headers.for_upstream(asked.fields, frozenset()),
        body=body,
    )


def _buffered(asked: Asked, body: bytes) -> Asked:
    return asked if asked.body is None else structs.replace(asked, body=once(body), length=len(body))
