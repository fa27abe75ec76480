"""Agents that speak MCP, as the MCP registry shows servers. Reads the index and nothing else."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import Agent, Document, Listing
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.servers import LATEST, Edition, Position, Sought, past
from mesh_registry.errors import ServerNotFound
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.ledger import Ledger
from mesh_registry.repository.servers import Place, Servers

MOST_STATEMENTS = 400
"""The newest about one agent: an update is three, so that these are a hundred versions at least."""


@dataclass(frozen=True, slots=True)
class McpServers:
    """Answers from what the indexer and the fetcher wrote."""

    database: Database
    depths: Depths
    most_statements: int = MOST_STATEMENTS

    async def page(
        self, sought: Sought, namespace: str, after: Position, limit: int
    ) -> tuple[list[Edition], Position | None]:
        """What is sought behind `after`, and the position to go on from; None at the end of the list.

        Less than `limit` may be found and the list not be at its end: so many servers are looked through.
        """
        found: list[Edition] = []
        async with self.database.read() as session:
            places = await Servers(session).page(sought, namespace, after[0], limit + 1)
            async for edition in self._editions(session, sought, places):
                if edition.position > after:
                    found += [edition] if edition.meets(sought) else []
                    after = edition.position
                if len(found) == limit:
                    return found, after
        return found, None if len(places) <= limit else after

    async def versions(self, agent_id: str, *, with_deleted: bool) -> Sequence[Edition]:
        """All versions of a server whose documents were found, newest first. Raises `ServerNotFound`."""
        async with self.database.read() as session:
            found = await Agents(session).find(agent_id)
            if found is None or not (found[0].is_active or with_deleted):
                raise ServerNotFound
            known = await self._known(session, found[0], await Ledger(session).height())
        if not known:
            raise ServerNotFound
        return known

    async def version(self, agent_id: str, version: str, *, with_deleted: bool) -> Edition:
        """One version of a server, or its `latest`. Raises `ServerNotFound`."""
        for edition in await self.versions(agent_id, with_deleted=with_deleted):
            if edition.version == version or (version == LATEST and edition.is_latest):
                return edition
        raise ServerNotFound

    async def _editions(
        self, session: AsyncSession, sought: Sought, places: Sequence[Place]
    ) -> AsyncIterator[Edition]:
        """The versions of servers, each one's oldest first; the present one always."""
        shown = await Agents(session).shown([place.token_id for place in places])
        head = await Ledger(session).height()
        for place in places:
            agent, document = shown[place.token_id]
            present = self._edition(agent, document, place.found_at, head)
            has_former = agent.version > 1 and not sought.is_latest
            known = await self._known(session, agent, head) if has_former else []
            for edition in reversed(known):
                if not edition.is_latest:
                    yield edition
            yield present

    async def _known(self, session: AsyncSession, agent: Agent, head: int) -> list[Edition]:
        """An agent's versions whose documents were found, newest first."""
        versions = past(agent, await Ledger(session).stated(agent.token_id, self.most_statements))
        documents = await Servers(session).documents({version.cid for version in versions})
        return [
            self._edition(version, *documents[version.cid or ""], head, latest=agent.version)
            for version in versions
            if version.cid in documents
        ]

    def _edition(
        self, agent: Agent, document: Document, found_at: int, head: int, latest: int | None = None
    ) -> Edition:
        listing = Listing.at(head, self.depths, agent, document)
        return Edition(listing, max(agent.stated_at, found_at), latest in (None, agent.version))
