"""What agents are searched by: labels that they have or have not, and texts that they match more or less."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log, sqrt

from mesh_registry.domain.chain import Status
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.words import meanings, words

ANY = "*"
"""The label that every active agent with a document has."""
SCALE = 1000
"""Weights are whole thousandths, so that equal is equal in every database."""
MAX_TERMS = 200
"""Of one kind, of one document: the most frequent ones count."""
RRF_K = 60
FIRST_PPM = 3 * round(SCALE * SCALE / (RRF_K + 1))
"""What is first by words, by meaning and by rank has this much, and nothing has more."""
_SATURATION, _LENGTH_SHARE, _USUAL_LENGTH = 1.2, 0.75, 50

Prices = Mapping[str, int | None]
"""Labels with the price in base units of the cheapest tool behind each; None when there is none."""


class Mode(StrEnum):
    """How a text is matched: all its words, its meaning, or both fused with the rank."""

    WORDS = "words"
    MEANING = "meaning"
    FUSED = "fused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What is searched for: agents that meet all of it, the best first, or those nearest to `text` first.

    `max_price_units` is met by the cheapest tool for each capability and prefix named, or by that of all.
    """

    capabilities: Sequence[str] = ()
    prefix: str | None = None
    protocols: Sequence[str] = ()
    max_price_units: int | None = None
    min_reputation_ppm: int = 0
    status: Status = Status.PENDING
    text: str | None = None
    mode: Mode = Mode.FUSED

    @property
    def priced_labels(self) -> list[str]:
        """Labels that a tool can be behind; `ANY` when only a price is asked for."""
        prefixes = [] if self.prefix is None else [of_prefix(self.prefix)]
        named = [*dict.fromkeys(self.capabilities), *prefixes]
        return named or ([ANY] if self.max_price_units is not None else [])

    @property
    def other_labels(self) -> list[str]:
        """Labels that have no price."""
        return [of_protocol(protocol) for protocol in dict.fromkeys(self.protocols)]


def of_prefix(prefix: str) -> str:
    """The label of all capabilities that begin with `prefix`, which ends with `.` or `/`."""
    return f"{prefix}{ANY}"


def of_protocol(protocol: str) -> str:
    """The label of those who speak `protocol`. No capability has a colon."""
    return f"protocol:{protocol}"


def labels(metadata: AgentMetadata, offered: Iterable[str]) -> Prices:
    """Everything that an active agent is found under; `offered` are the capabilities that are its own.

    Each prefix of a capability is a label too, so that a prefix is found as fast as a name.
    """
    prices: dict[str, int | None] = {of_protocol(protocol): None for protocol in metadata.spoken}
    prices[ANY] = _cheapest(metadata, None)
    for capability in offered:
        price = _cheapest(metadata, capability)
        for label in (capability, *_prefixes(capability)):
            prices[label] = _lower(prices.get(label), price)
    return prices


def keyword_weights(metadata: AgentMetadata) -> dict[str, int]:
    """What each word of a document weighs: the part of BM25 that depends on the document alone.

    Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), k1 = 1.2, b = 0.75; the
    usual length is taken to be 50 words, because the true one changes with every document.
    """
    counts = Counter(word for word, weight in _said(metadata) for _ in range(weight))
    length = 1 - _LENGTH_SHARE + _LENGTH_SHARE * counts.total() / _USUAL_LENGTH
    return {
        word: round(SCALE * count * (_SATURATION + 1) / (count + _SATURATION * length))
        for word, count in counts.most_common(MAX_TERMS)
    }


def meaning_weights(metadata: AgentMetadata) -> dict[str, int]:
    """A document as a sparse vector of unit length over stems and concepts, in thousandths."""
    counts = Counter(m for word, weight in _said(metadata) for _ in range(weight) for m in meanings(word))
    return _unit({term: 1 + log(count) for term, count in counts.most_common(MAX_TERMS)})


def weights(metadata: AgentMetadata) -> dict[str, int]:
    """All that a document is found by. The kinds do not meet: meanings begin with `~` or `#`."""
    return keyword_weights(metadata) | meaning_weights(metadata)


def keyword_query(text: str) -> dict[str, float]:
    """The words that are asked for, each as often as it is said."""
    return {word: float(count) for word, count in Counter(words(text)).items()}


def meaning_query(text: str) -> dict[str, float]:
    """The stems and concepts that are asked for."""
    counts = Counter(meaning for word in words(text) for meaning in meanings(word))
    return {term: 1 + log(count) for term, count in counts.items()}


def weighted(query: Mapping[str, float], documents: Mapping[str, int], total: int) -> dict[str, int]:
    """The terms of `query` by how much they tell; those that no document has are left out.

    Args:
        query: Terms and how much is asked for each.
        documents: How many documents have each term.
        total: How many there are; a term that nearly all have tells nearly nothing.
    """
    return {
        term: max(1, round(SCALE * wanted * log(1 + total / documents[term])))
        for term, wanted in query.items()
        if documents.get(term)
    }


def telling(weights: Mapping[str, int], documents: Mapping[str, int], total: int) -> dict[str, int]:
    """Without the terms that a quarter of all documents have, if others are left."""
    rare = {term: weight for term, weight in weights.items() if documents[term] * 4 <= total}
    return rare or dict(weights)


def fuse(*rankings: Sequence[int]) -> dict[int, int]:
    """Items of several rankings with their reciprocal rank fusion, in millionths.

    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion" (2009), k = 60.
    """
    fused: Counter[int] = Counter()
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            fused[item] += round(SCALE * SCALE / (RRF_K + rank))
    return dict(fused)


def _said(metadata: AgentMetadata) -> Iterable[tuple[str, int]]:
    """The words of a document, and how much each place counts: what it is called twice, tools once."""
    for text in (metadata.name, *metadata.capabilities):
        yield from ((word, 2) for word in words(text))
    tools = [text for tool in metadata.toolDefinitions for text in (tool.name, tool.description)]
    for text in (metadata.description, *tools):
        yield from ((word, 1) for word in words(text))


def _unit(vector: Mapping[str, float]) -> dict[str, int]:
    length = sqrt(sum(weight**2 for weight in vector.values()))
    return {term: round(SCALE * weight / length) for term, weight in vector.items()}


def _prefixes(capability: str) -> list[str]:
    ends = [i for i, character in enumerate(capability, start=1) if character in "./" and i < len(capability)]
    return [of_prefix(capability[:end]) for end in ends]


def _cheapest(metadata: AgentMetadata, capability: str | None) -> int | None:
    tools = (tool for tool in metadata.toolDefinitions if capability in (None, tool.capability))
    return min((int(tool.price) for tool in tools), default=None)


def _lower(one: int | None, other: int | None) -> int | None:
    return min((price for price in (one, other) if price is not None), default=None)
