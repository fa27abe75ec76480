"""Everything that is sealed, whoever it belongs to."""

from collections.abc import Awaitable, Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.ports import Envelope, Sealing
from mesh_security_gateway.repository.connections import sealing
from mesh_security_gateway.repository.providers import provider_of
from mesh_security_gateway.repository.tables import ConnectionRow, ProviderRow, SecretVersionRow, TokenRow
from mesh_security_gateway.repository.tokens import envelope_of

PORTION = 100

Wrap = Callable[[Envelope, Sealing], Awaitable[Envelope]]


class Envelopes:
    """Changes what wraps the keys of secrets and tokens, and nothing else of them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def rewrap(self, kek_id: str, wrap: Wrap) -> int:
        """Puts what `wrap` makes of envelopes that are not under `kek_id` in their place, 100 of each kind at
        most; returns how many. What is destroyed has no key.
        """
        return await self._rewrap(SecretVersionRow, "secret", kek_id, wrap) + await self._rewrap(
            TokenRow, "token", kek_id, wrap
        )

    async def _rewrap(
        self,
        kind: type[SecretVersionRow] | type[TokenRow],
        use: str,
        kek_id: str,
        wrap: Wrap,
    ) -> int:
        query = (
            select(kind, ProviderRow)
            .join(ConnectionRow, ConnectionRow.id == kind.connection_id)
            .join(ProviderRow, ProviderRow.name == ConnectionRow.provider)
            .where(kind.kek_id != kek_id, kind.wrapped_key != b"")
            .limit(PORTION)
            .with_for_update(of=kind)
        )
        found = (await self._session.execute(query)).all()
        for row, provider in found:
            new = await wrap(
                envelope_of(row), sealing(row.connection_id, row.version, provider_of(provider), use)
            )
            row.kek_id, row.wrapped_key = new.kek_id, new.wrapped_key
        return len(found)
