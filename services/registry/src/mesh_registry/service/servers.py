"""Agents that speak MCP, as the MCP registry shows servers. Reads the index and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh_shared.database.engine import Database

from mesh_registry.domain.agents import Agent, Document, Listing
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.servers import LATEST, Edition, Sought, past
from mesh_registry.errors import ServerNotFound
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.ledger import Ledger
from mesh_registry.repository.servers import Servers

MOST_STATEMENTS = 400
"""The newest about one agent: an update is three, so that these are a hundred versions at least."""


@dataclass(frozen=True, slots=True)
class McpServers:
    """Answers from what the indexer and the fetcher wrote."""

    database: Database
    depths: Depths
    most_statements: int = MOST_STATEMENTS

    async def page(self, sought: Sought, namespace: str, after: int, limit: int) -> list[Edition]:
        """The present versions of servers, the longest registered first, from behind token `after`."""
        async with self.database.read() as session:
            places = await Servers(session).page(sought, namespace, after, limit)
            found = await Agents(session).shown([place.token_id for place in places])
            head = await Ledger(session).height()
        return [self._edition(*found[place.token_id], place.found_at, head) for place in places]

    async def versions(self, agent_id: str, *, with_deleted: bool) -> Sequence[Edition]:
        """All versions of a server whose documents were found, newest first. Raises `ServerNotFound`."""
        async with self.database.read() as session:
            found = await Agents(session).find(agent_id)
            if found is None or not (found[0].is_active or with_deleted):
                raise ServerNotFound
            agent = found[0]
            versions = past(agent, await Ledger(session).stated(agent.token_id, self.most_statements))
            documents = await Servers(session).documents({version.cid for version in versions})
            head = await Ledger(session).height()
        known = [version for version in versions if version.cid in documents]
        if not known:
            raise ServerNotFound
        return [
            self._edition(version, *documents[version.cid or ""], head, latest=agent.version)
            for version in known
        ]

    async def version(self, agent_id: str, version: str, *, with_deleted: bool) -> Edition:
        """One version of a server, or its `latest`. Raises `ServerNotFound`."""
        for edition in await self.versions(agent_id, with_deleted=with_deleted):
            if edition.version == version or (version == LATEST and edition.is_latest):
                return edition
        raise ServerNotFound

    def _edition(
        self, agent: Agent, document: Document, found_at: int, head: int, latest: int | None = None
    ) -> Edition:
        listing = Listing.at(head, self.depths, agent, document)
        return Edition(listing, max(agent.stated_at, found_at), latest in (None, agent.version))
