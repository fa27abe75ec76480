"""How what the chain said becomes agents that are found, ranked and reported."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from mesh_shared.events import outbox
from mesh_shared.events.event import Event
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import Agent, Document, after, begin, offered
from mesh_registry.domain.chain import Occurrence
from mesh_registry.domain.reputation import NEWCOMER, PPM
from mesh_registry.events import AgentDeactivated, AgentRegistered, AgentUpdated, ReputationChanged
from mesh_registry.repository.agents import Agents
from mesh_registry.repository.documents import Documents
from mesh_registry.repository.feedback import FeedbackBook
from mesh_registry.repository.ledger import Ledger

INDEX_ROLE = "index"
"""Whoever writes agents holds this role, so that all replicas together write them one after the other."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Takes part in the transaction of `session`, at the moment `now`."""

    session: AsyncSession
    now: datetime

    async def add(self, occurrences: Sequence[Occurrence]) -> None:
        """Takes in what the chain said since the last time, in order."""
        by_token = sorted(occurrences, key=lambda o: o.token_id)  # stable: each token's stay in order
        for token_id, about in groupby(by_token, key=lambda o: o.token_id):
            before = await Agents(self.session).get(token_id)
            agent = await self._fold(before, list(about))
            self._report(before, agent)

    async def rebuild(self, token_ids: Sequence[int]) -> None:
        """Makes agents anew from what is left after a reorganisation, and reports what it took back."""
        for token_id in token_ids:
            agents = Agents(self.session)
            before = await agents.get(token_id)
            await agents.drop(token_id)
            left = await Ledger(self.session).about(token_id)
            self._report(before, await self._fold(None, left) if left else None, reverted=True)

    async def learn(self, cid: str, document: Document) -> None:
        """Ends the search for a document; its agents can be found by it from now on."""
        await Documents(self.session).decide(cid, document)
        agents = Agents(self.session)
        for agent in await agents.located_at(cid):
            await agents.save(agent, _names(agent, document))
            outbox.record(self.session, _updated(agent, reverted=False))

    async def _fold(self, agent: Agent | None, occurrences: Sequence[Occurrence]) -> Agent:
        agent = agent or begin(occurrences[0])
        for occurrence in occurrences:
            agent = after(agent, occurrence)
        document = await Documents(self.session).ensure(agent.cid, self.now)
        await Agents(self.session).save(agent, _names(agent, document))
        book = FeedbackBook(self.session)
        if any([await book.take(occurrence) for occurrence in occurrences]):
            agent = replace(agent, standing=await book.standing(agent.token_id))
            await Agents(self.session).save(agent, _names(agent, document))
        return agent

    def _report(self, before: Agent | None, agent: Agent | None, *, reverted: bool = False) -> None:
        for event in changes(before, agent, reverted=reverted):
            outbox.record(self.session, event)


def changes(before: Agent | None, agent: Agent | None, *, reverted: bool) -> list[Event]:
    """What there is to tell when `before` became `agent`; None stands for an agent that is not there.

    `reverted` marks what a reorganisation took back. An agent that vanished is told as a reverted
    registration, one that is on again as a reverted deactivation.
    """
    if agent is None:
        return [] if before is None else [_registered(before, reverted)]
    told: list[Event] = []
    if before is None:
        told.append(_registered(agent, reverted))
        before = replace(agent, is_active=True, standing=NEWCOMER)
    elif _shown(agent) != _shown(before):
        told.append(_updated(agent, reverted))
    is_switched = before.is_active != agent.is_active
    if is_switched and (reverted or not agent.is_active):
        told.append(_deactivated(agent, reverted=agent.is_active))
    if before.standing != agent.standing:
        told.append(_ranked(agent, reverted))
    return told


def _shown(agent: Agent) -> Agent:
    """What an update tells: all but the standing, which is told apart, and the blocks."""
    return replace(agent, changed_in=0, stated_in=0, standing=NEWCOMER)


def _names(agent: Agent, document: Document) -> list[str]:
    return offered(agent, document) if agent.is_active else []


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
