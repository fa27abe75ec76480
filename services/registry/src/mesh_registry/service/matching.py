"""Which agents a text is about: by its words, by its meaning, and both fused with how good they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh_registry.domain import search
from mesh_registry.domain.agents import Match
from mesh_registry.domain.search import Mode
from mesh_registry.repository.agents import Narrowing
from mesh_registry.repository.texts import Texts

CANDIDATES = 200
"""The most that a text finds in each way."""


@dataclass(frozen=True, slots=True)
class Matched:
    """An agent that a text is about, and where it stands among the others: nearest first, then best first."""

    token_id: int
    place: str
    match: Match

    @property
    def spot(self) -> tuple[int, str]:
        """Sorts the nearest first."""
        return -self.match.score_ppm, self.place


@dataclass(frozen=True, slots=True)
class Matching:
    """Takes part in the transaction of `texts`."""

    texts: Texts
    narrowing: Narrowing

    async def matches(self, text: str, mode: Mode) -> list[Matched]:
        """The agents that meet the criteria and that `text` is about, nearest first."""
        by_words = {} if mode is Mode.MEANING else dict(await self._by_words(text))
        by_meaning = {} if mode is Mode.WORDS else dict(await self._by_meaning(text))
        words, meaning = list(by_words), list(by_meaning)
        places = by_words | by_meaning
        by_rank = sorted(places, key=places.__getitem__) if mode is Mode.FUSED else []
        scores = search.fuse(words, meaning, by_rank)
        found = [
            Matched(token, place, Match(scores[token], _rank(words, token), _rank(meaning, token)))
            for token, place in places.items()
        ]
        return sorted(found, key=lambda matched: matched.spot)

    async def _by_words(self, text: str) -> Sequence[tuple[int, str]]:
        """Those whose documents have all the words, nearest first."""
        query = search.keyword_query(text)
        counts = await self.texts.counts(query)
        if len(counts) < len(query):
            return []
        weights = search.weighted(query, counts, await self.texts.total())
        return await self.texts.nearest(weights, len(query), self.narrowing, CANDIDATES)

    async def _by_meaning(self, text: str) -> Sequence[tuple[int, str]]:
        query = search.meaning_query(text)
        counts, total = await self.texts.counts(query), await self.texts.total()
        weights = search.telling(search.weighted(query, counts, total), counts, total)
        return await self.texts.nearest(weights, 1, self.narrowing, CANDIDATES)


def _rank(ranking: Sequence[int], token_id: int) -> int | None:
    return ranking.index(token_id) + 1 if token_id in ranking else None
