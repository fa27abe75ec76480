"""The ledger on both databases: whatever is tried, its sum is nothing, and nobody overdraws."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mesh_coordinator.domain import ledger
from mesh_coordinator.domain.ledger import CHAIN, HELD, PAYER, TRANSIT, Transfer
from mesh_coordinator.repository.ledger import Ledger
from mesh_coordinator.repository.tables import PayoutRow
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

if TYPE_CHECKING:
    from mesh_shared.database.engine import Database

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ANNA, BERT = "0x" + "aA" * 20, "0x" + "bb" * 20
MANY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
serial = count()


async def post(database: Database, transfer: Transfer) -> bool:
    """False when the database refuses it."""
    try:
        async with database.write() as session:
            await Ledger(session).post(transfer, NOW)
    except IntegrityError:
        return False
    return True


async def balances(database: Database) -> Counter[str]:
    async with database.read() as session:
        return Counter({row.name: row.balance_units for row in await Ledger(session).accounts(1000)})


async def recomputed(database: Database) -> Counter[str]:
    """What the balances have to be by the transfers on record."""
    found: Counter[str] = Counter()
    async with database.read() as session:
        for row in await Ledger(session).transfers(100_000):
            found[row.debit] -= row.units
            found[row.credit] += row.units
    return found


async def execute(database: Database, statement: str) -> None:
    async with database.write() as session:
        await session.execute(text(statement))


accounts = st.sampled_from([PAYER, HELD, TRANSIT, CHAIN, ledger.owed(ANNA), ledger.owed(BERT)])
wishes = st.lists(st.tuples(accounts, accounts, st.integers(-5, 50)), max_size=12)


@MANY
@given(wishes)
async def test_whatever_is_tried_the_sum_is_nothing_and_nobody_but_the_payer_is_below(
    database: Database, wished: list[tuple[str, str, int]]
):
    expected = await balances(database)
    for debit, credit, units in wished:
        fits = units > 0 and debit != credit and (debit == PAYER or expected[debit] >= units)
        transfer = Transfer(key=f"x:{next(serial)}", debit=debit, credit=credit, units=units)
        assert await post(database, transfer) == fits
        if fits:
            expected[debit] -= units
            expected[credit] += units

    found = await balances(database)
    assert {name: found[name] for name in expected} == dict(expected)
    assert sum(found.values()) == 0
    assert {name: units for name, units in found.items() if units} == {
        name: units for name, units in (await recomputed(database)).items() if units
    }


async def test_a_hold_ends_once_whichever_way(database: Database):
    attempt = uuid4()
    assert await post(database, ledger.hold(attempt, 10))
    assert await post(database, ledger.hold(uuid4(), 10))

    first = await post(database, ledger.release(attempt, ANNA, 10))
    again = [
        await post(database, ledger.release(attempt, ANNA, 10)),
        await post(database, ledger.refund(attempt, 10)),
        await post(database, ledger.hold(attempt, 10)),
    ]

    assert (first, again) == (True, [False, False, False])
    assert (await balances(database))[HELD] == 10


async def test_what_is_refused_leaves_no_trace(database: Database):
    assert not await post(database, ledger.release(uuid4(), ANNA, 10))

    assert await recomputed(database) == {}
    assert not any((await balances(database)).values())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_transfers SET units = 99",
        "DELETE FROM ledger_transfers",
        "UPDATE ledger_accounts SET balance_units = -1 WHERE name = 'held'",
        "DELETE FROM ledger_accounts WHERE name = 'held'",
    ],
)
async def test_not_even_by_hand_is_what_is_on_record_changed(database: Database, statement: str):
    assert await post(database, ledger.hold(uuid4(), 10))

    with pytest.raises(DBAPIError):
        await execute(database, statement)

    assert await balances(database) == {PAYER: -10, HELD: 10}


async def test_those_who_are_owed_something_are_paid_out_one_payout_at_a_time(database: Database):
    for to, units in ((ANNA, 10), (BERT, 30)):
        attempt = uuid4()
        assert await post(database, ledger.hold(attempt, units))
        assert await post(database, ledger.release(attempt, to, units))

    before = await owed(database)
    first = await begin(database, BERT, 30)
    assert await post(database, ledger.release(await held(database, 7), BERT, 7))
    meanwhile = await owed(database)
    async with database.write() as session:
        Ledger(session).close(await Ledger(session).payout(first), NOW)
    after = await owed(database)

    assert before == [(ledger.owed(BERT), 30), (ledger.owed(ANNA), 10)]
    assert meanwhile == [(ledger.owed(ANNA), 10)]
    assert after == [(ledger.owed(ANNA), 10), (ledger.owed(BERT), 7)]


async def test_nobody_has_two_open_payouts(database: Database):
    assert await post(database, ledger.release(await held(database, 9), ANNA, 9))
    await begin(database, ANNA, 4)

    with pytest.raises(IntegrityError):
        await begin(database, ANNA, 5)

    assert (await balances(database))[TRANSIT] == 4


async def held(database: Database, units: int) -> UUID:
    attempt = uuid4()
    assert await post(database, ledger.hold(attempt, units))
    return attempt


async def owed(database: Database) -> list[tuple[str, int]]:
    async with database.read() as session:
        return [(row.name, row.balance_units) for row in await Ledger(session).owed(10)]


async def begin(database: Database, payee: str, units: int) -> UUID:
    id = uuid4()
    async with database.write() as session:
        await Ledger(session).post(ledger.out(id, payee, units), NOW)
        row = PayoutRow(
            id=id, payee=payee.lower(), units=units, transaction_id=uuid4(), sends=0, created_at=NOW
        )
        Ledger(session).begin(row)
    return id


@given(st.integers(1), st.uuids(), st.uuids())
def test_a_hold_is_taken_back_or_paid_by_what_cancels_it(units: int, attempt: UUID, payout: UUID):
    moved: Counter[str] = Counter()
    for transfer in (
        ledger.hold(attempt, units),
        ledger.release(attempt, ANNA, units),
        ledger.out(payout, ANNA.lower(), units),
        ledger.paid(payout, units),
    ):
        moved[transfer.debit] -= transfer.units
        moved[transfer.credit] += transfer.units

    assert {name: units for name, units in moved.items() if units} == {PAYER: -units, CHAIN: units}


def test_an_account_knows_whose_it_is():
    assert ledger.payee(ledger.owed(ANNA)) == ANNA.lower()
    assert ledger.payee(HELD) is None
