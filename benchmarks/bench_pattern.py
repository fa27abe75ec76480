"""Finding the best of 1,000 agents: the registry against the pattern's own way, on one chain and one Kubo.

python benchmarks/bench_pattern.py [agents]

The pattern asks the contract who has a capability, then about each of them, and Kubo for what each says of
itself. It gets what helps it: AsyncWeb3, fifty questions at once, kept connections, no reputation to look up.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import aiohttp
import httpx
from eth_utils.crypto import keccak
from mesh_cli import parts, processes
from mesh_cli.embedded import inherited
from mesh_registry.adapters.contracts import REGISTER_AGENT
from mesh_registry.domain.metadata import AgentMetadata, document
from mesh_shared.chain import deployment
from mesh_shared.chain.rpc import Rpc
from web3 import AsyncHTTPProvider, AsyncWeb3

LEAST_TIMES = 100
AT_ONCE = 50
PAGE = 100
ROUNDS = 300
CAPABILITY = "text.summarize"
ABI = parts.ROOT / "contracts" / "artifacts" / "AgentRegistry.json"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """Where everything is."""

    chain: str
    kubo: str
    registry: str
    contract: str


@contextmanager
def running(folder: Path) -> Generator[Parts]:
    """A chain with the contracts, Kubo, Redis, and the registry on all three."""
    with ExitStack() as stack:

        def started(process: processes.Process) -> processes.Process:
            stack.callback(process.stop)
            return process

        anvil, redis, own = parts.free_port(), parts.free_port(), parts.free_port()
        started(parts.anvil(anvil, folder))
        started(parts.redis(redis, folder))
        binary = parts.kubo_binary()
        if binary is None:
            raise SystemExit("Kubo is not there: `make kubo` builds it.")
        node, kubo = parts.kubo(binary, folder)
        started(node)
        chain, contracts = f"http://127.0.0.1:{anvil}", folder / "contracts.json"
        script = parts.ROOT / "contracts" / "script" / "deploy.py"
        subprocess.run([sys.executable, script, "--rpc-url", chain, "--out", contracts], check=True)  # noqa: S603
        settings = {
            "MESH_STATE_DIR": str(folder / "registry"),
            "MESH_CONTRACTS_FILE": str(contracts),
            "MESH_CHAIN_RPC_URL": chain,
            "MESH_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            "MESH_KUBO_URL": f"http://127.0.0.1:{kubo}",
            "MESH_PORT": str(own),
        }
        argv, log = [sys.executable, "-m", "mesh_registry"], folder / "logs" / "registry.log"
        process = started(processes.start("registry", argv, log, inherited() | settings))
        url = f"http://127.0.0.1:{own}"
        process.wait_until(lambda: processes.status_of(f"{url}/livez") == HTTPStatus.OK, 60)
        yield Parts(
            chain, settings["MESH_KUBO_URL"], url, deployment.read(contracts).address("AgentRegistry")
        )


async def at_once(asks: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """All answers, `AT_ONCE` questions on their way."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(one: Callable[[], Awaitable[T]]) -> T:
        async with turn:
            return await one()

    return await asyncio.gather(*(ask(one) for one in asks))


def metadata(number: int) -> AgentMetadata:
    return AgentMetadata(
        name=f"Agent {number}",
        description=f"Summarizes, and is number {number}.",
        endpoint="https://agent.example",
        capabilities=[CAPABILITY],
        toolDefinitions=[],
        reputationHistory=[],
    )


async def publish(where: Parts, agents: int) -> None:
    """Puts documents into Kubo and their agents on the chain, without the registry."""
    rpc = Rpc(where.chain, parts.CHAIN_ID)
    account = (await rpc.request("eth_accounts"))[0]
    async with aiohttp.ClientSession() as http:

        async def add(number: int) -> str:
            form = aiohttp.FormData({"file": document(metadata(number))})
            async with http.post(f"{where.kubo}/api/v0/add?cid-version=1&pin=false", data=form) as answer:
                return json.loads(await answer.text())["Hash"]

        cids = await at_once([lambda number=number: add(number) for number in range(agents)])
    for number, cid in enumerate(cids):
        key = keccak(text=f"agent/{number}")
        data = REGISTER_AGENT.encode(key, "did:x:y", cid, 0, [keccak(text=CAPABILITY)])
        call = {"from": account, "to": where.contract, "data": "0x" + data.hex(), "gas": hex(1_000_000)}
        await rpc.request("eth_sendTransaction", call)
    await rpc.close()


async def by_pattern(where: Parts) -> float:
    """Seconds that the pattern takes to have all who offer the capability in front of it."""
    web3 = AsyncWeb3(AsyncHTTPProvider(where.chain))
    contract = web3.eth.contract(
        address=web3.to_checksum_address(where.contract), abi=json.loads(ABI.read_text())["abi"]
    )
    started = time.perf_counter()
    keys: list[bytes] = []
    cursor, is_over = 0, False
    while not is_over:
        page: Any = contract.functions.getAgentsByCapability(keccak(text=CAPABILITY), cursor, PAGE)
        some, cursor = await page.call()
        keys, is_over = [*keys, *some], cursor == 0
    agents = await at_once([lambda key=key: contract.functions.getAgent(key).call() for key in keys])
    async with aiohttp.ClientSession() as http:

        async def cat(cid: str) -> Any:
            async with http.post(f"{where.kubo}/api/v0/cat?arg={cid}") as answer:
                return json.loads(await answer.read())

        said = await at_once([lambda one=one: cat(one[4].removeprefix("ipfs://")) for one in agents])
    best = sorted(zip(agents, said, strict=True), key=lambda one: -one[0][5])[:20]
    took = time.perf_counter() - started
    await web3.provider.disconnect()
    if len(said) != len(keys) or len(best) != min(20, len(keys)):
        raise SystemExit("The pattern has not found all.")
    return took


async def by_registry(where: Parts) -> float:
    """Seconds at the median, for the best twenty with what they say of themselves."""
    async with httpx.AsyncClient(base_url=where.registry) as http:
        took: list[float] = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            answer = await http.get("/v1/agents", params={"capability": CAPABILITY})
            took.append(time.perf_counter() - started)
            if len(answer.json()["items"]) != PAGE // 5:
                raise SystemExit("The registry has not found twenty.")
    return median(took)


async def indexed(where: Parts, agents: int) -> None:
    """Waits until the registry has them all, documents too."""
    async with httpx.AsyncClient(base_url=where.registry) as http, asyncio.timeout(300):
        while await found(http) < agents:  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.5)


async def found(http: httpx.AsyncClient) -> int:
    """How many can be found by the capability."""
    count, cursor = 0, {}
    while True:
        asked: dict[str, str] = {"capability": CAPABILITY, "limit": str(PAGE)}
        page = (await http.get("/v1/agents", params=asked | cursor)).raise_for_status().json()
        count += len(page["items"])
        if page["next_cursor"] is None:
            return count
        cursor = {"cursor": page["next_cursor"]}


async def measure(where: Parts, agents: int) -> None:
    await publish(where, agents)
    await indexed(where, agents)
    theirs, ours = await by_pattern(where), await by_registry(where)
    print(f"the pattern: {agents} agents read in {theirs * 1000:7.0f} ms, {AT_ONCE} at once")
    print(f"the registry: best 20 of them in {ours * 1000:7.2f} ms p50 over HTTP")
    times = theirs / ours
    print(f"{times:6.0f} times faster, {times / LEAST_TIMES:4.1f} times the least of {LEAST_TIMES}")


def main() -> None:
    agents = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as where:
        asyncio.run(measure(where, agents))


if __name__ == "__main__":
    main()
