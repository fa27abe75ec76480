"""Agents, and the names under which they are found."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.domain.agents import NOWHERE, Agent, Document
from mesh_registry.domain.reputation import Standing
from mesh_registry.repository.documents import document_of
from mesh_registry.repository.tables import AgentRow, DocumentRow, OfferRow

Found = tuple[Agent, Document]


class Agents:
    """Every query on `agents` and `offers`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, token_id: int) -> Agent | None:
        row = await self._session.get(AgentRow, token_id)
        return row and _agent(row)

    async def find(self, agent_id: str) -> Found | None:
        """The agent with that id, and its document."""
        query = _with_document().where(AgentRow.agent_id == agent_id)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else _found(*row)

    async def located_at(self, cid: str) -> list[Agent]:
        """The agents whose document is `cid`."""
        query = select(AgentRow).where(AgentRow.cid == cid).order_by(AgentRow.token_id)
        return [_agent(row) for row in await self._session.scalars(query)]

    async def best(self, capability: str | None, after: str, limit: int) -> list[Found]:
        """Active agents, best first, from the place behind `after`; all, or those that offer `capability`."""
        query = _with_document().limit(limit)
        if capability is None:
            page = query.where(AgentRow.is_active, AgentRow.place > after).order_by(AgentRow.place)
        else:
            offers = query.join(OfferRow, OfferRow.token_id == AgentRow.token_id)
            page = offers.where(OfferRow.capability == capability, OfferRow.place > after).order_by(
                OfferRow.place
            )
        return [_found(*row) for row in await self._session.execute(page)]

    async def save(self, agent: Agent, offers: Sequence[str]) -> None:
        """Writes `agent`, found under the names in `offers` from now on."""
        await self._session.merge(_row(agent))
        await self._session.flush()
        await self._session.execute(delete(OfferRow).where(OfferRow.token_id == agent.token_id))
        if offers:
            values = [{"token_id": agent.token_id, "capability": n, "place": agent.place} for n in offers]
            await self._session.execute(insert(OfferRow), values)

    async def drop(self, token_id: int) -> None:
        """Removes an agent with its offers and its feedback."""
        await self._session.execute(delete(AgentRow).where(AgentRow.token_id == token_id))


def _with_document() -> Select[AgentRow, DocumentRow | None]:
    query = select(AgentRow, DocumentRow).outerjoin(DocumentRow, DocumentRow.cid == AgentRow.cid)
    # An outer join yields null, which its type does not say.
    return cast("Select[AgentRow, DocumentRow | None]", query)


def _found(row: AgentRow, document: DocumentRow | None) -> Found:
    return _agent(row), NOWHERE if document is None else document_of(document)


def _agent(row: AgentRow) -> Agent:
    return Agent(
        token_id=row.token_id,
        agent_id=row.agent_id,
        did=row.did,
        uri=row.uri,
        owner=row.owner,
        stake_units=row.stake_units,
        version=row.version,
        is_active=row.is_active,
        capability_hashes=tuple(row.capability_hashes),
        standing=Standing(row.reputation_ppm, row.feedback_count, row.unproven_count),
        transaction_hash=row.transaction_hash,
        registered_in=row.registered_in,
        changed_in=row.changed_in,
        stated_in=row.stated_in,
    )


def _row(agent: Agent) -> AgentRow:
    return AgentRow(
        token_id=agent.token_id,
        agent_id=agent.agent_id,
        did=agent.did,
        uri=agent.uri,
        cid=agent.cid,
        owner=agent.owner,
        stake_units=agent.stake_units,
        version=agent.version,
        is_active=agent.is_active,
        capability_hashes=list(agent.capability_hashes),
        reputation_ppm=agent.standing.reputation_ppm,
        feedback_count=agent.standing.feedback_count,
        unproven_count=agent.standing.unproven_count,
        place=agent.place,
        transaction_hash=agent.transaction_hash,
        registered_in=agent.registered_in,
        changed_in=agent.changed_in,
        stated_in=agent.stated_in,
    )
