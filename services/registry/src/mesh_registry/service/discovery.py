"""Finding agents. Reads the index and nothing else: no agent, no store, no chain is asked."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from mesh_shared.database.engine import Database

from mesh_registry.domain.agents import Agent, Feedback, Listing, Match, Validation
from mesh_registry.domain.browsing import Key, Order
from mesh_registry.domain.chain import Depths, Status
from mesh_registry.domain.search import Criteria
from mesh_registry.errors import AgentNotFound
from mesh_registry.repository.agents import Agents, Found, Narrowing
from mesh_registry.repository.browsing import tokens
from mesh_registry.repository.feedback import FeedbackBook, Position
from mesh_registry.repository.ledger import Ledger
from mesh_registry.repository.texts import Texts
from mesh_registry.repository.validations import Validations
from mesh_registry.service.matching import Matching


class Spot(NamedTuple):
    """Where an entry stands in a list: the higher its score the earlier, then in the order of places."""

    score_ppm: int
    place: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """Answers from what the indexer and the fetcher wrote."""

    database: Database
    depths: Depths

    async def search(self, criteria: Criteria, after: Spot | None, limit: int) -> list[Listing]:
        """Active agents that meet `criteria`, best first, from behind `after`; nearest first for a text."""
        narrowing = Narrowing(criteria, self._depth(criteria.status))
        if criteria.text is None:
            async with self.database.glance() as connection:
                found, head = await Agents(connection).best(narrowing, after.place if after else "", limit)
            return [self._listing(one, head) for one in found]
        async with self.database.read() as session:
            head = await Ledger(session).height()
            matches = await Matching(Texts(session), narrowing).matches(criteria.text, criteria.mode)
            page = [one for one in matches if after is None or one.spot > (-after.score_ppm, after.place)]
            shown = await Agents(session).shown([one.token_id for one in page[:limit]])
        return [self._listing(shown[one.token_id], head, one.match) for one in page[:limit]]

    async def best(self, capability: str | None, after: str, limit: int) -> list[Listing]:
        """Active agents, best first: by rank, stake, id.

        Args:
            capability: A name that the agents claim and the chain confirms; None for all active agents.
            after: The place of the last agent seen, `Agent.place`; empty for the beginning.
            limit: How many at most.
        """
        criteria = Criteria(capabilities=[] if capability is None else [capability])
        return await self.search(criteria, Spot(0, after), limit)

    async def browse(self, order: Order, after: list[Any], limit: int) -> list[Listing]:
        """Active agents in `order`, from behind the position `after`; from the beginning if it is empty."""
        if order.by is Key.RANK:
            return await self.best(None, after[0] if after else "", limit)
        async with self.database.read() as session:
            head = await Ledger(session).height()
            found = await tokens(session, order, after, limit)
            shown = await Agents(session).shown(found)
        return [self._listing(shown[token_id], head) for token_id in found]

    async def agent(self, agent_id: str) -> Listing:
        """The agent, active or not. Raises `AgentNotFound`."""
        async with self.database.read() as session:
            found = await Agents(session).find(agent_id)
            if found is None:
                raise AgentNotFound
            return self._listing(found, await Ledger(session).height())

    async def feedback(
        self, agent_id: str, before: Position | None, limit: int
    ) -> tuple[Agent, list[Feedback]]:
        """The agent and what was said of it, newest first, older than `before`. Raises `AgentNotFound`."""
        async with self.database.read() as session:
            found = await Agents(session).find(agent_id)
            if found is None:
                raise AgentNotFound
            return found[0], await FeedbackBook(session).newest(found[0].token_id, before, limit)

    async def validations(
        self, agent_id: str, before: Position | None, limit: int
    ) -> tuple[tuple[int, float | None], list[Validation]]:
        """Count and average of the agent's answered validations; the newest requests, older than `before`.

        Raises `AgentNotFound`.
        """
        async with self.database.read() as session:
            found = await Agents(session).find(agent_id)
            if found is None:
                raise AgentNotFound
            validations, token_id = Validations(session), found[0].token_id
            return await validations.summary(token_id), await validations.newest(token_id, before, limit)

    def _listing(self, found: Found, head: int, match: Match | None = None) -> Listing:
        return Listing.at(head, self.depths, *found, match=match)

    def _depth(self, status: Status) -> int:
        """How many blocks deep something is that has `status` at least."""
        depths = {Status.CONFIRMED: self.depths.confirmed, Status.FINALIZED: self.depths.finalized}
        return depths.get(status, 0)
