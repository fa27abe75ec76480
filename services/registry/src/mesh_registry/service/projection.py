"""How what the chain said becomes agents that are found, ranked and reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, groupby

from mesh_shared.events import outbox
from mesh_shared.events.event import Event
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import Agent, Document, findable, told
from mesh_registry.domain.chain import NO_AGENT, Occurrence
from mesh_registry.domain.reputation import NEWCOMER, PPM
from mesh_registry.domain.search import weights
from mesh_registry.events import AgentDeactivated, AgentRegistered, AgentUpdated, ReputationChanged
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.documents import Documents
from mesh_registry.repository.feedback import FeedbackBook
from mesh_registry.repository.ledger import Ledger
from mesh_registry.repository.portions import portions
from mesh_registry.repository.texts import Texts
from mesh_registry.repository.validations import Validations

ByToken = Mapping[int, Agent]

INDEX_ROLE = "index"
"""Whoever writes agents holds this role, so that all replicas together write them one after the other."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Takes part in the transaction of `session`, at the moment `now`."""

    session: AsyncSession
    now: datetime

    async def add(self, occurrences: Sequence[Occurrence]) -> None:
        """Takes in what the chain said since the last time, in order."""
        said = _by_token(occurrences)
        before = await Agents(self.session).of(said)
        await self._report(before, await self._fold(before, said))

    async def rebuild(self, token_ids: Sequence[int]) -> None:
        """Makes agents anew from what is left after a reorganisation, and reports what it took back."""
        for some in portions(token_ids):
            before = await Agents(self.session).of(some)
            await Agents(self.session).drop(some)
            agents = await self._fold({}, _by_token(await Ledger(self.session).about(some)))
            await self._report(before, agents, reverted=True)

    async def learn(self, found: Mapping[str, Document]) -> None:
        """Ends the searches for documents; their agents can be found by them from now on."""
        decided = await Documents(self.session).decide(found, self.now)
        if not decided:
            return
        said = {cid: found[cid].metadata for cid in decided}
        await Texts(self.session).add({cid: weights(one) for cid, one in said.items() if one is not None})
        agents = await Agents(self.session).located_at(decided)
        await Agents(self.session).save(
            [(agent, findable(agent, found[agent.cid])) for agent in agents if agent.cid is not None]
        )
        await outbox.record_all(self.session, [_updated(agent, reverted=False) for agent in agents])

    async def _fold(self, before: ByToken, said: Mapping[int, Sequence[Occurrence]]) -> ByToken:
        """The agents with all of it taken in, written once each."""
        agents = {token_id: told(before.get(token_id), about) for token_id, about in said.items()}
        everything = list(chain.from_iterable(said.values()))
        await Validations(self.session).take(everything)
        rated = await FeedbackBook(self.session).take(everything)
        standings = await FeedbackBook(self.session).standings(rated)
        agents |= {token: replace(agents[token], standing=standing) for token, standing in standings.items()}
        documents = await Documents(self.session).ensure((agent.cid for agent in agents.values()), self.now)
        await Agents(self.session).save(
            [(agent, findable(agent, documents[agent.cid])) for agent in agents.values()]
        )
        return agents

    async def _report(self, before: ByToken, agents: ByToken, *, reverted: bool = False) -> None:
        tokens = sorted(before.keys() | agents.keys())
        news = [changes(before.get(token), agents.get(token), reverted=reverted) for token in tokens]
        await outbox.record_all(self.session, list(chain.from_iterable(news)))


def changes(before: Agent | None, agent: Agent | None, *, reverted: bool) -> list[Event]:
    """What there is to tell when `before` became `agent`; None stands for an agent that is not there.

    `reverted` marks what a reorganisation took back. An agent that vanished is told as a reverted
    registration, one that is on again as a reverted deactivation.
    """
    if agent is None:
        return [] if before is None else [_registered(before, reverted)]
    news: list[Event] = []
    if before is None:
        news.append(_registered(agent, reverted))
        before = replace(agent, is_active=True, standing=NEWCOMER)
    elif _shown(agent) != _shown(before):
        news.append(_updated(agent, reverted))
    is_switched = before.is_active != agent.is_active
    if is_switched and (reverted or not agent.is_active):
        news.append(_deactivated(agent, reverted=agent.is_active))
    if before.standing != agent.standing:
        news.append(_ranked(agent, reverted))
    return news


def _shown(agent: Agent) -> Agent:
    """What an update tells: all but the standing, which is told apart, and the blocks."""
    return replace(agent, changed_in=0, stated_in=0, standing=NEWCOMER)


def _by_token(occurrences: Sequence[Occurrence]) -> dict[int, list[Occurrence]]:
    of_agents = (o for o in occurrences if o.token_id != NO_AGENT)
    by_token = sorted(of_agents, key=lambda o: o.token_id)  # stable: each token's stay in order
    return {token_id: list(about) for token_id, about in groupby(by_token, key=lambda o: o.token_id)}


def _deactivated(agent: Agent, *, reverted: bool) -> AgentDeactivated:
    return AgentDeactivated(agent_id=agent.agent_id, block_number=agent.changed_in, reverted=reverted)


def _ranked(agent: Agent, reverted: bool) -> ReputationChanged:
    standing = agent.standing
    return ReputationChanged(
        agent_id=agent.agent_id,
        block_number=agent.changed_in,
        reverted=reverted,
        reputation=standing.reputation_ppm / PPM,
        feedback_count=standing.feedback_count,
        unproven_feedback_count=standing.unproven_count,
    )


def _registered(agent: Agent, reverted: bool) -> AgentRegistered:
    return AgentRegistered(
        agent_id=agent.agent_id,
        block_number=agent.registered_in,
        reverted=reverted,
        token_id=agent.token_id,
        owner=agent.owner,
        did=agent.did,
        metadata_cid=agent.cid,
        transaction_hash=agent.transaction_hash,
    )


def _updated(agent: Agent, reverted: bool) -> AgentUpdated:
    return AgentUpdated(
        agent_id=agent.agent_id,
        block_number=agent.changed_in,
        reverted=reverted,
        version=agent.version,
        owner=agent.owner,
        metadata_cid=agent.cid,
        active=agent.is_active,
        stake_amount=str(agent.stake_units),
    )
