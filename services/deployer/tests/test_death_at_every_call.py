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
    from stage import Stage

WAY = ["create", "bids", "accept", "send_manifest", "status", "close"]
DEATHS = [(call, moment) for call in range(1, len(WAY) + 1) for moment in ("before", "after")]


@pytest.mark.parametrize(("call", "moment"), DEATHS, ids=[f"{m}-{WAY[c - 1]}-{c}" for c, m in DEATHS])
async def test_a_death_costs_nothing(sqlite_stage: Stage, call: int, moment: str):
    sqlite_stage.market.deadly = (call, moment)
    id = await sqlite_stage.accept()

    async with sqlite_stage.replica().working():
        if WAY[call - 1] == "close":
            await sqlite_stage.until(id, State.ACTIVE)
            await sqlite_stage.change(id, lambda d: d.closing(datetime.now(UTC)))
        async with asyncio.timeout(60):
            await sqlite_stage.market.died.wait()
    sqlite_stage.market.deadly = None
    async with sqlite_stage.replica().working():
        if WAY[call - 1] != "close":
            await sqlite_stage.until(id, State.ACTIVE)
            await sqlite_stage.change(id, lambda d: d.closing(datetime.now(UTC)))
        closed = await sqlite_stage.until(id, State.CLOSED)

    async with sqlite_stage.database.read() as session:
        (order,) = await session.scalars(select(SimulatedOrderRow))
    assert (order.order_id, order.state) == (id, "closed")
    assert (closed.refunded_uact or 0) + (order.spent_uact or 0) == closed.deposit_uact
    assert (await sqlite_stage.facts()).count("deployer.lease-created.v1") == 1
    assert (await sqlite_stage.facts()).count("deployer.deployment-closed.v1") == 1
    assert list(await sqlite_stage.market.held()) == []


async def test_the_way_that_is_rehearsed_is_the_way_that_is_taken(sqlite_stage: Stage):
    id = await sqlite_stage.accept()

    async with sqlite_stage.replica().working():
        await sqlite_stage.until(id, State.ACTIVE)
        await sqlite_stage.change(id, lambda d: d.closing(datetime.now(UTC)))
        await sqlite_stage.until(id, State.CLOSED)

    assert sqlite_stage.market.asked == WAY


async def test_dying_again_and_again_only_takes_longer(sqlite_stage: Stage):
    id = await sqlite_stage.accept()
    for call, moment in ((1, "after"), (3, "after"), (5, "before"), (7, "after"), (9, "after")):
        sqlite_stage.market.deadly, sqlite_stage.market.died = (call, moment), asyncio.Event()
        async with sqlite_stage.replica().working(), asyncio.timeout(60):
            await sqlite_stage.market.died.wait()
    sqlite_stage.market.deadly = None

    async with sqlite_stage.replica().working():
        active = await sqlite_stage.until(id, State.ACTIVE)

    assert [step.state for step in active.history] == ["open", "chosen", "leased", "active"]
    assert sqlite_stage.market.asked.count("accept") == 2
