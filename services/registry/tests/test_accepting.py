"""Orders that come together are one commit, in which none spoils another."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.challenges import Asker
from mesh_registry.domain.intents import Registration, Switch, Withdrawal
from mesh_registry.errors import ChallengeClosed
from mesh_registry.repository.challenges import Challenges
from mesh_registry.service.looking import Lookout
from mesh_registry.service.operating import Operating, Order
from mesh_shared.bell import Bell
from mesh_shared.chain.journal import Call, Journal, State, TransactionRow
from sqlalchemy import event, select

if TYPE_CHECKING:
    from mesh_registry.ports import Contracts
    from mesh_shared.database.engine import Database

DEPTHS = Depths(1, 12)
OWNER = "0x" + "11" * 20
ALLOWANCE = Call(to="0x" + "22" * 20, data=b"approve")


@dataclass(frozen=True)
class Named:
    """As much of the contracts as accepting asks for."""

    registry: str = "0x" + "33" * 20

    def approve(self) -> Call:
        return ALLOWANCE


def order(name: str, **more: Any) -> Order:
    intent = Registration(
        owner=OWNER, agent_id=f"0x{name:0>64}", did="did:x:y", cid="bafy", stake_units=0, capabilities=()
    )
    call = Call(to=OWNER, data=name.encode())
    return Order(intent=intent, claim=intent.agent_id, call=call, requested_by="somebody", **more)


@pytest.fixture
def operating(database: Database) -> Operating:
    return Operating(
        database=database,
        contracts=cast("Contracts", Named()),
        operator=OWNER,
        depths=DEPTHS,
        sent=Bell(),
        indexed=Bell(),
        lookout=Lookout(database, DEPTHS),
    )


async def accepted(operating: Operating, *orders: Order) -> list[UUID | None]:
    return await asyncio.gather(*map(operating.accept, orders))


async def queued(database: Database) -> list[bytes]:
    """What is to be sent, in order."""
    async with database.read() as session:
        query = select(TransactionRow.data).order_by(TransactionRow.position)
        return list(await session.scalars(query))


async def test_all_that_come_together_are_one_commit_in_their_order(operating: Operating):
    commits: list[object] = []
    event.listen(operating.database.engine.sync_engine, "commit", commits.append)

    ids = await accepted(operating, *(order(str(n)) for n in range(20)))

    assert len(set(ids) - {None}) == 20
    assert len(commits) == 1
    assert await queued(operating.database) == [str(n).encode() for n in range(20)]


async def test_of_two_with_one_claim_one_is_accepted_and_the_others_besides(operating: Operating):
    one, other, same = await accepted(operating, order("1"), order("2"), order("1"))

    assert {one is None, same is None} == {True, False}
    assert other is not None
    assert sorted(await queued(operating.database)) == [b"1", b"2"]


async def test_a_claim_that_failed_is_free_for_the_next(operating: Operating):
    (failed,) = await accepted(operating, order("1"))
    assert failed is not None
    async with operating.database.write() as session:
        row = await Journal(session).get(await transaction_of(operating, failed))
        assert row is not None
        row.state, row.error = State.REJECTED, "0x12345678"

    again, beside = await accepted(operating, order("1"), order("2"))

    known, _ = await operating.claiming(order("1").claim, "")
    assert known is not None
    assert known.id == again != failed
    assert beside is not None


async def transaction_of(operating: Operating, id: UUID) -> UUID:
    async with operating.database.read() as session:
        (found,) = await session.scalars(
            select(TransactionRow.id).where(TransactionRow.key == f"register:{id}")
        )
        return found


async def test_the_allowance_goes_before_all_who_need_it_and_once(operating: Operating):
    await accepted(operating, order("1"), order("2", spends=True), order("3", spends=True))

    assert await queued(operating.database) == [b"1", b"approve", b"2", b"3"]


async def test_one_answer_changes_once_whoever_comes_with_it(operating: Operating):
    now = datetime.now(UTC)
    switch = Switch(agent_id=order("1").claim, expected_version=1, kind="deactivate")
    asker = Asker(url="https://registry.example", chain_id=1)
    challenge = asker.ask(switch, OWNER, "5e" * 16, now, now + timedelta(minutes=5))
    async with operating.database.write() as session:
        await Challenges(session).add(challenge, "somebody", now)
    answers = [
        Order(
            intent=Withdrawal(agent_id=switch.agent_id),
            claim=claim,
            call=Call(to=OWNER, data=claim.encode()),
            requested_by="somebody",
            answers=challenge.nonce,
        )
        for claim in ("first", "second")
    ]

    outcomes = await asyncio.gather(*map(operating.accept, [*answers, order("2")]), return_exceptions=True)

    assert isinstance(outcomes[0], UUID)
    assert isinstance(outcomes[1], ChallengeClosed)
    assert await queued(operating.database) == [b"first", b"2"]
