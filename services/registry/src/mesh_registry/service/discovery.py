"""Finding agents. Reads the index and nothing else: no agent, no store, no chain is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh_shared.database.engine import Database
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import Agent, Feedback, Listing
from mesh_registry.domain.chain import Depths
from mesh_registry.errors import AgentNotFound
from mesh_registry.repository.agents import Agents, Found
from mesh_registry.repository.feedback import FeedbackBook, Position
from mesh_registry.repository.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Discovery:
    """Answers from what the indexer and the fetcher wrote."""

    database: Database
    depths: Depths

    async def best(self, capability: str | None, after: str, limit: int) -> list[Listing]:
        """Active agents, best first: by reputation, stake, id.

        Args:
            capability: A name that the agents claim and the chain confirms; None for all active agents.
            after: The place of the last agent seen, `Agent.place`; empty for the beginning.
            limit: How many at most.
        """
        async with self.database.read() as session:
            return await self._listed(session, await Agents(session).best(capability, after, limit))

    async def agent(self, agent_id: str) -> Listing:
        """The agent, active or not. Raises `AgentNotFound`."""
        async with self.database.read() as session:
            found = await Agents(session).find(agent_id)
            if found is None:
                raise AgentNotFound
            (listing,) = await self._listed(session, [found])
        return listing

    async def feedback(
        self, agent_id: str, before: Position | None, limit: int
    ) -> tuple[Agent, list[Feedback]]:
        """The agent and what was said of it, newest first, older than `before`. Raises `AgentNotFound`."""
        async with self.database.read() as session:
            found = await Agents(session).find(agent_id)
            if found is None:
                raise AgentNotFound
            return found[0], await FeedbackBook(session).newest(found[0].token_id, before, limit)

    async def _listed(self, session: AsyncSession, found: Sequence[Found]) -> list[Listing]:
        newest = await Ledger(session).head()
        head = 0 if newest is None else newest.number
        return [
            Listing(agent=agent, document=document, status=self.depths.status(agent.stated_in, head))
            for agent, document in found
        ]
