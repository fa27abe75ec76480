"""How long a deployment takes from the request to its lease on the simulated market.

    python benchmarks/bench_deployment.py [DEPLOYMENTS]

Own time is the CPU time of the whole process, the market and the database included; wall time has the looks
at a market whose providers think for up to three blocks, and the disk. One after the other, on SQLite.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from mesh_deployer.adapters import prices
from mesh_deployer.adapters.simulated import SimulatedMarketplace
from mesh_deployer.domain.cost import Inputs
from mesh_deployer.domain.deployment import Deadlines, State
from mesh_deployer.ports import SecurityProfiles
from mesh_deployer.schemas.sdl import HELLO
from mesh_deployer.service.deployer import Deployer, Policy, Wish
from mesh_deployer.service.driver import Driver
from mesh_deployer.service.news import News
from mesh_deployer.service.steps import Steps
from mesh_deployer.settings import Settings
from mesh_shared.database import migrate
from mesh_shared.database.engine import connect

DEPLOYMENTS, LIMIT_MS = 40, 50
INPUTS = Inputs(block_time_s=Decimal("6.098"), usd_per_uact=Decimal("0.000001"))


async def milliseconds(deployer: Deployer, number: int) -> tuple[float, float]:
    """Own time and wall time until it is leased and runs."""
    own, wall = time.process_time(), time.perf_counter()
    wish = Wish(owner="bench", operation="deployments", key=str(number), sdl=HELLO, provider="simulated")
    made = await deployer.wait(await deployer.submit(wish), 30)
    if made.state is not State.ACTIVE:
        raise RuntimeError(f"{made.state}: {made.explanation}")
    return (time.process_time() - own) * 1000, (time.perf_counter() - wall) * 1000


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = connect(f"sqlite+aiosqlite:///{Path(folder) / 'bench.db'}")
        await migrate.upgrade(database, [Settings.model_fields["migrations_dir"].default])
        market, news = SimulatedMarketplace(database, 379, INPUTS), News()
        policy = Policy(
            reputation_floor=Decimal("0.7"),
            deadlines=Deadlines(bid_window_s=0, bid_s=30, start_s=30),
            deposit_uact=500_000,
        )
        deployer = Deployer(
            database=database,
            markets={"simulated": market},
            profiles=cast("SecurityProfiles", cast("Any", None)),  # nothing here is deployed with security
            policy=policy,
            news=news,
            snapshot=prices.newest(),
            inputs=INPUTS,
        )
        driver = Driver(
            database=database,
            steps=Steps({"simulated": market}),
            news=news,
            instance="bench",
            parallel=8,
            step_timeout_s=30,
            watch_s=60,
        )
        async with driver.working():
            await milliseconds(deployer, -1)
            taken = [await milliseconds(deployer, number) for number in range(count)]
        await database.engine.dispose()
    own, wall = (statistics.median(column) for column in zip(*taken, strict=True))
    least = min(own_ms for own_ms, _ in taken)
    print(f"create to lease: own time least {least:4.1f} ms, median {own:4.1f} ms, "
          f"{own / LIMIT_MS:4.2f} of the limit; wall {wall:4.1f} ms")  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else DEPLOYMENTS))
