"""Agents, and the labels under which they are found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from mesh_registry.domain.agents import NOWHERE, Agent, Document
from mesh_registry.domain.reputation import Standing
from mesh_registry.domain.search import Criteria, Prices
from mesh_registry.repository.documents import document_from
from mesh_registry.repository.portions import portions
from mesh_registry.repository.tables import AgentRow, DocumentRow, OfferRow

Found = tuple[Agent, Document]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What agents must meet; `stated_by` is the newest block in which their owner may have said something."""

    criteria: Criteria
    stated_by: int | None = None

    def conditions(self, labels: Sequence[str]) -> list[ColumnElement[bool]]:
        """On `agents`, having those of `labels` among them."""
        wanted: list[ColumnElement[bool]] = [AgentRow.is_active.is_(True)]
        for label in labels:
            offer = aliased(OfferRow)
            wanted.append(exists().where(*self.offering(label, offer)))
        if self.criteria.min_reputation_ppm:
            wanted.append(AgentRow.reputation_ppm >= self.criteria.min_reputation_ppm)
        if self.stated_by is not None:
            wanted.append(AgentRow.stated_in <= self.stated_by)
        return wanted

    def offering(self, label: str, offer: type[OfferRow]) -> list[ColumnElement[bool]]:
        """On `offer`, joined with `agents`: this label, at the price that is wanted if it can have one."""
        wanted = [offer.token_id == AgentRow.token_id, offer.label == label]
        if self.criteria.max_price_units is not None and label in self.criteria.priced_labels:
            wanted.append(_is_at_most(self.criteria.max_price_units, offer))
        return wanted

    @property
    def labels(self) -> list[str]:
        """All that are wanted, first those that fewer agents have."""
        return [*self.criteria.priced_labels, *self.criteria.other_labels]


class Agents:
    """Every query on `agents` and `offers`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, token_id: int) -> Agent | None:
        return (await self.of([token_id])).get(token_id)

    async def of(self, token_ids: Iterable[int]) -> dict[int, Agent]:
        """The agents with these tokens, as far as they are there."""
        found: dict[int, Agent] = {}
        for some in portions(token_ids):
            query = select(*_COLUMNS).where(AgentRow.token_id.in_(some))
            found |= {row.token_id: _agent(row) for row in await self._session.execute(query)}
        return found

    async def find(self, agent_id: str) -> Found | None:
        """The agent with that id, and its document."""
        query = _with_document().where(AgentRow.agent_id == agent_id)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else _found(row)

    async def shown(self, token_ids: Sequence[int]) -> dict[int, Found]:
        """The agents with these tokens and their documents."""
        query = _with_document().where(AgentRow.token_id.in_(token_ids))
        return {row.token_id: _found(row) for row in await self._session.execute(query)}

    async def located_at(self, cid: str) -> list[Agent]:
        """The agents whose document is `cid`."""
        query = select(*_COLUMNS).where(AgentRow.cid == cid).order_by(AgentRow.token_id)
        return [_agent(row) for row in await self._session.execute(query)]

    async def best(self, narrowing: Narrowing, after: str, limit: int) -> list[Found]:
        """Active agents that meet `narrowing`, best first, from the place behind `after`.

        Reads them in the order of one index until there are enough.
        """
        query = _with_document().limit(limit)
        if not narrowing.labels:
            page = query.where(AgentRow.place > after).order_by(AgentRow.place)
            return await self._all(page.where(*narrowing.conditions([])))
        first, *others = narrowing.labels
        page = query.join(OfferRow, and_(*narrowing.offering(first, OfferRow))).where(OfferRow.place > after)
        return await self._all(page.where(*narrowing.conditions(others)).order_by(OfferRow.place))

    async def save(self, entries: Sequence[tuple[Agent, Prices]]) -> None:
        """Writes agents, found under the labels beside them from now on."""
        known = await self.of(agent.token_id for agent, _ in entries)
        if new := [_values(agent) for agent, _ in entries if agent.token_id not in known]:
            await self._session.execute(insert(AgentRow), new)
        if changed := [_values(agent) for agent, _ in entries if agent.token_id in known]:
            await self._session.execute(update(AgentRow), changed)
        await self._offer(entries, known)

    async def drop(self, token_ids: Iterable[int]) -> None:
        """Removes agents with their offers and their feedback."""
        for some in portions(token_ids):
            await self._session.execute(delete(AgentRow).where(AgentRow.token_id.in_(some)))

    async def _all(self, query: Select[*tuple[Any, ...]]) -> list[Found]:
        return [_found(row) for row in await self._session.execute(query)]

    async def _offer(self, entries: Sequence[tuple[Agent, Prices]], known: Mapping[int, Agent]) -> None:
        for some in portions(known):
            await self._session.execute(delete(OfferRow).where(OfferRow.token_id.in_(some)))
        offers = [
            {"token_id": agent.token_id, "label": label, "price": price, "place": agent.place}
            for agent, prices in entries
            for label, price in prices.items()
        ]
        if offers:
            await self._session.execute(insert(OfferRow), offers)


def _is_at_most(units: int, offer: type[OfferRow]) -> ColumnElement[bool]:
    """Amounts are decimal text: the shorter the less."""
    text = str(units)
    length = func.length(offer.price)
    return or_(length < len(text), and_(length == len(text), offer.price <= units))


_COLUMNS = AgentRow.__table__.columns.values()


def _with_document() -> Select[*tuple[Any, ...]]:
    query = select(*_COLUMNS, DocumentRow.state, DocumentRow.metadata_.label("document"))
    return query.select_from(AgentRow).outerjoin(DocumentRow, DocumentRow.cid == AgentRow.cid)


def _found(row: Any) -> Found:
    return _agent(row), NOWHERE if row.state is None else document_from(row.state, row.document)


def _agent(row: Any) -> Agent:
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
        standing=Standing(
            row.reputation_ppm,
            row.feedback_count,
            row.unproven_count,
            row.supporter_count,
            row.praised_in,
            row.penalty_count,
        ),
        transaction_hash=row.transaction_hash,
        registered_in=row.registered_in,
        changed_in=row.changed_in,
        stated_in=row.stated_in,
        registered_at=row.registered_at,
        stated_at=row.stated_at,
    )


def _values(agent: Agent) -> dict[str, Any]:
    return {
        "token_id": agent.token_id,
        "agent_id": agent.agent_id,
        "did": agent.did,
        "uri": agent.uri,
        "cid": agent.cid,
        "owner": agent.owner,
        "stake_units": agent.stake_units,
        "version": agent.version,
        "is_active": agent.is_active,
        "capability_hashes": list(agent.capability_hashes),
        "reputation_ppm": agent.standing.reputation_ppm,
        "feedback_count": agent.standing.feedback_count,
        "unproven_count": agent.standing.unproven_count,
        "supporter_count": agent.standing.supporter_count,
        "praised_in": agent.standing.praised_in,
        "penalty_count": agent.standing.penalty_count,
        "place": agent.place,
        "transaction_hash": agent.transaction_hash,
        "registered_in": agent.registered_in,
        "changed_in": agent.changed_in,
        "stated_in": agent.stated_in,
        "registered_at": agent.registered_at,
        "stated_at": agent.stated_at,
    }
