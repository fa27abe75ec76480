"""How long a deposit lasts, who raises it, and that no raise is lost or made twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.deployment import State
from mesh_deployer.domain.funds import ENOUGH, LOW, Funds
from mesh_deployer.domain.market import Placement
from mesh_deployer.repository.deployments import Deployments
from mesh_deployer.repository.tables import SimulatedOrderRow
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.service.steps import Steps

if TYPE_CHECKING:
    from mesh_deployer.domain.deployment import Deployment
    from stage import Stage

    from conftest import Tenant

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEAR = HELLO.replace("units: 100m", "units: 64").replace("amount: 100", "amount: 9999999")
funds = st.builds(
    Funds,
    deposit_uact=st.integers(0, 10**12),
    uact_per_block=st.decimals("0.000001", 1_000, places=6),
    since=st.just(NOW),
    block_time_s=st.decimals("0.5", 10, places=3),
)
spans = st.timedeltas(timedelta(0), timedelta(days=400))


def lasting(hours: float, *, deposit_uact: int = 1_000_000) -> Funds:
    """Funds that last so long from `NOW` on, at a block of six seconds."""
    return Funds(
        deposit_uact=deposit_uact,
        uact_per_block=Decimal(deposit_uact) / Decimal(hours * 600),
        since=NOW,
        block_time_s=Decimal(6),
    )


def test_a_deposit_lasts_for_as_many_blocks_as_it_pays():
    half_an_act = Funds(
        deposit_uact=500_000, uact_per_block=Decimal("2.5"), since=NOW, block_time_s=Decimal("6.1")
    )

    assert half_an_act.lasts_until == NOW + timedelta(seconds=200_000 * 6.1)
    assert half_an_act.spent_uact(NOW + timedelta(seconds=61)) == 25


@given(funds, spans)
def test_nobody_earns_more_than_there_is_nor_less_as_time_goes_by(given_funds: Funds, span: timedelta):
    spent = [given_funds.spent_uact(NOW + part * span) for part in (-1, 0, 0.5, 1)]

    assert spent == sorted(spent)
    assert spent[1] == 0
    assert spent[-1] <= given_funds.deposit_uact


@given(funds, spans)
def test_what_is_needed_until_then_lasts_until_then_and_one_less_does_not(
    given_funds: Funds, span: timedelta
):
    needed = given_funds.needed_uact(NOW + span)

    enough = replace(given_funds, deposit_uact=needed)
    a_block = timedelta(seconds=float(given_funds.block_time_s))
    assert enough.lasts_until >= NOW + min(span, timedelta(days=36_525)) - a_block
    if needed > 1:
        assert replace(enough, deposit_uact=needed - 1).lasts_until < NOW + span + a_block


@given(funds, spans, st.integers(0, 10**13))
def test_a_deposit_is_raised_only_when_it_is_low_and_never_above_what_is_allowed(
    given_funds: Funds, span: timedelta, most: int
):
    raised = given_funds.raised_uact(NOW + span, most)

    if raised is None:
        is_low = given_funds.lasts_until < NOW + span + LOW
        assert not is_low or given_funds.deposit_uact >= min(
            most, given_funds.needed_uact(NOW + span + ENOUGH)
        )
    else:
        assert given_funds.deposit_uact < raised <= most


@pytest.mark.parametrize(
    ("hours", "most", "raised"),
    [
        (25, 10**9, None),
        (24, 10**9, None),
        (12, 10**9, 4_000_000),
        (12, 1_500_000, 1_500_000),
        (12, 900_000, None),
    ],
)
def test_below_a_day_it_is_raised_to_two(hours: float, most: int, raised: int | None):
    found = lasting(hours).raised_uact(NOW, most)

    assert (found is None) == (raised is None)
    assert abs((found or 0) - (raised or 0)) <= 1


def test_what_lasts_longer_than_a_century_is_said_to_last_a_century():
    endless = Funds(
        deposit_uact=10**15, uact_per_block=Decimal("0.000001"), since=NOW, block_time_s=Decimal(6)
    )

    assert endless.lasts_until == NOW + timedelta(days=36_525)


async def raise_deposit(tenant: Tenant, made: dict[str, Any], **body: Any) -> Any:
    return await tenant.http.post(f"/v1/deployments/{made['deploymentId']}/deposit", json=body)


async def until_locked(tenant: Tenant, made: dict[str, Any], amount: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (found := await tenant.read(made))["deposit_uact"] != amount:
            await asyncio.sleep(0.02)
    return found


async def test_a_raise_is_locked_once_and_lasts_longer(tenant: Tenant):
    made = await tenant.deploy(wait=30)

    answer = await raise_deposit(tenant, made, deposit_uact="900000", top_up_to_uact="5000000")
    await raise_deposit(tenant, made, deposit_uact="900000", top_up_to_uact="5000000")

    assert answer.status_code == 202
    assert (made["funds"]["goal_uact"], answer.json()["funds"]["goal_uact"]) == (None, "900000")
    locked = await until_locked(tenant, made, "900000")
    assert locked["funds"]["top_up_to_uact"] == "5000000"
    assert locked["funds"]["lasts_until"] > made["funds"]["lasts_until"]
    assert [step["note"] for step in locked["history"]].count("The deposit was raised to 900000 uact.") == 1
    closed = await tenant.close(made)
    assert 899_000 < int(closed["refunded_uact"]) <= 900_000
    assert closed["funds"] is None


async def test_a_deposit_is_never_lowered_and_needs_a_lease(tenant: Tenant):
    made = await tenant.deploy(wait=30)

    lower = await raise_deposit(tenant, made, deposit_uact="499999")
    await tenant.close(made)
    ended = await raise_deposit(tenant, made, deposit_uact="900000")
    unknown = await raise_deposit(tenant, {"deploymentId": uuid4()}, deposit_uact="900000")

    assert (lower.status_code, lower.json()["code"]) == (409, "deposit-not-lowered")
    assert (ended.status_code, ended.json()["code"]) == (409, "not-running")
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"deposit_uact": "0"}, {"deposit_uact": 900000}, {"deposit_uact": "9" * 16}, {"deposit_uact": "-1"},
        {"deposit_uact": "900000", "top_up_to_uact": "1e9"}, {},
    ],
)  # fmt: skip
async def test_a_sum_fits_the_schema(tenant: Tenant, body: dict[str, Any]):
    assert (await raise_deposit(tenant, {"deploymentId": uuid4()}, **body)).status_code == 422


async def low(stage: Stage, most: int | None) -> Deployment:
    """Accepts a deployment that runs out in some hours and may be raised to `most`."""
    deployment = stage.deployment(sdl=DEAR, top_up_to_uact=most)
    generous = Placement(name="dcloud", ceiling_uact_per_block=Decimal(9_999_999))
    deployment = replace(deployment, terms=replace(deployment.terms, placements=(generous,)))
    async with stage.database.write() as session:
        Deployments(session).add(deployment)
    return deployment


async def locked(stage: Stage) -> int:
    async with stage.database.read() as session:
        (row,) = (await session.execute(SimulatedOrderRow.__table__.select())).mappings()
    return row["escrow"]["deposited_uact"]


async def test_a_deposit_that_runs_out_is_raised_by_itself_to_last_two_days(sqlite_stage: Stage):
    asked = await low(sqlite_stage, 10**12)

    async with sqlite_stage.replica(watch_s=0.01).working():
        async with asyncio.timeout(60):
            while (found := await sqlite_stage.find(asked.id)).deposit_uact == asked.deposit_uact:
                await asyncio.sleep(0.01)

    funded = found.funds(Steps.__dataclass_fields__["block_time_s"].default)
    assert funded is not None
    assert abs(funded.lasts_until - (datetime.now(UTC) + ENOUGH)) < timedelta(minutes=5)
    assert await locked(sqlite_stage) == found.deposit_uact


@pytest.mark.parametrize("most", [None, 500_000])
async def test_without_leave_nothing_is_raised(sqlite_stage: Stage, most: int | None):
    asked = await low(sqlite_stage, most)

    async with sqlite_stage.replica(watch_s=0.01).working():
        await sqlite_stage.until(asked.id, State.ACTIVE)
        async with asyncio.timeout(60):
            while sqlite_stage.market.asked.count("status") < 4:
                await asyncio.sleep(0.01)

    assert "deposit" not in sqlite_stage.market.asked
    assert await locked(sqlite_stage) == asked.deposit_uact


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_death_in_a_raise_loses_nothing_and_locks_nothing_twice(sqlite_stage: Stage, moment: str):
    id = await sqlite_stage.accept()
    async with sqlite_stage.replica().working():
        await sqlite_stage.until(id, State.ACTIVE)
    await sqlite_stage.change(id, lambda d: d.funded(900_000, None))
    sqlite_stage.market.deadly = (len(sqlite_stage.market.asked) + 1, moment)
    async with sqlite_stage.replica().working(), asyncio.timeout(60):
        await sqlite_stage.market.died.wait()
    assert sqlite_stage.market.asked[-1] == "deposit"
    sqlite_stage.market.deadly = None

    await sqlite_stage.change(id, lambda d: d.closing(datetime.now(UTC)))
    async with sqlite_stage.replica().working():
        closed = await sqlite_stage.until(id, State.CLOSED)

    async with sqlite_stage.database.read() as session:
        order = await session.get_one(SimulatedOrderRow, id)
    assert await locked(sqlite_stage) == closed.deposit_uact == 900_000
    assert (closed.refunded_uact or 0) + (order.spent_uact or 0) == 900_000


async def test_a_raise_that_was_not_heard_of_counts_when_more_was_spent_than_was_known(sqlite_stage: Stage):
    deployment = replace(
        sqlite_stage.deployment(deposit_uact=500_000, deposit_goal_uact=900_000), state=State.CLOSING
    )

    assert deployment.ended(600_000, NOW).refunded_uact == 300_000
    assert deployment.ended(100_000, NOW).refunded_uact == 400_000
