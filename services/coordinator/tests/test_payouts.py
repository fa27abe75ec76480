"""Paying out what the ledger owes: the token makes each payout once, whoever sends it and however often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import pytest
from chains import eventually
from eth_account import Account
from mesh_coordinator.adapters.till import TokenTill
from mesh_coordinator.app import TOKEN_DOMAIN
from mesh_coordinator.domain import ledger
from mesh_coordinator.repository.ledger import Ledger
from mesh_coordinator.service.payouts import Payouts
from mesh_shared.chain.journal import Call, Journal, State, TransactionRow

if TYPE_CHECKING:
    from chains import Chain
    from mesh_shared.chain.sender import TransactionSender
    from mesh_shared.database.engine import Database

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ANNA, BERT = "0x" + "aa" * 20, "0x" + "bb" * 20


@pytest.fixture
async def till(chain: Chain) -> TokenTill:
    """Of an account with a hundred units."""
    account = Account.create()
    await chain.enrich(account.address, 100)
    return TokenTill(chain.rpc, chain.deployed.address("MeshToken"), TOKEN_DOMAIN, account)


async def send(chain: Chain, call: Call) -> bool:
    """Whether the token took it, from somebody who has no part in it."""
    told = {
        "from": chain.minter,
        "to": call.to,
        "data": "0x" + call.data.hex(),
        "gas": hex(500_000),
    }
    sent = await chain.rpc.request("eth_sendTransaction", told)
    receipt = await eventually(lambda: chain.rpc.request("eth_getTransactionReceipt", sent))
    return receipt["status"] == "0x1"


async def test_a_payout_moves_its_money_once_however_often_it_is_sent(till: TokenTill, chain: Chain):
    id, payee = uuid4(), Account.create().address
    call = till.payout(id, payee, 30)

    before = await till.is_paid(id)
    taken = [await send(chain, call), await send(chain, call)]

    assert (before, taken, await till.is_paid(id)) == (False, [True, False], True)
    assert (await chain.units(payee), await chain.units(till.account.address)) == (30, 70)


async def test_two_payouts_to_one_payee_are_two(till: TokenTill, chain: Chain):
    payee = Account.create().address
    first, second = uuid4(), uuid4()

    assert await send(chain, till.payout(first, payee.lower(), 30))

    assert not await till.is_paid(second)
    assert await send(chain, till.payout(second, payee.lower(), 30))
    assert await chain.units(payee) == 60


def test_the_same_payout_is_the_same_call_after_every_crash():
    till = TokenTill(cast("Any", Rpcless()), "0x" + "11" * 20, TOKEN_DOMAIN, Account.create())
    id = uuid4()

    assert till.payout(id, ANNA, 5) == replace(till).payout(id, ANNA, 5)
    assert till.payout(id, ANNA, 5) != till.payout(uuid4(), ANNA, 5)


class Rpcless:
    chain_id = 31337


@dataclass
class Bank:
    """A till and a sender of another kind of chain, of which a test says what it does."""

    database: Database
    made: set[UUID] = field(default_factory=set[UUID])
    ends_as: list[State] = field(default_factory=list[State])
    """What becomes of each transaction, in order; then all are mined."""
    is_lagging: bool = False
    address: str = "0x" + "cc" * 20
    calls: dict[bytes, UUID] = field(default_factory=dict[bytes, UUID])
    sent: list[bytes] = field(default_factory=list[bytes])

    def payout(self, id: UUID, payee: str, units: int) -> Call:
        call = Call(payee, f"{id}:{units}".encode())
        self.calls[call.data] = id
        return call

    async def is_paid(self, id: UUID) -> bool:
        return id in self.made and not self.is_lagging

    async def settled(self, id: UUID, timeout_s: float) -> TransactionRow:
        async with self.database.read() as session:
            (row,) = await Journal(session).all([id])
        self.sent.append(row.data)
        row.state = self.ends_as.pop(0) if self.ends_as else State.MINED
        if row.state is State.PREPARED:
            raise TimeoutError
        row.succeeded = row.state == State.MINED
        if row.succeeded:
            self.made.add(self.calls[row.data])
        return row


@pytest.fixture
def bank(database: Database) -> Bank:
    return Bank(database)


@pytest.fixture
def payouts(database: Database, bank: Bank) -> Payouts:
    sender = cast("TransactionSender", bank)
    return Payouts(database=database, till=bank, sender=sender, every_s=0)


async def owe(database: Database, payee: str, units: int) -> None:
    attempt = uuid4()
    async with database.write() as session:
        await Ledger(session).post(ledger.hold(attempt, units), NOW)
        await Ledger(session).post(ledger.release(attempt, payee, units), NOW)


async def standing(database: Database) -> dict[str, int]:
    """What is on each account that has something."""
    async with database.read() as session:
        rows = await Ledger(session).accounts(100)
        assert await Ledger(session).sum_units() == 0
    return {row.name: row.balance_units for row in rows if row.balance_units}


async def test_everybody_is_paid_what_they_are_owed_in_one_transfer(
    payouts: Payouts, bank: Bank, database: Database
):
    for payee, units in ((ANNA, 3), (BERT, 4), (ANNA, 5)):
        await owe(database, payee, units)

    await payouts.turn()

    assert sorted(data.partition(b":")[2] for data in bank.sent) == [b"4", b"8"]
    assert await standing(database) == {"payer": -12, "chain": 12}


async def test_where_nobody_is_owed_anything_nothing_is_sent(payouts: Payouts, bank: Bank):
    await payouts.turn()

    assert bank.sent == []


@pytest.mark.parametrize("end", [State.REJECTED, State.UNKNOWN, State.LOST, State.FINAL])
async def test_a_payout_without_effect_is_sent_again_as_it_was(
    payouts: Payouts, bank: Bank, database: Database, end: State
):
    """`FINAL` stands for mined and reverted."""
    await owe(database, ANNA, 3)
    bank.ends_as = [end, end]

    await payouts.turn()
    waiting = await standing(database)
    await payouts.turn()
    await payouts.turn()

    assert waiting == {"payer": -3, "transit": 3}
    assert len(bank.sent) == 3
    assert len(set(bank.sent)) == 1
    assert await standing(database) == {"payer": -3, "chain": 3}


async def test_what_is_owed_meanwhile_waits_for_the_next_payout(
    payouts: Payouts, bank: Bank, database: Database
):
    await owe(database, ANNA, 3)
    bank.ends_as = [State.PREPARED]
    await payouts.turn()
    await owe(database, ANNA, 4)

    before = await standing(database)
    await payouts.turn()

    assert before == {"payer": -7, "transit": 3, ledger.owed(ANNA): 4}
    assert await standing(database) == {"payer": -7, "chain": 7}
    assert len(bank.made) == 2


async def test_a_node_that_lags_behind_is_asked_again_and_nothing_is_sent_again(
    payouts: Payouts, bank: Bank, database: Database
):
    await owe(database, ANNA, 3)
    bank.is_lagging = True
    await payouts.turn()
    unsure = await standing(database)
    bank.is_lagging = False
    await payouts.turn()

    async with database.read() as session:
        (payout,) = await Ledger(session).payouts(10)
    assert unsure == {"payer": -3, "transit": 3}
    assert (payout.sends, payout.paid_at is not None) == (0, True)
    assert await standing(database) == {"payer": -3, "chain": 3}


async def test_two_that_look_at_once_pay_once(payouts: Payouts, bank: Bank, database: Database):
    await owe(database, ANNA, 3)
    await asyncio.gather(payouts.turn(), replace(payouts).turn(), return_exceptions=True)
    await payouts.turn()

    assert len(bank.made) == 1
    assert await standing(database) == {"payer": -3, "chain": 3}
