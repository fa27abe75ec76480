"""What the conformance tests do with a market again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import ROUND_CEILING
from uuid import UUID

from arenas import DEPOSIT, WORKLOAD, Arena
from mesh_deployer.domain.deployment import Lease
from mesh_deployer.domain.market import Bid
from mesh_deployer.domain.workload import Workload
from mesh_deployer.ports import Condition, LogLine, Marketplace, Order
from mesh_shared.errors import Conflict, Unavailable


async def leased(arena: Arena, wanted: Order) -> tuple[Bid, Lease]:
    await arena.market.create(wanted)
    bid = (await arena.all_bids(wanted.id)).bids[0]
    (lease,) = await arena.market.accept(wanted.id, [bid])
    return bid, lease


async def running(market: Marketplace, order_id: UUID, workload: Workload = WORKLOAD) -> Condition:
    """How the workload is once it has started, sent as often as a deployer would."""
    await heard(lambda: market.send_manifest(order_id, workload))
    async with asyncio.timeout(60):
        while (condition := await market.status(order_id)).phase == "starting":
            await asyncio.sleep(0.05)
    return condition


async def until_it_ends(look: Callable[[], Awaitable[object]]) -> Conflict:
    """What a look at an order raises at last."""
    async with asyncio.timeout(60):
        while True:
            try:
                await look()
            except Conflict as ending:
                return ending
            await asyncio.sleep(0.01)


async def written(market: Marketplace, order_id: UUID, tail: int = 10) -> list[LogLine]:
    return [line async for line in market.logs(order_id, tail=tail, follow=False)]


def cost(bid: Bid, blocks: int, deposit: int = DEPOSIT) -> int:
    """What so many blocks take from a deposit: whole uact are paid out, so a begun one is gone."""
    return min(deposit, int((bid.uact_per_block * blocks).to_integral_value(ROUND_CEILING)))


async def heard(step: Callable[[], Awaitable[object]]) -> None:
    """Takes a step once it can be taken: a market may not know yet what has become of the last one."""
    async with asyncio.timeout(60):
        while True:
            try:
                await step()
            except Unavailable:
                await asyncio.sleep(0.02)
            else:
                return


async def cancelled_after(turns: int, step: Awaitable[object]) -> None:
    """Takes a step and gives it up after so many turns of the loop; below zero they are milliseconds."""
    task = asyncio.ensure_future(step)
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.sleep(max(0, -turns) / 1000)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
