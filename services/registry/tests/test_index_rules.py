"""The index is a fold of the chain as it is now, whatever the chain was before and however it was read."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_registry.domain import naming
from mesh_registry.domain.chain import (
    Announced,
    AnyFact,
    Block,
    Located,
    Occurrence,
    Offering,
    Owned,
    Paid,
    Rated,
    Revoked,
    Staked,
    Switched,
)
from mesh_registry.domain.search import Criteria
from mesh_registry.repository.agents import Agents, Narrowing
from mesh_registry.repository.feedback import FeedbackBook
from mesh_registry.repository.ledger import WINDOW, Ledger
from mesh_registry.service.indexing import Indexer
from mesh_shared.bell import Bell
from mesh_shared.chain.errors import ChainUnavailable, RpcError
from mesh_shared.events.outbox import EventRow
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

    from conftest import OpenDatabase

OWNER, CLIENT = "0x" + "11" * 20, "0x" + "c1" * 20
FIRST_BLOCK = 1


@dataclass
class PaperChain:
    """Implements `ports.ChainLog` with a pile of paper: blocks are added, torn off and written anew."""

    pile: list[tuple[Block, list[Occurrence]]] = field(default_factory=list[tuple[Block, list[Occurrence]]])
    salts: Iterator[int] = field(default_factory=itertools.count)
    widest: int = 1_000_000
    """Blocks that may be asked for at once."""
    asked: list[int] = field(default_factory=list[int])
    """Blocks that were asked for at once, each time."""
    is_down: bool = False
    meanwhile: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """What happens while the log is read, once each."""
    strays: list[PaperChain] = field(default_factory=list)
    """Other nodes behind the same address, each of which answers once when the log is asked for."""

    def mine(self, token_id: int = 0, *facts: AnyFact) -> None:
        """One more block, in which `facts` are said about a token."""
        number = len(self.pile) + FIRST_BLOCK
        parent = self.pile[-1][0].hash if self.pile else "0x" + "00" * 32
        hash = "0x" + keccak(text=f"{parent}{next(self.salts)}").hex()
        said = [
            Occurrence(
                block_number=number,
                block_hash=hash,
                log_index=index,
                transaction_hash="0x" + keccak(text=f"{hash}{index}").hex(),
                token_id=token_id,
                fact=fact,
            )
            for index, fact in enumerate(facts)
        ]
        self.pile.append((Block(number, hash, parent), said))

    def tear(self, depth: int) -> None:
        del self.pile[max(0, len(self.pile) - depth) :]

    def register(self) -> int:
        token_id = self.count(Announced) + 1
        self.mine(
            token_id,
            Located(uri=f"https://agent.example/{token_id}"),
            Announced(agent_id=naming.agent_id_of(f"agent/{token_id}"), did="did:x:y"),
            Offering(version=1, capability_hashes=naming.capability_hashes(["a"])),
            Owned(owner=OWNER),
        )
        return token_id

    def rate(self, token_id: int, value: int, *, is_paid: bool) -> None:
        index = self.count(Rated, token_id) + 1
        rated = Rated(client=CLIENT, index=index, value=value, decimals=0, tag1="quality", tag2="")
        paid = [Paid(client=CLIENT, index=index, escrow_id="0x" + "ee" * 32)] if is_paid else []
        self.mine(token_id, rated, *paid)

    def count(self, kind: type[Any], token_id: int | None = None) -> int:
        said = [o for _, occurrences in self.pile for o in occurrences]
        return sum(isinstance(o.fact, kind) and token_id in (None, o.token_id) for o in said)

    async def head(self) -> int:
        self._answer()
        return len(self.pile) + FIRST_BLOCK - 1

    async def blocks(self, numbers: Iterable[int]) -> Sequence[Block | None]:
        self._answer()
        known = {block.number: block for block, _ in self.pile}
        return [known.get(number) for number in numbers]

    async def occurrences(self, first: int, last: int) -> Sequence[Occurrence]:
        self._answer()
        self.asked.append(last - first + 1)
        if last - first + 1 > self.widest:
            raise RpcError(-32005, "query returned more than 10000 results")
        pile = self.strays.pop().pile if self.strays else self.pile
        said = [o for block, about in pile if first <= block.number <= last for o in about]
        while self.meanwhile:
            self.meanwhile.pop()()
        return said

    def _answer(self) -> None:
        if self.is_down:
            raise ChainUnavailable


def indexer(database: Database, chain: PaperChain) -> Indexer:
    return Indexer(database, chain, FIRST_BLOCK, Bell(), poll_s=0.001)


async def follow(index: Indexer, chain: PaperChain) -> None:
    """Takes turns until the index has the chain's newest block, or nothing when there is none."""
    async with asyncio.timeout(60):
        while True:
            async with index.database.read() as session:
                head = await Ledger(session).head()
            if (head and head.hash) == (chain.pile[-1][0].hash if chain.pile else None):
                return
            await index.turn()


async def content(database: Database) -> dict[str, Any]:
    """All that the index says."""
    async with database.read() as session:
        agents = [await Agents(session).get(token_id) for token_id in range(1, 40)]
        feedback = [await FeedbackBook(session).newest(token_id, None, 1000) for token_id in range(1, 40)]
        found, _ = await Agents(session).best(Narrowing(Criteria()), "", 1000)
        head = await Ledger(session).head()
    return {
        "agents": [agent for agent in agents if agent is not None],
        "feedback": [said for said in feedback if said],
        "order": [agent.agent_id for agent, _ in found],
        "head": head and (head.number, head.hash),
    }


async def told(database: Database) -> dict[str, int]:
    """How often each agent was told to be registered, less how often that was taken back."""
    async with database.read() as session:
        query = select(EventRow).where(EventRow.type == "registry.agent-registered.v1")
        counts: dict[str, int] = {}
        for event in await session.scalars(query):
            counts[event.subject or ""] = counts.get(event.subject or "", 0) + (
                -1 if event.data["reverted"] else 1
            )
    return {agent_id: count for agent_id, count in counts.items() if count}


tokens = st.integers(1, 4)
steps = st.one_of(
    st.just(("register",)),
    st.tuples(st.just("stake"), tokens, st.integers(0, 2**128 - 1)),
    st.tuples(st.just("switch"), tokens, st.booleans()),
    st.tuples(st.just("rate"), tokens, st.integers(-5, 120), st.booleans()),
    st.tuples(st.just("revoke"), tokens),
    st.tuples(st.just("tear"), st.integers(1, 8)),
    st.just(("turn",)),
)


def write(chain: PaperChain, name: str, *values: Any) -> None:
    """Adds to the chain what a contract would let happen."""
    if name == "register":
        chain.register()
    elif name == "tear":
        chain.tear(values[0])
    elif values[0] > chain.count(Announced):
        chain.mine()
    elif name == "stake":
        chain.mine(values[0], Staked(stake_units=values[1]))
    elif name == "switch":
        chain.mine(values[0], Switched(version=len(chain.pile) + 1, is_active=values[1]))
    elif name == "rate":
        chain.rate(values[0], values[1], is_paid=values[2])
    elif index := chain.count(Rated, values[0]):
        chain.mine(values[0], Revoked(client=CLIENT, index=index))


async def replay(story: list[tuple[Any, ...]], folder: Path, empty_database: OpenDatabase) -> None:
    chain = PaperChain()
    async with empty_database(f"sqlite+aiosqlite:///{folder}/grown.db") as grown:
        index = indexer(grown, chain)
        for name, *values in [("register",), *story]:
            if name == "turn":
                await index.turn()
            else:
                write(chain, name, *values)
        await follow(index, chain)
        has_grown, has_told = await content(grown), await told(grown)
    async with empty_database(f"sqlite+aiosqlite:///{folder}/fresh.db") as fresh:
        await follow(indexer(fresh, chain), chain)
        is_fresh = await content(fresh)

    assert has_grown == is_fresh
    assert has_told == {agent.agent_id: 1 for agent in is_fresh["agents"]}


@settings(max_examples=15)
@given(st.lists(steps, min_size=2, max_size=25))
def test_an_index_that_lived_through_reorganisations_is_the_one_made_anew(
    empty_database: OpenDatabase, story: list[tuple[Any, ...]]
):
    with TemporaryDirectory() as folder:
        asyncio.run(replay(story, Path(folder), empty_database))


async def test_a_reorganisation_deeper_than_the_memory_starts_the_index_anew(database: Database):
    chain = PaperChain()
    index = indexer(database, chain)
    kept = chain.register()
    for _ in range(WINDOW + 40):
        chain.mine()
    chain.register()
    await follow(index, chain)

    chain.tear(WINDOW + 20)
    for _ in range(WINDOW + 30):
        chain.mine()
    await follow(index, chain)

    assert [agent.token_id for agent in (await content(database))["agents"]] == [kept]


async def test_a_chain_that_begins_anew_empties_the_index(database: Database):
    chain = PaperChain()
    index = indexer(database, chain)
    chain.register()
    await follow(index, chain)

    chain.pile.clear()
    await follow(index, chain)

    assert await content(database) == {"agents": [], "feedback": [], "order": [], "head": None}


async def test_a_chain_that_changes_while_it_is_read_leaves_no_mixture(database: Database):
    chain = PaperChain()
    index = indexer(database, chain)
    chain.register()
    chain.register()
    chain.mine(2, Staked(stake_units=5))

    def reorganise() -> None:
        chain.tear(2)
        chain.mine()
        chain.mine(1, Staked(stake_units=9))

    chain.meanwhile.append(reorganise)
    await follow(index, chain)

    (agent,) = (await content(database))["agents"]
    assert (agent.token_id, agent.stake_units) == (1, 9)


async def test_a_log_from_a_node_on_another_branch_is_not_believed(database: Database):
    chain, other = PaperChain(), PaperChain(salts=itertools.count(1000))
    index = indexer(database, chain)
    chain.register()
    other.pile[:] = chain.pile
    chain.mine(1, Staked(stake_units=5))
    other.mine(1, Staked(stake_units=9))

    chain.strays.append(other)
    await follow(index, chain)

    (agent,) = (await content(database))["agents"]
    assert agent.stake_units == 5


async def test_a_stretch_that_cannot_be_written_moves_nothing(database: Database):
    chain = PaperChain()
    index = indexer(database, chain)
    chain.register()
    await follow(index, chain)
    before = await content(database)
    chain.mine(1, Staked(stake_units=5))
    chain.mine(7, Rated(client=CLIENT, index=1, value=1, decimals=0, tag1="", tag2=""), Owned(owner=OWNER))

    chain.pile[-1][1][0:0] = [chain.pile[0][1][1]]  # the same place in the chain twice
    with pytest.raises(IntegrityError):
        await index.turn()
    after = await content(database)
    chain.tear(1)
    await follow(index, chain)

    assert after == before
    assert (await content(database))["agents"][0].stake_units == 5


async def test_a_node_that_refuses_wide_questions_is_asked_narrower_ones(database: Database):
    chain = PaperChain(widest=30)
    index = indexer(database, chain)
    chain.register()
    for _ in range(200):
        chain.mine()

    for _ in range(60):
        await index.turn()

    assert (await content(database))["head"] == (201, chain.pile[-1][0].hash)
    assert max(chain.asked) > 30
    assert min(size for size in chain.asked if size <= 30) > 1


async def test_a_node_that_refuses_a_single_block_is_waited_for(database: Database):
    chain = PaperChain(widest=0)
    index = indexer(database, chain)
    chain.register()

    for _ in range(6):
        await index.turn()
    with pytest.raises(RpcError):
        await index.turn()
    chain.widest = 1
    await follow(index, chain)

    assert len((await content(database))["agents"]) == 1


async def test_questions_grow_no_wider_where_much_is_said(database_lite: Database):
    chain = PaperChain()
    for _ in range(330):
        rated = [
            Rated(client=CLIENT, index=chain.salts.__next__() + 1, value=1, decimals=0, tag1="", tag2="")
            for _ in range(30)
        ]
        chain.mine(1, *rated) if chain.pile else chain.register()

    await follow(indexer(database_lite, chain), chain)

    assert chain.asked == [100, 100, 100, 30]


async def test_questions_grow_wider_while_they_are_answered(database: Database):
    chain = PaperChain()
    for _ in range(3000):
        chain.mine()

    await follow(indexer(database, chain), chain)

    assert chain.asked[:2] == [100, 200]
    assert len(chain.asked) <= 5


async def test_as_many_blocks_are_remembered_as_a_reorganisation_may_take_back(database: Database):
    chain = PaperChain()
    index = indexer(database, chain)
    for _ in range(3):
        for _ in range(WINDOW - 20):
            chain.mine()
        await follow(index, chain)

    async with database.read() as session:
        remembered = [row.number for row in await Ledger(session).recent()]

    newest = chain.pile[-1][0].number
    assert remembered == list(range(newest, newest - WINDOW, -1))


async def test_a_node_that_is_down_is_waited_for(database: Database):
    chain = PaperChain()
    index = indexer(database, chain)
    chain.register()

    chain.is_down = True
    with pytest.raises(ChainUnavailable):
        await index.turn()
    chain.is_down = False
    await follow(index, chain)

    assert len((await content(database))["agents"]) == 1


async def test_who_waits_for_the_index_hears_of_every_change(database: Database):
    chain = PaperChain()
    index = indexer(database, chain)
    heard: list[int] = []

    async def turn_and_listen(change: Callable[[], object]) -> None:
        change()
        ticket = index.indexed.ticket()
        await follow(index, chain)
        heard.append(ticket.is_set())

    for change in (chain.register, chain.mine, lambda: chain.tear(1)):
        await turn_and_listen(change)

    assert heard == [True, True, True]
