"""The versions of secrets, from the first to the destroyed."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain.versions import LIVE, State, Version
from mesh_security_gateway.errors import SecretVersionNotFound
from mesh_security_gateway.ports import Envelope
from mesh_security_gateway.repository.connections import version_of
from mesh_security_gateway.repository.tables import SecretVersionRow


class Versions:
    """Every change of `secret_versions`; whoever makes one holds the connection's lock."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, connection: UUID, number: int, envelope: Envelope, fingerprint: str) -> None:
        """A new active version."""
        self._session.add(
            SecretVersionRow(
                connection_id=connection,
                version=number,
                state="active",
                kek_id=envelope.kek_id,
                wrapped_key=envelope.wrapped_key,
                ciphertext=envelope.ciphertext,
                fingerprint=fingerprint,
            )
        )
        await self._session.flush()

    async def retire(self, connection: UUID, *, not_after: int | None) -> None:
        """Gives the active version until `not_after`, or no time at all; one that was in grace is revoked."""
        of = update(SecretVersionRow).where(SecretVersionRow.connection_id == connection)
        await self._session.execute(of.where(SecretVersionRow.state == "grace").values(state="revoked"))
        state: State = "revoked" if not_after is None else "grace"
        active = of.where(SecretVersionRow.state == "active")
        await self._session.execute(active.values(state=state, not_after=not_after))

    async def revoke(self, connection: UUID, number: int) -> None:
        """No call goes out under it any more."""
        live = (*_is(connection, number), SecretVersionRow.state.in_(LIVE))
        await self._session.execute(update(SecretVersionRow).where(*live).values(state="revoked"))

    async def destroy(self, connection: UUID, number: int) -> None:
        """Overwrites key and ciphertext: nobody opens it again."""
        gone = {"state": "destroyed", "wrapped_key": b"", "ciphertext": b""}
        await self._session.execute(update(SecretVersionRow).where(*_is(connection, number)).values(gone))

    async def of(self, connection: UUID) -> Sequence[Version]:
        """All of the connection's, newest first."""
        query = select(SecretVersionRow).where(SecretVersionRow.connection_id == connection)
        rows = await self._session.scalars(query.order_by(SecretVersionRow.version.desc()))
        return [version_of(row) for row in rows]

    async def get(self, connection: UUID, number: int) -> Version:
        """Raises `SecretVersionNotFound`."""
        query = select(SecretVersionRow).where(*_is(connection, number))
        row = await self._session.scalar(query.execution_options(populate_existing=True))
        if row is None:
            raise SecretVersionNotFound
        return version_of(row)


def _is(connection: UUID, number: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SecretVersionRow.connection_id == connection, SecretVersionRow.version == number
