"""Agents, and the labels under which they are found."""

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    FromClause,
    Integer,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.sql import ColumnElement

from mesh_registry.domain.agents import NOWHERE, Agent, Document
from mesh_registry.domain.reputation import Standing
from mesh_registry.domain.search import Criteria, Prices
from mesh_registry.repository.documents import document_from
from mesh_registry.repository.ledger import HEIGHT
from mesh_registry.repository.portions import portions
from mesh_registry.repository.tables import AgentRow, DocumentRow, OfferRow

REMEMBERED = 2048
"""Agents, at some 2 KiB each."""

Found = tuple[Agent, Document]


Shape = tuple[bool, ...]
"""Of each label that is wanted, whether a price is, too: all that searches differ in, but for values."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What agents must meet; `depth`: how many blocks deep what they state must be, the own one included."""

    criteria: Criteria
    depth: int = 0

    @property
    def labels(self) -> list[str]:
        """All that are wanted, first those that fewer agents have."""
        return [*self.criteria.priced_labels, *self.criteria.other_labels]

    @property
    def shape(self) -> Shape:
        has_price = self.criteria.max_price_units is not None
        return tuple(
            [has_price] * len(self.criteria.priced_labels) + [False] * len(self.criteria.other_labels)
        )

    @property
    def values(self) -> dict[str, Any]:
        """For the parameters of `conditions` and `offering`."""
        units = str(self.criteria.max_price_units or 0)
        limits = {"least": self.criteria.min_reputation_ppm, "depth": self.depth}
        labels = {f"label_{n}": label for n, label in enumerate(self.labels)}
        return limits | labels | {"units": units, "digits": len(units)}


def conditions(
    shape: Shape, first: int = 0, place: ColumnElement[str] | None = None
) -> list[ColumnElement[bool]]:
    """On `agents`, having the labels of `shape` from number `first` on among theirs.

    `place` is where else the agent's place is read: SQLite need not read agents that lack a label then.
    """
    place = _AGENT.place if place is None else place
    having = [exists().where(*_placed(shape, n, place)) for n in range(first, len(shape))]
    is_enough = _AGENT.reputation_ppm >= bindparam("least")
    is_deep = _AGENT.stated_in <= HEIGHT - bindparam("depth", type_=BigInteger()) + 1
    is_on = _AGENT.is_active.is_not(False)  # for `is_(True)` SQLite would go through all that are on
    return [is_on, is_enough, is_deep, *having]


def _placed(shape: Shape, number: int, place: ColumnElement[str]) -> list[ColumnElement[bool]]:
    """There is no other agent at a place. Who goes from place to place finds its labels side by side, too."""
    offers = _OFFERS.alias()
    return [offers.c.place == place, *offering(shape, number, offers)]


def offering(shape: Shape, number: int, offers: FromClause) -> list[ColumnElement[bool]]:
    """On `offers`: of label `number`, at the price that is wanted if one is."""
    label = bindparam(f"label_{number}", type_=String())
    wanted = [offers.c.label == label]
    return [*wanted, _is_at_most(offers.c.price)] if shape[number] else wanted


@lru_cache(64)
def page_of(shape: Shape) -> Select[*tuple[Any, ...]]:
    """Found agents in the order of one index. Making a statement takes longer than its answer."""
    query, place = _WITH_DOCUMENT.add_columns(HEIGHT), _AGENT.place
    if not shape:
        query = query.where(_AGENT.is_active.is_(True))
    else:
        first = and_(_OFFERS.c.token_id == _AGENT.token_id, *offering(shape, 0, _OFFERS))
        query, place = query.join(_OFFERS, first), _OFFERS.c.place
    page = query.where(place > bindparam("after"), *conditions(shape, 1, place))
    return page.order_by(place).limit(bindparam("limit", type_=Integer()))


class Agents:
    """Every query on `agents` and `offers`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession | AsyncConnection) -> None:
        self._session = session

    async def get(self, token_id: int) -> Agent | None:
        return (await self.of([token_id])).get(token_id)

    async def of(self, token_ids: Iterable[int]) -> dict[int, Agent]:
        """The agents with these tokens, as far as they are there."""
        found: dict[int, Agent] = {}
        for some in portions(token_ids):
            query = select(*_COLUMNS).where(_AGENT.token_id.in_(some))
            agents = [_agent(tuple(row)) for row in await self._session.execute(query)]
            found |= {agent.token_id: agent for agent in agents}
        return found

    async def find(self, agent_id: str) -> Found | None:
        """The agent with that id, and its document."""
        query = _WITH_DOCUMENT.where(_AGENT.agent_id == agent_id)
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else _found(row)

    async def known(self, agent_ids: Iterable[str]) -> set[str]:
        """Those of these ids that are taken."""
        found: set[str] = set()
        for some in portions(agent_ids):
            query = select(_AGENT.agent_id).where(_AGENT.agent_id.in_(some))
            found.update(await self._session.scalars(query))
        return found

    async def shown(self, token_ids: Sequence[int]) -> dict[int, Found]:
        """The agents with these tokens and their documents."""
        query = _WITH_DOCUMENT.where(_AGENT.token_id.in_(token_ids))
        found = [_found(row) for row in await self._session.execute(query)]
        return {one[0].token_id: one for one in found}

    async def located_at(self, cids: Iterable[str]) -> list[Agent]:
        """The agents whose documents are these."""
        query = select(*_COLUMNS).where(_AGENT.cid.in_(cids)).order_by(_AGENT.token_id)
        return [_agent(tuple(row)) for row in await self._session.execute(query)]

    async def best(self, narrowing: Narrowing, after: str, limit: int) -> tuple[list[Found], int]:
        """Active agents that meet `narrowing`, best first, from the place behind `after`; the newest block.

        Reads them in the order of one index until there are enough.
        """
        values = narrowing.values | {"after": after, "limit": limit}
        rows = (await self._session.execute(page_of(narrowing.shape), values)).all()
        return [_found(row[:-1]) for row in rows], rows[0][-1] if rows else 0

    async def save(self, entries: Sequence[tuple[Agent, Prices]]) -> None:
        """Writes agents, found under the labels beside them from now on."""
        known = await self.of(agent.token_id for agent, _ in entries)
        if new := [_values(agent) for agent, _ in entries if agent.token_id not in known]:
            await self._session.execute(insert(_AGENTS), new)
        if changed := [_values(agent) for agent, _ in entries if agent.token_id in known]:
            await self._session.execute(update(AgentRow), changed)
        await self._offer(entries, known)

    async def drop(self, token_ids: Iterable[int]) -> None:
        """Removes agents with their offers and their feedback."""
        for some in portions(token_ids):
            await self._session.execute(delete(AgentRow).where(AgentRow.token_id.in_(some)))

    async def _offer(self, entries: Sequence[tuple[Agent, Prices]], known: Mapping[int, Agent]) -> None:
        for some in portions(known):
            await self._session.execute(delete(OfferRow).where(OfferRow.token_id.in_(some)))
        offers = [
            {"token_id": agent.token_id, "label": label, "price": price, "place": agent.place}
            for agent, prices in entries
            for label, price in prices.items()
        ]
        if offers:
            await self._session.execute(insert(_OFFERS), offers)


def _is_at_most(price: ColumnElement[str | None]) -> ColumnElement[bool]:
    """Amounts are decimal text: the shorter the less."""
    length, digits = func.length(price), bindparam("digits", type_=Integer())
    return or_(length < digits, and_(length == digits, cast(price, Text) <= bindparam("units")))


# Tables and not classes: for rows that are many, or wanted all the time, the ORM takes longer than all else.
_AGENTS, _OFFERS, _DOCUMENTS = (
    typing.cast("Table", row.__table__) for row in (AgentRow, OfferRow, DocumentRow)
)
_AGENT, _DOCUMENT = _AGENTS.c, _DOCUMENTS.c
_STANDING = [field.name for field in fields(Standing)]
_OWN = [field.name for field in fields(Agent) if field.name not in ("standing", "capability_hashes")]
_COLUMNS = [_AGENT[name] for name in ("capability_hashes", *_OWN, *_STANDING)]
_WITH_DOCUMENT = select(*_COLUMNS, _DOCUMENT.state, _DOCUMENT.metadata).select_from(
    _AGENTS.outerjoin(_DOCUMENTS, _DOCUMENT.cid == _AGENT.cid)
)


def _found(row: Sequence[Any]) -> Found:
    *of_agent, state, said = row
    return _agent(tuple(of_agent)), NOWHERE if state is None else document_from(state, said)


@lru_cache(REMEMBERED)
def _agent(row: tuple[Any, ...]) -> Agent:
    """Remembered: those that are found are mostly the same, and telling so takes a fifth of making one."""
    hashes, *others = row
    own = dict(zip(_OWN, others, strict=False))  # what is left over is the standing
    standing = Standing(*others[len(_OWN) :])
    return Agent(capability_hashes=tuple(hashes.split()), standing=standing, **own)


def _values(agent: Agent) -> dict[str, Any]:
    own = {name: getattr(agent, name) for name in (*_OWN, "cid", "place")}
    standing = {name: getattr(agent.standing, name) for name in _STANDING}
    return own | standing | {"capability_hashes": " ".join(agent.capability_hashes)}
