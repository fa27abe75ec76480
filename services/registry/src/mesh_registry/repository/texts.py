"""The words of documents: an inverted index in plain tables, so that every database finds the same."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import BigInteger, case, cast, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from mesh_registry.repository.agents import Narrowing, conditions
from mesh_registry.repository.tables import AgentRow, PostingRow

DEPTH = 2_000
"""Documents that a search looks at: the nearest ones."""


class Texts:
    """Every query on `postings`. Takes part in a transaction; never commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, documents: Mapping[str, Mapping[str, int]]) -> None:
        """Makes documents findable, each by its terms. They never change, since a CID is a hash."""
        postings = [
            {"term": term, "cid": cid, "weight": weight}
            for cid, weights in documents.items()
            for term, weight in weights.items()
        ]
        if postings:
            await self._session.execute(insert(PostingRow), postings)

    async def counts(self, terms: Iterable[str]) -> dict[str, int]:
        """How many documents have each of `terms`."""
        query = select(PostingRow.term, func.count()).where(PostingRow.term.in_(list(terms)))
        return {term: count for term, count in await self._session.execute(query.group_by(PostingRow.term))}

    async def total(self) -> int:
        """About how many documents there are: one for each agent ever registered."""
        return await self._session.scalar(select(func.max(AgentRow.token_id))) or 0

    async def nearest(
        self, weights: Mapping[str, int], least: int, narrowing: Narrowing, limit: int
    ) -> Sequence[tuple[int, str]]:
        """Tokens and places of the active agents whose documents weigh most, nearest first.

        Args:
            weights: The terms of the query and how much each counts.
            least: How many of them a document must have.
            narrowing: What the agents must meet besides.
            limit: How many at most.
        """
        if not weights:
            return []
        weight = case(weights, value=PostingRow.term) * PostingRow.weight
        score = cast(func.sum(weight), BigInteger).label("score")
        documents = (
            select(PostingRow.cid, score)
            .where(PostingRow.term.in_(list(weights)))
            .group_by(PostingRow.cid)
            .having(func.count() >= least)
            .order_by(score.desc(), PostingRow.cid)
            .limit(DEPTH)
            .subquery()
        )
        query = (
            select(AgentRow.token_id, AgentRow.place)
            .join(documents, documents.c.cid == AgentRow.cid)
            .where(*conditions(narrowing.shape))
            .order_by(documents.c.score.desc(), AgentRow.place)
        )
        rows = await self._session.execute(query.limit(limit), narrowing.values)
        return [(token_id, place) for token_id, place in rows]
