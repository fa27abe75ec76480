"""An agent as a whole: what it is, and what others vouch for."""

from dataclasses import dataclass

from mesh_shared.database.engine import Database

from mesh_registry.domain.agents import Listing
from mesh_registry.domain.cards import Evidence
from mesh_registry.repository.cards import Cards
from mesh_registry.repository.validations import Validations
from mesh_registry.service.discovery import Discovery


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`card` is what the agent was registered by, None when by something else.

    `answered` validations were answered with `average`, 0 to 100; None before the first.
    """

    listing: Listing
    card: Evidence | None
    answered: int
    average: float | None


@dataclass(frozen=True, slots=True)
class Showing:
    """What is looked up for one agent, and would make lists slow."""

    database: Database
    discovery: Discovery

    async def profile(self, agent_id: str) -> Profile:
        """The agent, active or not. Raises `AgentNotFound`."""
        listing = await self.discovery.agent(agent_id)
        async with self.database.read() as session:
            card = await Cards(session).find(agent_id)
            answered, average = await Validations(session).summary(listing.agent.token_id)
        return Profile(listing=listing, card=card, answered=answered, average=average)
