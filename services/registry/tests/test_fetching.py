"""What is under the CIDs that agents name is looked for beside the indexing, and believed when it matches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import orjson
import pytest
from mesh_registry.domain import naming
from mesh_registry.domain.agents import DocumentState
from mesh_registry.domain.chain import Announced, Located, Occurrence, Offering, Owned
from mesh_registry.domain.search import Criteria
from mesh_registry.repository.agents import Agents, Narrowing
from mesh_registry.repository.documents import Documents
from mesh_registry.service.fetching import Fetcher, pause
from mesh_registry.service.projection import Projection
from mesh_shared.bell import Bell
from mesh_shared.canonical import canonical_json
from mesh_shared.content import cid
from mesh_shared.content.errors import ContentNotFound, StoreUnavailable
from mesh_shared.content.store import Stored, once
from sqlalchemy import event

if TYPE_CHECKING:
    from pathlib import Path

    from callers_of_registry import Body, Caller
    from mesh_shared.database.engine import Database
    from unaided import Chain

    from conftest import OpenDatabase

SUMMARIZERS = Narrowing(Criteria(capabilities=["text.summarize"]))


@dataclass
class Shelf:
    """A content store in memory, which can be down or never come to an end."""

    content: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asked: list[str] = field(default_factory=list[str])
    endless: set[str] = field(default_factory=set[str])
    is_down: bool = False

    async def add(self, data: AsyncIterator[bytes]) -> Stored:
        whole = b"".join([part async for part in data])
        self.content[str(cid.of(whole))] = whole
        return Stored(str(cid.of(whole)), len(whole))

    async def cat(self, cid: str) -> AsyncIterator[bytes]:
        if self.is_down:
            raise StoreUnavailable
        self.asked.append(cid)
        if cid in self.endless:
            await asyncio.Event().wait()
        if cid not in self.content:
            raise ContentNotFound(cid)
        yield self.content[cid]

    async def ping(self) -> None:
        if self.is_down:
            raise StoreUnavailable


def name_of(data: bytes) -> str:
    return str(cid.of(data))


async def named(database: Database, token_id: int, where: str) -> None:
    """An agent whose document is at `where`."""
    facts = (
        Located(uri=f"ipfs://{where}"),
        Announced(agent_id=naming.agent_id_of(f"agent/{token_id}"), did=""),
        Offering(version=1, capability_hashes=naming.capability_hashes(["text.summarize"])),
        Owned(owner="0x" + "11" * 20),
    )
    said = [
        Occurrence(
            block_number=token_id,
            block_hash=f"0x{token_id:064x}",
            log_index=index,
            transaction_hash=f"0x{token_id:064x}",
            token_id=token_id,
            fact=fact,
        )
        for index, fact in enumerate(facts)
    ]
    async with database.write() as session:
        await Projection(session, datetime.now(UTC)).add(said)


async def state_of(database: Database, token_id: int) -> DocumentState:
    async with database.read() as session:
        found = await Agents(session).find(naming.agent_id_of(f"agent/{token_id}"))
    assert found is not None
    return found[1].state


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def fetcher(database: Database, shelf: Shelf) -> Fetcher:
    return Fetcher(database, shelf, "replica-0", Bell(), look_s=0.2)


@pytest.fixture
def good(metadata: Callable[..., Body]) -> bytes:
    return canonical_json(metadata())


async def test_a_document_that_is_there_is_fetched_once(fetcher: Fetcher, shelf: Shelf, good: bytes):
    where = (await shelf.add(once(good))).cid
    await named(fetcher.database, 1, where)
    await named(fetcher.database, 2, where)

    await fetcher.turn()
    await asyncio.wait_for(fetcher.turn(), 60)

    assert shelf.asked == [where]
    assert {await state_of(fetcher.database, n) for n in (1, 2)} == {DocumentState.FETCHED}


async def test_its_agents_are_found_by_it_from_then_on(fetcher: Fetcher, shelf: Shelf, good: bytes):
    await named(fetcher.database, 1, (await shelf.add(once(good))).cid)

    async with fetcher.database.read() as session:
        before, _ = await Agents(session).best(SUMMARIZERS, "", 10)
    await fetcher.turn()
    async with fetcher.database.read() as session:
        after, _ = await Agents(session).best(SUMMARIZERS, "", 10)

    assert before == []
    assert [agent.token_id for agent, _ in after] == [1]


async def test_a_dead_document_is_looked_for_again_later(fetcher: Fetcher, shelf: Shelf, good: bytes):
    await named(fetcher.database, 1, name_of(good))

    await fetcher.turn()
    missing = await state_of(fetcher.database, 1)
    await shelf.add(once(good))
    await asyncio.sleep(pause(0).total_seconds())
    await fetcher.turn()

    assert missing is DocumentState.UNAVAILABLE
    assert await state_of(fetcher.database, 1) is DocumentState.FETCHED


def test_the_pause_doubles_from_a_second_to_an_hour():
    pauses = [pause(attempts) for attempts in range(15)]

    assert pauses[:4] == [timedelta(seconds=s) for s in (1, 2, 4, 8)]
    assert max(pauses) == timedelta(hours=1) == pauses[-1]


async def test_new_documents_come_before_those_that_were_missed(fetcher: Fetcher, shelf: Shelf, good: bytes):
    for token_id in range(1, 6):
        await named(fetcher.database, token_id, name_of(b"dead %d" % token_id))
        await fetcher.turn()
    await asyncio.sleep(pause(0).total_seconds())
    await named(fetcher.database, 9, (await shelf.add(once(good))).cid)

    await replace(fetcher, at_once=1).turn()

    assert shelf.asked[-1] == name_of(good)


async def test_a_document_without_end_holds_up_nothing_for_long(fetcher: Fetcher, shelf: Shelf, good: bytes):
    shelf.endless.add(name_of(b"endless"))
    await named(fetcher.database, 1, name_of(b"endless"))
    await named(fetcher.database, 2, (await shelf.add(once(good))).cid)

    await asyncio.wait_for(fetcher.turn(), 60)

    assert await state_of(fetcher.database, 1) is DocumentState.UNAVAILABLE
    assert await state_of(fetcher.database, 2) is DocumentState.FETCHED


async def test_what_is_there_is_written_while_others_are_still_looked_for(
    shelf: Shelf, good: bytes, database_lite: Database
):
    fetcher = Fetcher(database_lite, shelf, "replica-0", Bell())
    shelf.endless.add(name_of(b"endless"))
    await named(database_lite, 1, name_of(b"endless"))
    await named(database_lite, 2, (await shelf.add(once(good))).cid)

    found = fetcher.indexed.ticket()
    turn = asyncio.create_task(fetcher.turn())
    await asyncio.wait_for(found.wait(), 60)
    turn.cancel()

    assert await state_of(database_lite, 1) is DocumentState.WAITING
    assert await state_of(database_lite, 2) is DocumentState.FETCHED


async def test_many_documents_are_one_commit_whatever_they_are(
    shelf: Shelf, good: bytes, database_lite: Database
):
    fetcher = Fetcher(database_lite, shelf, "replica-0", Bell())
    texts = [good.replace(b"Summarizer", b"Summarizer %d" % n) for n in range(5)]
    for token_id, text in enumerate([b"dead", b"<html>", *texts], start=1):
        await named(database_lite, token_id, name_of(text))
    for text in (b"<html>", *texts):
        await shelf.add(once(text))
    commits: list[object] = []
    event.listen(database_lite.engine.sync_engine, "commit", commits.append)

    await fetcher.turn()

    missed, spoilt, *fetched = [await state_of(database_lite, n) for n in range(1, 8)]
    assert (missed, spoilt) == (DocumentState.UNAVAILABLE, DocumentState.INVALID)
    assert set(fetched) == {DocumentState.FETCHED}
    assert len(commits) == 2  # the lease, and what was found


async def test_while_the_store_is_down_nothing_counts_as_missing(fetcher: Fetcher, shelf: Shelf, good: bytes):
    await named(fetcher.database, 1, (await shelf.add(once(good))).cid)

    shelf.is_down = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await fetcher.turn()
    waiting = await state_of(fetcher.database, 1)
    shelf.is_down = False
    await fetcher.turn()

    assert waiting is DocumentState.WAITING
    assert await state_of(fetcher.database, 1) is DocumentState.FETCHED


async def test_two_fetchers_never_look_for_one_document(fetcher: Fetcher, shelf: Shelf):
    shelf.endless.add(name_of(b"endless"))
    await named(fetcher.database, 1, name_of(b"endless"))

    await asyncio.gather(*(fetcher.turn() for _ in range(3)))

    assert shelf.asked == [name_of(b"endless")]


async def test_what_a_dead_replica_was_looking_for_is_free_at_its_next_start(
    fetcher: Fetcher, shelf: Shelf, good: bytes
):
    await named(fetcher.database, 1, (await shelf.add(once(good))).cid)
    now = datetime.now(UTC)
    async with fetcher.database.write() as session:
        await Documents(session).lease("replica-0", now, now + timedelta(hours=1), 1)

    await fetcher.recover()
    await fetcher.turn()

    assert await state_of(fetcher.database, 1) is DocumentState.FETCHED


async def test_what_another_replica_is_looking_for_stays_its_own(fetcher: Fetcher, shelf: Shelf, good: bytes):
    await named(fetcher.database, 1, (await shelf.add(once(good))).cid)
    now = datetime.now(UTC)
    async with fetcher.database.write() as session:
        await Documents(session).lease("replica-1", now, now + timedelta(hours=1), 1)

    await fetcher.recover()
    await fetcher.turn()

    assert shelf.asked == []


async def test_a_document_that_no_agent_names_any_more_is_let_be(fetcher: Fetcher, shelf: Shelf):
    await named(fetcher.database, 1, name_of(b"gone"))
    async with fetcher.database.write() as session:
        await Agents(session).drop([1])

    await fetcher.turn()

    assert shelf.asked == []


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "no JSON": lambda good: b"<html>",
    "cut off": lambda good: good[:-1],
    "a name twice": lambda good: b'{"name":"other",' + good[1:],
    "text that turns around": lambda good: good.replace(b"Summarizes.", "Summarizes\u202e.".encode()),
    "a capability that is none": lambda good: good.replace(b"text.summarize", b"Text Summarize"),
    "an endpoint to be filled in": lambda good: good.replace(b"127.0.0.1:9100", b"{agentId}.example"),
    "a member too many": lambda good: b'{"extra":1,' + good[1:],
    "too many bytes": lambda good: good + b" " * 262_144,
}


@pytest.mark.parametrize("fault", SPOILT)
async def test_a_document_that_is_no_metadata_is_invalid_for_good(
    shelf: Shelf, good: bytes, fault: str, tmp_path: Path, empty_database: OpenDatabase
):
    async with empty_database(f"sqlite+aiosqlite:///{tmp_path}/index.db") as database:
        fetcher = Fetcher(database, shelf, "replica-0", Bell())
        await named(database, 1, (await shelf.add(once(SPOILT[fault](good)))).cid)

        await fetcher.turn()
        await fetcher.turn()

        assert await state_of(database, 1) is DocumentState.INVALID
        assert len(shelf.asked) == 1


async def test_one_changed_byte_in_the_store_is_noticed_and_healing_too(
    caller_lite: Caller, chain: Chain, state_dir: Path
):
    where = await caller_lite.store_metadata()
    block = state_dir / "content" / where
    right = block.read_bytes()
    block.write_bytes(right.replace(b"Summarizer", b"Summarizes"))

    await chain.register(chain.accounts[1], "their/agent", where, "text.summarize")
    agent = await caller_lite.agent_when(
        "their/agent", lambda agent: agent["metadataStatus"] == "unavailable"
    )
    block.write_bytes(right)
    healed = await caller_lite.agent_when("their/agent", lambda agent: agent["metadataStatus"] == "fetched")

    assert (agent["name"], agent["capabilities"]) == (None, [])
    assert healed["name"] == "Summarizer"


async def test_many_dead_documents_do_not_keep_a_good_one_from_being_found(caller_lite: Caller, chain: Chain):
    for n in range(12):
        await chain.register(chain.accounts[1], f"dead/{n}", name_of(b"dead %d" % n), "text.summarize")

    await chain.register(chain.accounts[1], "alive", await caller_lite.store_metadata(), "text.summarize")

    await caller_lite.agent_when("alive", lambda agent: agent["metadataStatus"] == "fetched")
    assert len(await caller_lite.found()) == 1
    assert len(await caller_lite.listed()) == 13


async def test_a_document_may_be_written_in_any_way_that_json_allows(caller_lite: Caller, chain: Chain):
    spaced = orjson.dumps(caller_lite.metadata(), option=orjson.OPT_INDENT_2)

    await chain.register(chain.accounts[1], "their/agent", await caller_lite.store(spaced), "text.summarize")

    await caller_lite.agent_when("their/agent", lambda agent: agent["name"] == "Summarizer")
