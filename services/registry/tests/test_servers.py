"""Agents that speak MCP are servers of an MCP registry: listed, searched, and known in their versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain import naming
from mesh_registry.domain.agents import Document, DocumentState
from mesh_registry.domain.chain import (
    Announced,
    AnyFact,
    Block,
    Depths,
    Located,
    Occurrence,
    Offering,
    Owned,
    Rated,
    Staked,
    Switched,
    Updated,
)
from mesh_registry.domain.metadata import AgentMetadata, document
from mesh_registry.domain.servers import LATEST, Edition, Position, Sought, version_number
from mesh_registry.errors import ServerNotFound
from mesh_registry.repository.ledger import Ledger
from mesh_registry.service.projection import Projection
from mesh_registry.service.servers import MOST_STATEMENTS, McpServers
from mesh_shared.content import cid

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

START = 1_700_000_000
BLOCK_S = 10
SPACE = "example.registry"


@dataclass
class Index:
    """An index that is told of agents as if by chain and store; a block takes ten seconds."""

    database: Database
    tokens: dict[str, int] = field(default_factory=dict[str, int])
    blocks: int = 0
    is_lost: bool = False
    """Whether documents are not found."""
    most_statements: int = MOST_STATEMENTS

    @property
    def now(self) -> int:
        return START + self.blocks * BLOCK_S

    async def say(self, name: str, *facts: AnyFact) -> None:
        self.blocks += 1
        hash, token_id = f"0x{self.blocks:064x}", self.tokens.setdefault(name, len(self.tokens) + 1)
        said = [
            Occurrence(
                block_number=self.blocks,
                block_hash=hash,
                log_index=place,
                transaction_hash=hash,
                token_id=token_id,
                fact=fact,
                at=self.now,
            )
            for place, fact in enumerate(facts)
        ]
        async with self.database.write() as session:
            await Ledger(session).extend([Block(self.blocks, hash, hash)], said)
            await Projection(session, self._time()).add(said)

    async def list(self, name: str, *protocols: str) -> None:
        where, metadata = located(name, *(protocols or ["mcp"]))
        announced = Announced(agent_id=naming.agent_id_of(name), did="did:x:y")
        await self.say(name, where, announced, Owned(owner="0x" + "11" * 20))
        await self.learn(where, metadata)

    async def update(self, name: str, title: str, version: int, *protocols: str) -> None:
        """As the contract tells it: first where the document is, then the version."""
        where, metadata = located(title, *(protocols or ["mcp"]))
        offering = Offering(version=version, capability_hashes=())
        await self.say(name, where, Updated(version=version), offering)
        await self.learn(where, metadata)

    async def learn(self, where: Located, metadata: AgentMetadata) -> None:
        if not self.is_lost:
            async with self.database.write() as session:
                found = Document(DocumentState.FETCHED, metadata)
                await Projection(session, self._time()).learn({where.uri.removeprefix("ipfs://"): found})

    async def page(self, **sought: Any) -> list[Edition]:
        return (await self.servers.page(Sought(**sought), SPACE, (0, 0), 30))[0]

    async def in_pages(self, limit: int, **sought: Any) -> list[list[str]]:
        """The names and versions on each page."""
        seen: list[list[str]] = []
        after: Position | None = (0, 0)
        while after is not None:
            found, after = await self.servers.page(Sought(**sought), SPACE, after, limit)
            seen.append(
                [f"{title} {edition.version}" for title, edition in zip(titles(found), found, strict=True)]
            )
        return seen

    async def titles(self, **sought: Any) -> list[str]:
        return titles(await self.page(**sought))

    async def versions(self, name: str, *, with_deleted: bool = False) -> Any:
        return await self.servers.versions(naming.agent_id_of(name), with_deleted=with_deleted)

    async def version(self, name: str, version: str) -> Edition:
        return await self.servers.version(naming.agent_id_of(name), version, with_deleted=False)

    @property
    def servers(self) -> McpServers:
        return McpServers(self.database, Depths(confirmed=2, finalized=5), self.most_statements)

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


def located(title: str, *protocols: str) -> tuple[Located, AgentMetadata]:
    said = {
        "name": title,
        "description": "",
        "endpoint": "https://agent.example",
        "capabilities": ["text.summarize"],
        "toolDefinitions": [],
        "reputationHistory": [],
        "protocols": list(protocols),
    }
    metadata = AgentMetadata.model_validate(said)
    return Located(uri=f"ipfs://{cid.of(document(metadata))}"), metadata


def titles(editions: Any) -> list[str]:
    return [e.listing.document.metadata.name for e in editions if e.listing.document.metadata]


@pytest.fixture
def index(database: Database) -> Index:
    return Index(database)


@pytest.fixture
def index_lite(database_lite: Database) -> Index:
    return Index(database_lite)


async def test_only_who_speaks_mcp_is_a_server(index: Index):
    await index.list("one", "mcp")
    await index.list("two", "a2a")
    await index.list("three", "a2a", "mcp")

    assert await index.titles() == ["one", "three"]


async def test_servers_come_in_pages_in_the_order_of_their_registration(index: Index):
    for name in ("a", "b", "c"):
        await index.list(name)

    pages = await index.in_pages(2)

    assert pages == [["a 1.0.0", "b 1.0.0"], ["c 1.0.0"]]


async def test_a_list_has_all_versions_each_server_s_oldest_first(index: Index):
    await index.list("a")
    await index.list("b")
    await index.update("a", "a", 2)
    await index.update("a", "a", 3)
    whole = ["a 1.0.0", "a 2.0.0", "a 3.0.0", "b 1.0.0"]

    pages = {limit: await index.in_pages(limit) for limit in (1, 2, 3, 9)}
    latest = [edition.is_latest for edition in await index.page()]

    assert {limit: [*chain.from_iterable(seen)] for limit, seen in pages.items()} == dict.fromkeys(
        pages, whole
    )
    assert latest == [False, False, True, True]
    assert await index.in_pages(1, is_latest=True) == [["a 3.0.0"], ["b 1.0.0"], []]


async def test_a_version_that_comes_between_two_pages_shifts_nothing(index_lite: Index):
    for name in ("a", "b", "c"):
        await index_lite.list(name)
    first, after = await index_lite.servers.page(Sought(), SPACE, (0, 0), 2)
    await index_lite.update("a", "changed", 2)
    await index_lite.update("b", "renewed", 2)

    rest, end = await index_lite.servers.page(Sought(), SPACE, after or (0, 0), 9)

    assert (titles(first), titles(rest), end) == (["a", "b"], ["renewed", "c"], None)


async def test_an_exact_version_is_listed_of_all_servers_that_had_it(index_lite: Index):
    await index_lite.list("a")
    await index_lite.list("b")
    await index_lite.update("a", "a", 2)

    assert await index_lite.in_pages(9, version=1) == [["a 1.0.0", "b 1.0.0"]]
    assert await index_lite.in_pages(9, version=2) == [["a 2.0.0"]]
    assert await index_lite.in_pages(9, version=3) == await index_lite.in_pages(9, version=0) == [[]]


async def test_a_page_on_which_no_server_has_the_version_is_empty_and_goes_on(index_lite: Index):
    for name in ("a", "b", "c"):
        await index_lite.list(name, "a2a" if name < "c" else "mcp")
        await index_lite.update(name, name, 2)

    pages = await index_lite.in_pages(1, version=1)

    assert [entry for page in pages for entry in page] == ["c 1.0.0"]
    assert pages[0] == []


async def test_a_version_in_which_the_agent_was_off_is_listed_to_those_who_ask(index_lite: Index):
    await index_lite.list("a")
    await index_lite.say("a", Switched(version=2, is_active=False))
    await index_lite.say("a", Switched(version=3, is_active=True))

    assert await index_lite.in_pages(9) == [["a 1.0.0", "a 3.0.0"]]
    assert await index_lite.in_pages(9, with_deleted=True) == [["a 1.0.0", "a 2.0.0", "a 3.0.0"]]


async def test_the_present_version_is_listed_however_long_ago_its_document_was_named(index_lite: Index):
    index_lite.most_statements = 2
    await index_lite.list("a")
    for version in range(2, 6):
        await index_lite.say("a", Switched(version=version, is_active=version % 2 == 1))

    assert await index_lite.in_pages(9) == [["a 5.0.0"]]


async def test_a_server_is_searched_by_part_of_its_title_or_its_name_in_any_case(index: Index):
    await index.list("Grüße an ALLE 100%")
    await index.list("Weather")
    id = naming.agent_id_of("Weather")

    assert await index.titles(search="grüSSE AN") == ["Grüße an ALLE 100%"]
    assert await index.titles(search="100%") == ["Grüße an ALLE 100%"]
    assert await index.titles(search="0%0") == []
    assert await index.titles(search=f"Example.Registry/{id[:20]}") == ["Weather"]
    assert await index.titles(search="_") == []


async def test_a_mirror_is_told_what_changed_since(index: Index):
    await index.list("old")
    since = index.now + 1
    await index.list("new")
    await index.say("old", Rated(client="0x" + "c1" * 20, index=1, value=1, decimals=0, tag1="", tag2=""))

    rated = await index.titles(updated_since=since)
    await index.update("old", "renewed", 2)

    assert rated == ["new"]
    assert await index.titles(updated_since=since) == ["renewed", "new"]
    assert await index.titles(updated_since=index.now + 1) == []


async def test_a_server_whose_document_was_found_late_is_told_as_changed_then(index_lite: Index):
    index_lite.is_lost = True
    await index_lite.list("late")
    before = await index_lite.titles()
    index_lite.blocks += 100
    index_lite.is_lost = False
    await index_lite.learn(*located("late", "mcp"))

    (edition,) = await index_lite.page(updated_since=index_lite.now)

    assert before == []
    assert edition.updated_at == index_lite.now
    assert edition.listing.agent.registered_at == START + BLOCK_S


async def test_a_server_that_is_off_is_listed_to_those_who_ask(index: Index):
    await index.list("on")
    await index.list("off")
    await index.say("off", Switched(version=2, is_active=False))

    assert await index.titles() == ["on"]
    assert await index.titles(with_deleted=True) == ["on", "off", "off"]
    assert await index.titles(with_deleted=True, is_latest=True) == ["on", "off"]
    assert await index.titles(with_deleted=True, version=2) == ["off"]


async def test_a_server_is_known_in_all_its_versions_newest_first(index: Index):
    await index.list("agent")
    await index.update("agent", "second", 2)
    await index.update("agent", "third", 3)

    editions = await index.versions("agent")

    assert titles(editions) == ["third", "second", "agent"]
    assert [edition.version for edition in editions] == ["3.0.0", "2.0.0", "1.0.0"]
    assert [edition.is_latest for edition in editions] == [True, False, False]
    assert [edition.updated_at - START for edition in editions] == [30, 20, 10]
    assert {edition.listing.agent.registered_at for edition in editions} == {START + BLOCK_S}


async def test_a_version_is_found_by_its_number_or_as_the_latest(index_lite: Index):
    await index_lite.list("agent")
    await index_lite.update("agent", "second", 2)

    found = [await index_lite.version("agent", version) for version in ("1.0.0", "2.0.0", LATEST)]

    assert titles(found) == ["agent", "second", "second"]
    for version in ("3.0.0", "1", "1.0", "01.0.0"):
        with pytest.raises(ServerNotFound):
            await index_lite.version("agent", version)


async def test_a_version_that_spoke_no_mcp_or_was_never_found_is_no_server(index_lite: Index):
    await index_lite.list("agent", "a2a")
    await index_lite.update("agent", "second", 2)
    index_lite.is_lost = True
    await index_lite.update("agent", "third", 3)

    editions = await index_lite.versions("agent")

    assert [edition.version for edition in editions] == ["2.0.0"]
    with pytest.raises(ServerNotFound):
        await index_lite.version("agent", LATEST)


async def test_what_anybody_may_do_to_an_agent_pushes_no_version_out(index_lite: Index):
    index_lite.most_statements = 3
    await index_lite.list("agent")
    for stake in range(5):
        await index_lite.say("agent", Staked(stake_units=stake))

    editions = await index_lite.versions("agent")

    assert [(edition.version, edition.updated_at) for edition in editions] == [("1.0.0", START + BLOCK_S)]


async def test_versions_that_are_too_long_ago_are_forgotten_first(index_lite: Index):
    index_lite.most_statements = 6
    await index_lite.list("agent")
    for version in range(2, 5):
        await index_lite.update("agent", f"title {version}", version)

    assert titles(await index_lite.versions("agent")) == ["title 4", "title 3"]


async def test_a_deleted_server_has_versions_only_for_those_who_ask(index_lite: Index):
    await index_lite.list("agent")
    await index_lite.say("agent", Switched(version=2, is_active=False))

    deleted = await index_lite.versions("agent", with_deleted=True)

    assert [(edition.version, edition.is_latest) for edition in deleted] == [
        ("2.0.0", True),
        ("1.0.0", False),
    ]
    with pytest.raises(ServerNotFound):
        await index_lite.versions("agent")
    with pytest.raises(ServerNotFound):
        await index_lite.versions("nobody")


@pytest.mark.parametrize(
    ("version", "number"),
    [("1.0.0", 1), ("12.0.0", 12), ("0.0.0", None), ("1.0.1", None), ("1.0.0-rc", None), ("9" * 30, None)],
)
def test_an_agent_s_version_is_the_first_number_of_its_server_s(version: str, number: int | None):
    assert version_number(version) == number
