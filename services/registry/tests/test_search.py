"""Agents are found by name, beginning, words and meaning, and the two databases find the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain import naming
from mesh_registry.domain import search as rules
from mesh_registry.domain.agents import Document, DocumentState, Listing
from mesh_registry.domain.chain import (
    Announced,
    Block,
    Depths,
    Located,
    Occurrence,
    Offering,
    Owned,
    Paid,
    Rated,
    Status,
    Switched,
)
from mesh_registry.domain.metadata import AgentMetadata, document
from mesh_registry.domain.search import Criteria, Mode
from mesh_registry.repository.ledger import Ledger
from mesh_registry.service.discovery import Discovery, Spot
from mesh_registry.service.projection import Projection
from mesh_shared.content import cid

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

DEPTHS = Depths(confirmed=2, finalized=5)


def tool(capability: str, price: int) -> dict[str, Any]:
    return {
        "name": "DO",
        "description": "",
        "capability": capability,
        "parameters": {},
        "price": str(price),
    }


@dataclass
class Index:
    """An index that is told of agents as if by chain and store."""

    database: Database
    tokens: dict[str, int] = field(default_factory=dict[str, int])
    blocks: int = 0

    async def say(self, token_id: int, *facts: Any) -> None:
        self.blocks += 1
        hash = f"0x{self.blocks:064x}"
        said = [
            Occurrence(
                block_number=self.blocks,
                block_hash=hash,
                log_index=index,
                transaction_hash=hash,
                token_id=token_id,
                fact=fact,
            )
            for index, fact in enumerate(facts)
        ]
        async with self.database.write() as session:
            await Ledger(session).extend([Block(self.blocks, hash, hash)], said)
            await Projection(session, datetime.now(UTC)).add(said)

    async def list(self, name: str, about: str = "", *capabilities: str, **more: Any) -> None:
        """Registers an agent and finds its document."""
        offered = list(capabilities) or ["any.thing"]
        said = {
            "name": name,
            "description": about,
            "endpoint": "https://agent.example",
            "capabilities": offered,
            "toolDefinitions": [],
            "reputationHistory": [],
        }
        metadata = AgentMetadata.model_validate(said | more)
        where = str(cid.of(document(metadata)))
        self.tokens[name] = len(self.tokens) + 1
        await self.say(
            self.tokens[name],
            Located(uri=f"ipfs://{where}"),
            Announced(agent_id=naming.agent_id_of(name), did=""),
            Offering(version=1, capability_hashes=naming.capability_hashes(offered)),
            Owned(owner="0x" + "11" * 20),
        )
        async with self.database.write() as session:
            found = Document(DocumentState.FETCHED, metadata)
            await Projection(session, datetime.now(UTC)).learn({where: found})

    async def rate(self, name: str, value: int, client: str = "0x" + "c1" * 20) -> None:
        """A paid score."""
        rated = Rated(client=client, index=self.blocks, value=value, decimals=0, tag1="quality", tag2="")
        paid = Paid(client=client, index=self.blocks, escrow_id=f"0x{self.blocks:064x}")
        await self.say(self.tokens[name], rated, paid)

    async def search(self, after: Spot | None = None, limit: int = 20, **criteria: Any) -> list[Listing]:
        return await Discovery(self.database, DEPTHS).search(Criteria(**criteria), after, limit)

    async def found(self, **criteria: Any) -> list[str]:
        """The names of what is found."""
        return names(await self.search(**criteria))


def names(found: list[Listing]) -> list[str]:
    return [listing.document.metadata.name for listing in found if listing.document.metadata]


@pytest.fixture
def index(database: Database) -> Index:
    return Index(database)


async def test_several_capabilities_are_all_wanted(index: Index):
    await index.list("both", "", "text.summarize", "text.translate")
    await index.list("one", "", "text.summarize")

    assert await index.found(capabilities=["text.summarize", "text.translate"]) == ["both"]
    assert sorted(await index.found(capabilities=["text.summarize"])) == ["both", "one"]
    assert await index.found(capabilities=["text.summarize", "image.draw"]) == []


async def test_a_prefix_is_a_path_and_not_just_letters(index: Index):
    await index.list("words", "", "text.summarize/short")
    await index.list("textile", "", "textile.weave")

    assert await index.found(prefix="text.") == ["words"]
    assert await index.found(prefix="text.summarize/") == ["words"]
    assert await index.found(prefix="text.sum.") == []


async def test_an_agent_with_many_capabilities_under_a_prefix_is_found_once(index: Index):
    await index.list("many", "", "text.a", "text.b", "text.c")

    assert await index.found(prefix="text.") == ["many"]


async def test_a_price_is_met_by_the_cheapest_tool_for_what_is_asked(index: Index):
    tools = [tool("text.a", 900), tool("text.a", 1000), tool("text.b", 5)]
    await index.list("shop", "", "text.a", "text.b", "text.c", toolDefinitions=tools)

    wanted = [("text.a", 900), ("text.a", 899), ("text.b", 5), ("text.c", 10**30)]
    met = [bool(await index.found(capabilities=[name], max_price_units=most)) for name, most in wanted]

    assert met == [True, False, True, False]
    assert await index.found(prefix="text.", max_price_units=5) == ["shop"]
    assert await index.found(max_price_units=4) == []
    assert await index.found(max_price_units=10) == ["shop"]


async def test_who_speaks_a_protocol_says_so_and_all_speak_the_mesh_s_own(index: Index):
    await index.list("polyglot", protocols=["a2a", "mcp"])
    await index.list("plain")

    assert await index.found(protocols=["a2a", "mcp"]) == ["polyglot"]
    assert sorted(await index.found(protocols=["mesh"])) == ["plain", "polyglot"]
    assert await index.found(protocols=["a2a"], capabilities=["any.thing"]) == ["polyglot"]


async def test_a_least_reputation_leaves_out_who_has_less(index: Index):
    for name, value in (("good", 100), ("bad", 0)):
        await index.list(name, "", "text.summarize")
        await index.rate(name, value)
    await index.list("new", "", "text.summarize")

    assert await index.found(capabilities=["text.summarize"]) == ["good", "new", "bad"]
    assert await index.found(min_reputation_ppm=420_104) == ["good", "new"]
    assert await index.found(text="summarize", min_reputation_ppm=500_000) == ["good"]


async def test_a_status_leaves_out_who_is_less_sure(index: Index):
    await index.list("old")
    for _ in range(3):
        await index.say(index.tokens["old"])
    await index.list("new")

    found = {status: sorted(await index.found(status=status)) for status in Status}

    assert found == {
        Status.PENDING: ["new", "old"],
        Status.CONFIRMED: ["old"],
        Status.FINALIZED: ["old"],
    }


async def test_words_are_found_wherever_they_stand_in_a_document(index: Index):
    await index.list("Ledger Lens", "Reads balance sheets.", "finance.read")
    tools = [tool("finance.read", 1) | {"name": "READ_INVOICE", "description": "Extracts line items."}]
    await index.list("Other", toolDefinitions=tools)

    assert await index.found(text="balance SHEETS", mode=Mode.WORDS) == ["Ledger Lens"]
    assert await index.found(text="finance", mode=Mode.WORDS) == ["Ledger Lens"]
    assert await index.found(text="invoice items", mode=Mode.WORDS) == ["Other"]


async def test_by_words_all_of_them_are_wanted(index: Index):
    await index.list("one", "Reads balance sheets.")

    assert await index.found(text="balance sheets", mode=Mode.WORDS) == ["one"]
    assert await index.found(text="balance beams", mode=Mode.WORDS) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("condense a long article", "Summarizer"),
        ("give me a digest", "Summarizer"),
        ("summaries of papers", "Summarizer"),
        ("localize my product pages", "Translator"),
        ("translations into German", "Translator"),
        ("is this contract clause lawful? find legal risks", "Counsel"),
        ("transcribe spoken audio", "Scribe"),
        ("what will the temperature be", "Weather"),
    ],
)
async def test_what_is_meant_is_found_in_other_words(lite: Index, asked: str, expected: str):
    await lite.list("Summarizer", "Summarizes articles in one paragraph.", "text.summarize")
    await lite.list("Translator", "Translates text between languages.", "text.translate")
    await lite.list("Counsel", "Reviews agreements for compliance with law.", "legal.review")
    await lite.list("Scribe", "Turns speech into transcripts.", "audio.transcription")
    await lite.list("Weather", "Forecasts for any place.", "weather.forecast")

    found = await lite.found(text=asked, mode=Mode.MEANING)

    assert found[0] == expected


@pytest.fixture
async def lite(database_lite: Database) -> Index:
    return Index(database_lite)


async def test_what_has_words_and_meaning_comes_before_what_has_meaning_alone(index: Index):
    await index.list("near", "Abstracts of papers.")
    await index.list("exact", "Summarizes papers.")

    found = await index.search(text="summarizes papers")

    assert names(found) == ["exact", "near"]
    first, second = (listing.match for listing in found)
    assert first is not None
    assert second is not None
    assert (first.words_rank, first.meaning_rank) == (1, 1)
    assert (second.words_rank, second.meaning_rank) == (None, 2)
    assert first.score_ppm > second.score_ppm


async def test_of_two_that_match_alike_the_better_one_comes_first(index: Index):
    for name in ("poor", "fine"):
        await index.list(name, "Summarizes papers.")
    await index.rate("poor", 10)
    await index.rate("fine", 95)

    assert await index.found(text="summarize papers") == ["fine", "poor"]


async def test_what_nobody_says_is_not_found(index: Index):
    await index.list("one", "Summarizes papers.")

    assert [await index.found(text=text) for text in ("zebra", "?!", "the of and", "'; DROP TABLE--")] == [
        []
    ] * 4


async def test_who_is_switched_off_is_found_by_nothing(index: Index):
    await index.list("off", "Summarizes papers.", "text.summarize")
    await index.say(index.tokens["off"], Switched(version=2, is_active=False))

    ways: list[dict[str, Any]] = [
        {},
        {"capabilities": ["text.summarize"]},
        {"prefix": "text."},
        {"text": "papers"},
    ]
    assert [await index.found(**way) for way in ways] == [[]] * 4


async def test_all_pages_of_a_text_search_together_are_the_list(index: Index):
    for n in range(7):
        await index.list(f"agent {n}", "Summarizes papers. " * (n % 3 + 1))
    whole = await index.search(text="summarize papers")

    paged: list[Listing] = []
    after = None
    while page := await index.search(after, 3, text="summarize papers"):
        paged += page
        match, place = page[-1].match, page[-1].agent.place
        after = Spot(match.score_ppm if match else 0, place)

    assert names(paged) == names(whole)
    assert len(set(names(paged))) == 7


async def test_agents_with_one_document_are_found_by_it_each(index: Index):
    await index.list("twin", "Summarizes papers.")
    await index.say(
        2,
        Located(uri=(await index.search(text="papers"))[0].agent.uri),
        Announced(agent_id=naming.agent_id_of("second"), did=""),
        Offering(version=1, capability_hashes=naming.capability_hashes(["any.thing"])),
    )

    assert [listing.agent.token_id for listing in await index.search(text="papers")] == [1, 2]


async def test_an_entry_says_what_its_rank_is_made_of(index: Index):
    await index.list("good", "", "text.summarize")
    await index.rate("good", 100)

    (entry,) = await index.search(capabilities=["text.summarize"])

    rank = entry.rank
    assert (rank.quality, rank.stake_weight, rank.recency) == (0.58707, 1.0, 1.0)
    assert rank.supporter_weight == pytest.approx(2 / 3)
    assert entry.agent.standing.supporter_count == 1


CORPUS = {
    "Ada": "Summarizes papers and papers about papers.",
    "Bea": "Summarizes news, quickly.",
    "Cid": "Papers are reviewed; summaries of papers are written.",
    "Dee": "Crème brûlée, 要約 and nothing else.",
    "Eva": "Condenses articles. " * 5,
    "Fay": "Draws charts of papers.",
}
ASKED = ["papers", "summarize papers", "condense", "要約", "CREME", "charts of summaries"]


def nearest(documents: dict[str, dict[str, int]], asked: dict[str, float], least: int) -> dict[str, int]:
    """What each document that has `least` of the terms scores: the rule, with no database."""
    counts = {term: sum(term in weights for weights in documents.values()) for term in asked}
    weights = rules.weighted(asked, counts, len(documents))
    if least == 1:
        weights = rules.telling(weights, counts, len(documents))
    scores = {
        name: [weight * has[term] for term, weight in weights.items() if term in has]
        for name, has in documents.items()
    }
    return {name: sum(found) for name, found in scores.items() if len(found) >= least}


async def test_a_database_finds_what_the_rule_finds_with_none(index: Index):
    for name, about in CORPUS.items():
        await index.list(name, about)
    places: dict[str, str] = {}
    documents: dict[str, dict[str, int]] = {}
    for listing in await index.search():
        assert listing.document.metadata is not None
        name = listing.document.metadata.name
        places[name], documents[name] = listing.agent.place, rules.weights(listing.document.metadata)

    for text in ASKED:
        words, meaning = rules.keyword_query(text), rules.meaning_query(text)
        for mode, scores in (
            (Mode.WORDS, nearest(documents, words, len(words))),
            (Mode.MEANING, nearest(documents, meaning, 1)),
        ):
            expected = sorted(scores, key=lambda name: (-scores[name], places[name]))
            assert await index.found(text=text, mode=mode) == expected, (text, mode)


@pytest.mark.parametrize("mode", Mode)
async def test_pages_of_one_lose_nobody_among_equals(index: Index, mode: Mode):
    for n in range(4):
        await index.list(f"agent {n}", "Summarizes papers.")
    whole = await index.search(text="summarizes papers", mode=mode)

    paged: list[Listing] = []
    after = None
    while page := await index.search(after, 1, text="summarizes papers", mode=mode):
        paged += page
        match, place = page[-1].match, page[-1].agent.place
        after = Spot(match.score_ppm if match else 0, place)

    assert names(paged) == names(whole)
    assert sorted(names(paged)) == [f"agent {n}" for n in range(4)]


async def test_a_list_from_behind_its_last_entry_is_empty(index: Index):
    await index.list("one", "Summarizes papers.", "text.summarize")
    (last,) = await index.search()
    behind = Spot(0, last.agent.place)

    assert await index.search(behind) == []
    assert await index.search(behind, capabilities=["text.summarize"]) == []
    assert await index.search(behind, text="papers") == []


async def test_one_more_criterion_never_finds_more(index: Index):
    await index.list("shop", "Papers.", "text.a", toolDefinitions=[tool("text.a", 5)], protocols=["a2a"])
    await index.list("free", "Papers.", "text.a", protocols=["a2a"])
    await index.list("else", "Papers.", "text.b")

    criteria: dict[str, Any] = {}
    left = [await index.found(text="papers")]
    for name, value in {"prefix": "text.", "protocols": ["a2a"], "max_price_units": 5}.items():
        criteria[name] = value
        left.append(await index.found(text="papers", **criteria))

    assert [sorted(found) for found in left] == [
        ["else", "free", "shop"],
        ["else", "free", "shop"],
        ["free", "shop"],
        ["shop"],
    ]


async def test_an_index_without_agents_finds_nobody(index: Index):
    ways: list[dict[str, Any]] = [{}, {"text": "papers"}, {"prefix": "text."}, {"status": Status.FINALIZED}]

    assert [await index.found(**way) for way in ways] == [[]] * 4


async def test_who_is_switched_on_again_is_found_as_before(index: Index):
    await index.list("one", "Summarizes papers.", "text.summarize")
    before = await index.search(text="papers")
    await index.say(index.tokens["one"], Switched(version=2, is_active=False))
    await index.say(index.tokens["one"], Switched(version=3, is_active=True))

    again = await index.search(text="papers")

    assert names(again) == ["one"]
    assert [listing.match for listing in again] == [listing.match for listing in before]
