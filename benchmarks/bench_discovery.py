"""The top twenty of 100,000 agents: at the repository and over HTTP, against what each may take.

python benchmarks/bench_discovery.py [agents]

The index is on SQLite and written in bulk by the repository's own write path. 64 searches take turns: rows
are read for each; what agents say of themselves is parsed once.
"""

import asyncio
import multiprocessing
import random
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import cycle, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import uvicorn
from aiohttp import ClientSession
from fastapi import FastAPI
from mesh_registry.api import search
from mesh_registry.domain import naming
from mesh_registry.domain.agents import Agent, Document, DocumentState, findable
from mesh_registry.domain.chain import Depths
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.reputation import Standing, reputation_ppm
from mesh_registry.domain.search import Criteria, weights
from mesh_registry.repository.agents import Agents, Narrowing
from mesh_registry.repository.tables import Base, BlockRow, DocumentRow
from mesh_registry.repository.texts import Texts
from mesh_registry.service.discovery import Discovery
from mesh_shared.content import cid
from mesh_shared.database import engine
from mesh_shared.database.engine import Database
from sqlalchemy import insert

ROUNDS = 300
DEPTHS = Depths(1, 12)
TEXTS = 10_000
"""So many documents can be found by a text: its words are most of what there is to write."""
AT_ONCE = 1_000
REPOSITORY_MS, HTTP_MS = 1.0, 5.0
WORK = ["summarize", "translate", "extract", "classify", "review", "draw", "transcribe", "forecast"]
FIELDS = ["text", "image", "audio", "code", "finance", "legal", "medical", "weather"]
NAMES = [f"{field}.{work}" for field in FIELDS for work in WORK]
SEARCHES: dict[str, list[Criteria]] = {
    "one capability": [Criteria(capabilities=[name]) for name in NAMES],
    "a prefix": [Criteria(prefix=f"{field}.") for field in FIELDS],
    "two capabilities": [Criteria(capabilities=[*pair]) for pair in pairwise(NAMES)],
    "all": [Criteria()],
}
"""Asked for in turn."""
TEXT = "condense contracts of agent 4711"


def agent(token: int, dice: random.Random) -> tuple[Agent, Document]:
    """An agent with four capabilities and some history."""
    names = [f"{dice.choice(FIELDS)}.{dice.choice(WORK)}" for _ in range(4)]
    said = AgentMetadata(
        name=f"Agent {token}",
        description=f"Does {names[0]} and {names[1]} for {dice.choice(FIELDS)} teams.",
        endpoint="https://agent.example",
        capabilities=names,
        toolDefinitions=[],
        reputationHistory=[],
    )
    count = dice.randrange(20)
    made = Agent(
        token_id=token,
        agent_id=naming.agent_id_of(f"agent/{token}"),
        transaction_hash=f"0x{token:064x}",
        registered_in=token,
        changed_in=token,
        stated_in=token,
        uri=f"ipfs://{cid.of(str(token).encode())}",
        owner="0x" + "11" * 20,
        stake_units=dice.randrange(10**9),
        capability_hashes=naming.capability_hashes(names),
        standing=Standing(reputation_ppm(dice.randrange(count * 10**6 + 1), count), count, 0, count, token),
    )
    return made, Document(DocumentState.FETCHED, said)


async def fill(database: Database, agents: int) -> None:
    async with database.write() as session:
        session.add(BlockRow(number=agents, hash=f"0x{agents:064x}"))
    dice = random.Random(371)  # noqa: S311 - the same agents every time
    for first in range(1, agents + 1, AT_ONCE):
        made = [agent(token, dice) for token in range(first, min(first + AT_ONCE, agents + 1))]
        async with database.write() as session:
            await session.execute(insert(DocumentRow), [found_document(*one) for one in made])
            await Agents(session).save([(one, findable(one, document)) for one, document in made])
            if first <= TEXTS:
                await Texts(session).add({one.cid or "": weights(said_in(said)) for one, said in made})


def said_in(document: Document) -> AgentMetadata:
    if document.metadata is None:
        raise ValueError("all of ours have metadata")
    return document.metadata


def found_document(one: Agent, document: Document) -> dict[str, Any]:
    """The row of a document that a fetcher found."""
    said = said_in(document).model_dump_json()
    return {"cid": one.cid, "state": document.state, "metadata_": said, "due_at": datetime.now(UTC)}


async def best(database: Database, narrowing: Narrowing) -> None:
    """The top twenty at the repository."""
    async with database.glance() as connection:
        found, _ = await Agents(connection).best(narrowing, "", 20)
    if not found:
        raise SystemExit("Nothing was found.")


async def p50_ms(ask: Callable[[], Awaitable[object]], rounds: int) -> float:
    took: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - started)
    return median(took) * 1000


async def asked(http: ClientSession, capability: str) -> bytes:
    """The page as it comes over the network."""
    async with http.get("/v1/agents", params={"capability": capability}) as response:
        return await response.read()


def serve(folder: Path, listener: socket.socket) -> None:
    """The search routes alone, under uvicorn, for good."""
    app = FastAPI()
    app.include_router(search.router)
    discovery = Discovery(engine.connect(address(folder)), DEPTHS)
    app.state.service = type("Service", (), {"discovery": discovery})
    app.state.platform = type("Platform", (), {"secret": "benchmark"})
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


@asynccontextmanager
async def served(folder: Path) -> AsyncGenerator[ClientSession]:
    """They in a process of their own, as where they are used."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, listener))
        server.start()
    async with ClientSession(f"http://127.0.0.1:{port}") as http:
        yield http
    server.kill()
    server.join()


def address(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/index.db"


async def measure(agents: int, folder: Path) -> None:
    database = engine.connect(address(folder))
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    started = time.perf_counter()
    await fill(database, agents)
    print(f"{agents} agents written in {time.perf_counter() - started:.0f} s")
    for name, criteria in SEARCHES.items():
        turns = cycle(Narrowing(one) for one in criteria)
        took = await p50_ms(lambda turns=turns: best(database, next(turns)), ROUNDS)
        print(f"{name:20} p50 {took:7.2f} ms, {took / REPOSITORY_MS:5.2f} of {REPOSITORY_MS} ms")
    discovery, text = Discovery(database, DEPTHS), Criteria(text=TEXT)
    took = await p50_ms(lambda: discovery.search(text, None, 20), 20)
    print(f"{'a text, fused':20} p50 {took:7.2f} ms, among {min(agents, TEXTS)}")
    async with served(folder) as http:
        names = cycle(NAMES)
        took = await p50_ms(lambda: asked(http, next(names)), ROUNDS)
        print(f"{'over HTTP':20} p50 {took:7.2f} ms, {took / HTTP_MS:5.2f} of {HTTP_MS} ms")
    await database.engine.dispose()


def main() -> None:
    agents = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(agents, Path(folder)))


if __name__ == "__main__":
    main()
