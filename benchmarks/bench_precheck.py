"""How long a precheck over a whole market takes: who would bid, who would not and why, and who is chosen.

    python benchmarks/bench_precheck.py [PROVIDERS]

Milliseconds of CPU time for one precheck (least and median of the rounds), for both strategies, against the
limit for 2,000 providers. Each round is another order, so that nothing is remembered from the one before.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from decimal import Decimal
from uuid import uuid4

from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.choice import choose_bids, placements
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.market import Strategy, Terms
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.domain.workload import Workload
from mesh_deployer.ports import Order
from mesh_deployer.schemas.sdl import HELLO
from mesh_shared.database.engine import connect

ROUNDS, PROVIDERS, LIMIT_MS = 30, 2_000, 50
INPUTS = Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))


async def milliseconds(market: SimulatedMarketplace, strategy: Strategy) -> float:
    began = time.process_time()
    workload = Workload(compile_sdl(HELLO).groups)
    book = await market.quote(Order(id=uuid4(), workload=workload, requirements={}, deposit_uact=500_000))
    terms = Terms(reputation_floor=Decimal("0.7"), placements=placements(workload), strategy=strategy)
    choose_bids(book.bids, terms)
    return (time.process_time() - began) * 1000


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = connect(f"sqlite+aiosqlite:///{folder}/bench.db")
        market = SimulatedMarketplace(database, 379, INPUTS, size=count)
        for strategy in Strategy:
            await milliseconds(market, strategy)
            taken = [await milliseconds(market, strategy) for _ in range(ROUNDS)]
            least, median = min(taken), statistics.median(taken)
            limit = LIMIT_MS * count / PROVIDERS
            print(f"{strategy:10} {count} providers: least {least:5.1f} ms, median {median:5.1f} ms, "
                  f"{median / limit:4.2f} of the limit")  # fmt: skip
        await database.engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else PROVIDERS))
