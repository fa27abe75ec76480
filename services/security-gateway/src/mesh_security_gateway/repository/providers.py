"""Providers."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_security_gateway.domain import injectors
from mesh_security_gateway.domain.providers import Provider
from mesh_security_gateway.errors import ProviderNotFound
from mesh_security_gateway.repository.tables import ProviderRow


class Providers:
    """Every query on `providers`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, provider: Provider) -> None:
        self._session.add(ProviderRow(**provider.members()))

    async def find(self, name: str) -> Provider | None:
        row = await self._session.get(ProviderRow, name)
        return row and provider_of(row)

    async def get(self, name: str) -> Provider:
        """Raises `ProviderNotFound`."""
        if (provider := await self.find(name)) is None:
            raise ProviderNotFound("There is no such provider.")
        return provider

    async def after(self, name: str, limit: int) -> Sequence[Provider]:
        query = select(ProviderRow).where(ProviderRow.name > name).order_by(ProviderRow.name).limit(limit)
        return [provider_of(row) for row in await self._session.scalars(query)]


def provider_of(row: ProviderRow) -> Provider:
    return Provider(
        name=row.name,
        origin=row.origin,
        base_path=row.base_path,
        injector=injectors.injector(row.injector),
        allow_private=row.allow_private,
    )
