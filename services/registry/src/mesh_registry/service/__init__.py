"""Use cases: registering agents, finding them, keeping content."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from mesh_shared.content.store import ContentStore, Stored

from mesh_registry.service.discovery import Discovery
from mesh_registry.service.registering import Registrar

WRITE = "registry:write"
DISCOVER = "registry:discover"


@dataclass(frozen=True, slots=True)
class Registry:
    """What routes and actions may use."""

    registrar: Registrar
    discovery: Discovery
    store: ContentStore

    async def keep(self, data: AsyncIterator[bytes]) -> Stored:
        """Stores and pins `data`. Raises `StoreUnavailable`."""
        return await self.store.add(data)

    def content(self, cid: str) -> AsyncIterator[bytes]:
        """The bytes under `cid`, each block checked.

        Raises `ContentNotFound`, `ContentCorrupt`, `StoreUnavailable`.
        """
        return self.store.cat(cid)
