"""What 100 paid steps cost, against 100 settlements one after the other on the same chain of 1 s blocks.

python benchmarks/bench_settlement.py [steps]

A paid step is four transactions (open, hand in, settle, rate), each signed, journalled and seen mined by the
coordinator, and a call between. Who does that step by step sends one, waits until it is mined, and sends the
next: four blocks a step. The second ratio is against a single transaction a step, as if nothing but the
verdict were sent.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

from coordinator_stage import PAID, PRICE_UNITS, Stage, run, stage, steps
from mesh_shared.chain.abi import Function

MOST_OF_SEQUENTIAL = 0.1
BLOCK_S = 1
SAMPLE = 10
TRANSACTIONS = 4
PARALLEL = {
    "parallel_steps": "100",
    "parallel_attempts": "200",
    "parallel_per_payer": "200",
    "parallel_per_agent": "200",
}
APPROVE = Function("approve", ["address", "uint256"], ["bool"])


async def cycle_s(on: Stage) -> float:
    """Seconds of one send-and-wait, the mean of a few: a block, and what is lost between two."""
    (sender, *_) = await on.rpc.request("eth_accounts")
    token = on.town.deployed.address("MeshToken")
    call = {"from": sender, "to": token, "data": "0x" + APPROVE.encode(on.town.wallet.address, 1).hex()}
    walls: list[float] = []
    for _ in range(SAMPLE):
        started = time.perf_counter()
        sent = await on.rpc.request("eth_sendTransaction", call)
        while await on.rpc.request("eth_getTransactionReceipt", sent) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        walls.append(time.perf_counter() - started)
    return mean(walls)


async def measure(count: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        async with stage(Path(folder)) as on:
            http = await on.coordinator(**PARALLEL)
            await run(http, {"task": "t", "requirements": steps(1, PAID)}, "warm")
            await on.rpc.request("evm_setAutomine", False)
            await on.rpc.request("evm_setIntervalMining", BLOCK_S)
            one_s = await cycle_s(on)
            started = time.perf_counter()
            told = await run(http, {"task": "t", "requirements": steps(count, PAID)}, "measured")
            wall_s = time.perf_counter() - started
            if told["budget"]["spent"] != str(PRICE_UNITS * count):
                raise RuntimeError(f"not every step was paid: {told['budget']}")
            print(f"one transaction at a time: {one_s:.2f} s each; {count} paid steps: {wall_s:.1f} s")
            ratio = wall_s / (count * one_s * TRANSACTIONS)
            print(f"{ratio:.3f} of the same transactions one after the other (limit {MOST_OF_SEQUENTIAL})")
            print(f"{wall_s / (count * one_s):.3f} of one transaction a step one after the other")
            return ratio <= MOST_OF_SEQUENTIAL


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100)) else 1)
