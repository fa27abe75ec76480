"""Use cases: registering agents, finding them, keeping content."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from mesh_shared.content.errors import ContentTooLarge
from mesh_shared.content.store import ContentStore, Stored

from mesh_registry.domain import dids
from mesh_registry.domain.signatures import text_digest
from mesh_registry.service.changing import Changer
from mesh_registry.service.discovery import Discovery
from mesh_registry.service.importing import Importer
from mesh_registry.service.operating import Operating
from mesh_registry.service.registering import Registrar
from mesh_registry.service.resolving import Resolver
from mesh_registry.service.servers import McpServers
from mesh_registry.service.showing import Showing
from mesh_registry.service.wallets import has_signed

WRITE = "registry:write"
DISCOVER = "registry:discover"


@dataclass(frozen=True, slots=True)
class Registry:
    """What routes and actions may use."""

    operating: Operating
    registrar: Registrar
    changer: Changer
    discovery: Discovery
    showing: Showing
    servers: McpServers
    importer: Importer
    resolver: Resolver
    store: ContentStore
    max_content_bytes: int

    async def did_document(self, agent_id: str) -> dids.Document:
        """The DID document of an agent. Raises `AgentNotFound`."""
        listing = await self.discovery.agent(agent_id)
        agent, metadata = listing.agent, listing.document.metadata
        endpoint = metadata and metadata.endpoint
        return dids.of_agent(agent.owner, self.operating.contracts.chain_id, agent.did, endpoint)

    async def has_signed(self, agent_id: str, text: str, signature: bytes) -> tuple[str, bool]:
        """The agent's owner, and whether it signed `text`. Raises `AgentNotFound`, `ChainUnavailable`."""
        owner = (await self.discovery.agent(agent_id)).agent.owner
        digest = text_digest(text)
        return owner, await has_signed(self.operating.contracts, owner, digest, signature)

    async def keep(self, data: AsyncIterator[bytes]) -> Stored:
        """Stores and pins `data`. Raises `StoreUnavailable`."""
        return await self.store.add(data)

    async def content(self, cid: str) -> AsyncIterator[bytes]:
        """The bytes under `cid`, each block checked, up to as many as may be stored here.

        Raises `ContentNotFound`, `ContentCorrupt`, `ContentTooLarge`, `StoreUnavailable`.
        """
        left = self.max_content_bytes
        async for part in self.store.cat(cid):
            left -= len(part)
            if left < 0:  # a node that asks the network has all the files of the world
                raise ContentTooLarge(self.max_content_bytes)
            yield part
