"""Challenges that are kept: each is answered once, or forgotten."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain.challenges import Asker, Challenge
from mesh_registry.domain.intents import Stake, Switch, Unstake, Update, Withdrawal, cid_of
from mesh_registry.repository.challenges import MOST_OPEN, Challenges
from mesh_registry.repository.tables import ChallengeRow
from sqlalchemy import func, select

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

OWNER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
AGENT_ID = "0x" + "ab" * 32
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ASKER = Asker(url="https://registry.example", chain_id=31337)
UPDATE = Update(agent_id=AGENT_ID, cid="b" * 59, capabilities=("0x" + "01" * 32,), expected_version=2**40)
CHANGES: list[Any] = [
    UPDATE,
    Switch(agent_id=AGENT_ID, expected_version=1, kind="activate"),
    Stake(agent_id=AGENT_ID, units=2**127),
    Unstake(agent_id=AGENT_ID, units=2**127),
    Withdrawal(agent_id=AGENT_ID),
]
changes = st.one_of(
    st.builds(Unstake, agent_id=st.just(AGENT_ID), units=st.integers(1, 2**128 - 1)),
    st.builds(
        Switch,
        agent_id=st.just(AGENT_ID),
        expected_version=st.integers(1, 2**53),
        kind=st.sampled_from(["activate", "deactivate"]),
    ),
)


def asked(change: Any = UPDATE, nonce: str = "5e" * 16, at: datetime = NOW) -> Challenge:
    return ASKER.ask(change, OWNER, nonce, at, at + timedelta(minutes=5))


async def keep(
    database: Database, *challenges: Challenge, caller: str = "tester", now: datetime = NOW
) -> None:
    for challenge in challenges:
        async with database.write() as session:
            await Challenges(session).add(challenge, caller, now)


async def opened(database: Database, nonce: str = "5e" * 16, now: datetime = NOW) -> Challenge | None:
    async with database.read() as session:
        return await Challenges(session).open(nonce, now)


async def count(database: Database) -> int | None:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(ChallengeRow))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.kind)
async def test_a_challenge_is_kept_as_it_was_asked(database: Database, change: Any):
    await keep(database, asked(change))

    assert await opened(database) == asked(change)


async def test_a_challenge_is_open_up_to_its_end(database: Database):
    await keep(database, asked())

    before = await opened(database, now=NOW + timedelta(seconds=299))
    after = await opened(database, now=NOW + timedelta(seconds=300))

    assert (before, after) == (asked(), None)


async def test_a_nonce_that_was_never_given_opens_nothing(database: Database):
    await keep(database, asked())

    assert await opened(database, "00" * 16) is None


async def test_of_many_who_close_a_challenge_one_does(database: Database):
    await keep(database, asked())

    async def close() -> bool:
        async with database.write() as session:
            return await Challenges(session).close("5e" * 16)

    closed = await asyncio.gather(*(close() for _ in range(8)))

    assert sorted(closed) == [False] * 7 + [True]
    assert await opened(database) is None


async def test_a_challenge_whose_change_was_not_accepted_stays_open(database: Database):
    await keep(database, asked())

    async def close_and_fail() -> None:
        async with database.write() as session:
            await Challenges(session).close("5e" * 16)
            raise RuntimeError("not accepted")

    with pytest.raises(RuntimeError, match="not accepted"):
        await close_and_fail()

    assert await opened(database) == asked()


async def test_expired_challenges_are_dropped_with_the_next(database: Database):
    late = NOW + timedelta(minutes=6)
    await keep(database, asked(nonce="a" * 32), asked(nonce="b" * 32))

    await keep(database, asked(nonce="c" * 32, at=late), caller="another", now=late)

    assert await count(database) == 1


async def test_a_caller_pushes_out_its_own_oldest_and_nobody_else_s(database: Database):
    await keep(database, asked(nonce="f" * 32), caller="another")
    own = [asked(nonce=f"{n:032x}", at=NOW + timedelta(seconds=n)) for n in range(MOST_OPEN + 1)]

    await keep(database, *own)

    assert await count(database) == MOST_OPEN + 1
    assert await opened(database, own[0].nonce) is None
    assert await opened(database, own[1].nonce) == own[1]
    assert await opened(database, "f" * 32) is not None


@given(changes, changes)
def test_different_changes_are_never_the_same_question(one: Any, other: Any):
    assert (asked(one).digest == asked(other).digest) == (one == other)


@pytest.mark.parametrize(
    "other",
    [
        Asker(url="https://evil.example", chain_id=31337).ask(UPDATE, OWNER, "5e" * 16, NOW, NOW),
        Asker(url="https://registry.example", chain_id=1).ask(UPDATE, OWNER, "5e" * 16, NOW, NOW),
        ASKER.ask(UPDATE, "0x" + "11" * 20, "5e" * 16, NOW, NOW),
        ASKER.ask(UPDATE, OWNER, "6e" * 16, NOW, NOW),
        ASKER.ask(UPDATE, OWNER, "5e" * 16, NOW + timedelta(seconds=1), NOW),
    ],
    ids=["domain", "chain", "address", "nonce", "time"],
)
def test_every_part_of_a_question_is_signed(other: Challenge):
    assert other.digest != ASKER.ask(UPDATE, OWNER, "5e" * 16, NOW, NOW).digest


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.kind)
def test_a_question_is_plain_text_about_its_agent(change: Any):
    message = asked(change).message

    assert message.isascii()
    assert f"https://registry.example/v1/agents/{AGENT_ID}" in message
    assert ("ipfs://" in message) == (cid_of(change) is not None)
