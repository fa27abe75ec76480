"""Whatever call to a market a deployer dies at: one lease, and every unit of the deposit accounted for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from mesh_deployer.domain.deployment import State
from mesh_deployer.repository.tables import SimulatedOrderRow
from sqlalchemy import select

if TYPE_CHECKING:
    from conftest import Stage

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

WAY = ["create", "bids", "accept", "send_manifest", "status", "close"]
DEATHS = [(call, moment) for call in range(1, len(WAY) + 1) for moment in ("before", "after")]


@pytest.mark.parametrize(("call", "moment"), DEATHS, ids=[f"{m}-{WAY[c - 1]}-{c}" for c, m in DEATHS])
async def test_a_death_costs_nothing(stage: Stage, call: int, moment: str):
    stage.market.deadly = (call, moment)
    id = await stage.accept()

    async with stage.replica().working():
        if WAY[call - 1] == "close":
            await stage.until(id, State.ACTIVE)
            await stage.change(id, lambda d: d.closing(datetime.now(UTC)))
        async with asyncio.timeout(15):
            await stage.market.died.wait()
    stage.market.deadly = None
    async with stage.replica().working():
        if WAY[call - 1] != "close":
            await stage.until(id, State.ACTIVE)
            await stage.change(id, lambda d: d.closing(datetime.now(UTC)))
        closed = await stage.until(id, State.CLOSED)

    async with stage.database.read() as session:
        (order,) = await session.scalars(select(SimulatedOrderRow))
    assert (order.order_id, order.state) == (id, "closed")
    assert (closed.refunded_uact or 0) + (order.earned_uact or 0) == closed.deposit_uact
    assert (await stage.facts()).count("deployer.lease-created.v1") == 1
    assert (await stage.facts()).count("deployer.deployment-closed.v1") == 1
    assert list(await stage.market.held()) == []


async def test_the_way_that_is_rehearsed_is_the_way_that_is_taken(stage: Stage):
    id = await stage.accept()

    async with stage.replica().working():
        await stage.until(id, State.ACTIVE)
        await stage.change(id, lambda d: d.closing(datetime.now(UTC)))
        await stage.until(id, State.CLOSED)

    assert stage.market.asked == WAY


async def test_dying_again_and_again_only_takes_longer(stage: Stage):
    id = await stage.accept()
    for call, moment in ((1, "after"), (3, "after"), (5, "before"), (7, "after"), (9, "after")):
        stage.market.deadly, stage.market.died = (call, moment), asyncio.Event()
        async with stage.replica().working(), asyncio.timeout(15):
            await stage.market.died.wait()
    stage.market.deadly = None

    async with stage.replica().working():
        active = await stage.until(id, State.ACTIVE)

    assert [step.state for step in active.history] == ["open", "chosen", "leased", "active"]
    assert stage.market.asked.count("accept") == 2
