"""How fast one key registers agents: through the service, against raw transactions on the same Anvil.

python benchmarks/bench_registration.py [agents]

Raw is the least that a registration takes: signed before the clock starts, sent in order over a kept
connection, until the last is mined. The service checks, stores the document, commits, estimates, signs, sends
and sees it mined. Each round has a mesh of its own; the median counts.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from mesh_cli import parts
from mesh_cli.embedded import EmbeddedMesh, Ports, embedded
from mesh_registry.adapters.contracts import REGISTER_AGENT
from mesh_shared.canonical import canonical_json
from mesh_shared.chain import deployment
from mesh_shared.chain.rpc import Rpc
from mesh_shared.content import cid

MOST_TIMES = 2.0
ROUNDS = 3
BATCH = 50
AT_ONCE = 4
CAPABILITIES = ["text.summarize", "text.translate"]
HASHES = sorted(keccak(text=name) for name in CAPABILITIES)
PAUSE_S = 0.02


def metadata(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": "One paragraph that says it all.",
        "endpoint": "https://agent.example",
        "capabilities": CAPABILITIES,
        "toolDefinitions": [],
        "reputationHistory": [],
    }


def signed(account: LocalAccount, contract: str, names: Sequence[str]) -> list[str]:
    """Registrations of agents with these names, from the account's first transaction on."""

    def one(nonce: int, name: str) -> str:
        where = f"ipfs://{cid.of(canonical_json(metadata(name)))}"
        data = REGISTER_AGENT.encode(keccak(text=name), f"did:x:{name}", where, 0, HASHES)
        transaction: dict[str, Any] = {
            "type": 2,
            "chainId": parts.CHAIN_ID,
            "nonce": nonce,
            "to": contract,
            "data": data,
            "value": 0,
            "gas": 1_000_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 1,
        }
        return account.sign_transaction(transaction).raw_transaction.to_0x_hex()

    return [one(nonce, name) for nonce, name in enumerate(names)]


async def mined(rpc: Rpc, address: str, nonce: int) -> None:
    """Waits until all of the account's transactions below `nonce` are mined."""
    async with asyncio.timeout(120):
        while int(await rpc.request("eth_getTransactionCount", address, "latest"), 16) < nonce:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_S)


async def raw(rpc: Rpc, contract: str, agents: int) -> float:
    """Registrations a second, by a key of its own."""
    account: LocalAccount = Account.create()
    await rpc.request("anvil_setBalance", account.address, hex(10**20))
    transactions = signed(account, contract, [f"raw/{n}" for n in range(agents)])
    started = time.perf_counter()
    for transaction in transactions:
        await rpc.request("eth_sendRawTransaction", transaction)
    await mined(rpc, account.address, agents)
    return agents / (time.perf_counter() - started)


async def through_the_service(rpc: Rpc, registry: httpx.AsyncClient, operator: str, agents: int) -> float:
    """Registrations a second, in batches of which several are on their way."""
    nonce = int(await rpc.request("eth_getTransactionCount", operator, "latest"), 16)
    turn = asyncio.Semaphore(AT_ONCE)

    async def register(first: int) -> None:
        names = [f"bench/{n}" for n in range(first, min(first + BATCH, agents))]
        wanted = [{"id": name, "metadata": metadata(name), "stake": "0"} for name in names]
        async with turn:
            key = {"Idempotency-Key": f"bench-{first}"}
            answer = await registry.post("/v1/agents/batch", json={"agents": wanted}, headers=key)
        if any("problem" in item and item["problem"] for item in answer.raise_for_status().json()["items"]):
            raise SystemExit(answer.text)

    started = time.perf_counter()
    await asyncio.gather(*(register(first) for first in range(0, agents, BATCH)))
    await mined(rpc, operator, nonce + agents)
    return agents / (time.perf_counter() - started)


@asynccontextmanager
async def writer(mesh: EmbeddedMesh) -> AsyncGenerator[httpx.AsyncClient]:
    """The registry, to one who may write."""
    key = {"X-API-Key": mesh.admin_key_file.read_text().strip()}
    async with httpx.AsyncClient() as http:
        session = await http.post(f"{mesh.url('security-gateway')}/v1/sessions", headers=key)
    caller = {"Authorization": f"Bearer {session.raise_for_status().json()['token']}"}
    async with httpx.AsyncClient(base_url=mesh.url("registry"), headers=caller, timeout=60) as http:
        yield http


async def measure(mesh: EmbeddedMesh, agents: int) -> float:
    """How many times as long the service takes."""
    rpc = Rpc(mesh.rpc_url, parts.CHAIN_ID)
    contract = deployment.read(mesh.contracts_file).address("AgentRegistry")
    operator = Account.from_key((mesh.home("registry") / "chain.key").read_text().strip()).address
    bare = await raw(rpc, contract, agents)
    async with writer(mesh) as registry:
        ours = await through_the_service(rpc, registry, operator, agents)
    await rpc.close()
    print(f"raw eth_sendRawTransaction {bare:4.0f} registrations/s, through the service {ours:4.0f}")
    return bare / ours


def fresh(agents: int) -> float:
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded(Path(folder), Ports(parts.free_port())) as mesh,
    ):
        return asyncio.run(measure(mesh, agents))


def main() -> None:
    agents = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    times = median(fresh(agents) for _ in range(ROUNDS))
    print(f"{times:4.2f} times as long, {times / MOST_TIMES:4.2f} of the most, {MOST_TIMES}")


if __name__ == "__main__":
    main()
