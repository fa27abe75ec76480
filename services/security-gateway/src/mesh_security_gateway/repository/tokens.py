"""Tokens that were fetched with a secret, sealed like it."""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.ports import Envelope
from mesh_security_gateway.repository.tables import SecretVersionRow, TokenRow


class Tokens:
    """Every query on `tokens`, of which each version of a secret has one at most."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, connection: UUID, version: int) -> Envelope | None:
        row = await self._session.get(TokenRow, (connection, version))
        return row and envelope_of(row)

    async def put(self, connection: UUID, version: int, envelope: Envelope) -> None:
        """Keeps the token in stead of the one before."""
        await self._session.merge(
            TokenRow(
                connection_id=connection,
                version=version,
                kek_id=envelope.kek_id,
                wrapped_key=envelope.wrapped_key,
                ciphertext=envelope.ciphertext,
            )
        )

    async def drop(self, connection: UUID, version: int) -> None:
        own = (TokenRow.connection_id == connection, TokenRow.version == version)
        await self._session.execute(delete(TokenRow).where(*own))


def envelope_of(row: TokenRow | SecretVersionRow) -> Envelope:
    """What is sealed in there."""
    return Envelope(kek_id=row.kek_id, wrapped_key=row.wrapped_key, ciphertext=row.ciphertext)
