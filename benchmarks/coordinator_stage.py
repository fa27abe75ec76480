"""Coordinators as real processes, with a chain, a registry's answers and an agent, for benchmarks of runs."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from subprocess import Popen
from threading import Event, Thread
from typing import Any

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mesh_cli import parts, processes
from mesh_cli.embedded import inherited
from mesh_shared.auth.tokens import issue, jwks
from mesh_shared.canonical import json_hash
from mesh_shared.chain import deployment
from mesh_shared.chain.abi import Function
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.rpc import Rpc
from mesh_shared.testing import Issuer, served

PRICE_UNITS = 10
PURSE_UNITS = 1_000_000_000
READY_S = 60.0
TURN_S = 0.01
FREE, PAID = "free.work", "paid.work"
ROOT = Path(__file__).parents[1]
SUBMISSION = {
    "Submission": [{"name": "escrowId", "type": "bytes32"}, {"name": "resultHash", "type": "bytes32"}],
}
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
REGISTER_AGENT = Function("registerAgent", ["bytes32", "string", "string", "uint256", "bytes32[]"])
AGENT_ID_OF = Function("agentIdOf", ["bytes32"], ["uint256"])

Body = dict[str, Any]
_LATER = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(slots=True)
class Town:
    """The registry, the gateway's keys and one agent, all on one address; the agent works `work_s` a call."""

    deployed: Deployment
    issuer: Issuer = field(default_factory=Issuer)
    wallet: LocalAccount = field(default_factory=Account.create)
    url: str = ""
    token_id: int = 0
    work_s: float = 0.0
    calls: int = 0

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/registry/livez", self._nothing)
        app.add_api_route("/registry/v1/agents", self._offering)
        app.add_api_route("/registry/v1/agents", self._nothing, methods=["POST"])
        app.add_api_route("/gateway/v1/sessions", self._session, methods=["POST"])
        app.add_api_route("/gateway/.well-known/jwks.json", self._keys)
        app.add_route("/agent/actions/WORK", self._work, methods=["POST"])
        return app

    async def _nothing(self) -> Body:
        return {}

    async def _offering(self, capability: str) -> Body:
        price = str(PRICE_UNITS if capability == PAID else 0)
        agent = {
            "agentId": "0x" + keccak(text="worker").hex(),
            "tokenId": str(self.token_id),
            "name": "worker",
            "owner": self.wallet.address,
            "endpoint": f"{self.url}/agent",
            "reputation": 0.9,
            "active": True,
            "status": "confirmed",
            "toolDefinitions": [{"name": "WORK", "capability": capability, "price": price}],
        }
        return {"items": [agent]}

    async def _session(self, body: Body) -> Body:
        token, expires_at = issue(
            self.issuer.key,
            subject="coordinator",
            scopes=["actions:invoke"],
            audiences=body["audiences"],
            ttl_s=900,
        )
        return {"token": token, "expires_at": expires_at}

    async def _keys(self) -> Body:
        return jwks([self.issuer.key])

    async def _work(self, request: Request) -> Response:
        self.calls += 1
        await asyncio.sleep(self.work_s)
        headers: dict[str, str] = {}
        if (escrow_id := request.headers.get("x-escrow-id")) is not None:
            headers["X-Delivery-Signature"] = self._signed(escrow_id)
        return JSONResponse({"content": {"success": True, "data": "done"}}, headers=headers)

    def _signed(self, escrow_id: str) -> str:
        domain = {
            "name": "MeshEscrow",
            "version": "1",
            "chainId": parts.CHAIN_ID,
            "verifyingContract": self.deployed.address("MeshEscrow"),
        }
        message = {"escrowId": bytes.fromhex(escrow_id[2:]), "resultHash": json_hash("done")}
        return self.wallet.sign_typed_data(domain, SUBMISSION, message).signature.to_0x_hex()


@dataclass(slots=True)
class Stage:
    """Everything but the coordinators, which are started on it."""

    folder: Path
    rpc: Rpc
    rpc_url: str
    redis_url: str
    town: Town
    stack: AsyncExitStack
    coordinators: list[Popen[bytes]] = field(default_factory=list["Popen[bytes]"])

    @property
    def contracts_file(self) -> Path:
        return self.folder / "contracts.json"

    async def coordinator(self, database_url: str | None = None, **settings: str) -> httpx.AsyncClient:
        """Starts one, and is a way to talk to it once it is ready; SQLite unless told otherwise."""
        port = parts.free_port()
        home = self.folder / ("shared" if database_url else f"sqlite-{port}")
        _prepare(home, self.folder / "chain.key")
        env: dict[str, str] = {
            "MESH_PORT": str(port),
            "MESH_STATE_DIR": str(home),
            "MESH_REDIS_URL": self.redis_url,
            "MESH_CHAIN_RPC_URL": self.rpc_url,
            "MESH_CONTRACTS_FILE": str(self.contracts_file),
            "MESH_GATEWAY_URL": f"{self.town.url}/gateway",
            "MESH_REGISTRY_URL": f"{self.town.url}/registry",
            "MESH_ALLOW_PRIVATE_AGENTS": "true",
            "MESH_INSTANCE": str(port),
            "MESH_LOG_LEVEL": "WARNING",
        }
        if database_url is not None:
            env["MESH_DATABASE_URL"] = database_url
        env |= {f"MESH_{name.upper()}": value for name, value in settings.items()}
        argv = [sys.executable, "-m", "mesh_coordinator"]
        process = processes.start("coordinator", argv, home / "log", inherited() | env)
        self.stack.callback(process.stop)
        self.coordinators.append(process.popen)
        url = f"http://127.0.0.1:{port}"
        headers = self.town.issuer.headers("coordinator:run", audience="coordinator", subject="bench")
        http = httpx.AsyncClient(base_url=url, headers=headers, timeout=60)
        await self.stack.enter_async_context(http)
        await asyncio.to_thread(
            process.wait_until, lambda: processes.status_of(f"{url}/readyz") == HTTPStatus.OK, READY_S
        )
        return http


@contextmanager
def a_third_of_a_core(processes: Sequence[Popen[bytes]]) -> Generator[None]:
    """At most three processes run in turn, each for a third of the time: nobody has more of a core alone."""
    over = Event()

    def rotate() -> None:
        for turn in cycle(range(3)):
            for place, process in enumerate(processes):
                process.send_signal(signal.SIGCONT if place == turn else signal.SIGSTOP)
            if over.wait(TURN_S):
                break
        for process in processes:
            process.send_signal(signal.SIGCONT)

    clock = Thread(target=rotate)
    clock.start()
    try:
        yield
    finally:
        over.set()
        clock.join()


def _prepare(home: Path, chain_key: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "service.key").write_text("key")
    (home / "chain.key").write_bytes(chain_key.read_bytes())
    (home / "chain.key").chmod(0o600)


@asynccontextmanager
async def stage(folder: Path) -> AsyncGenerator[Stage, None]:
    """A chain that mines at once, Redis, the contracts, and the town."""
    async with AsyncExitStack() as stack:
        chain_port, redis_port = parts.free_port(), parts.free_port()
        for part in (parts.anvil(chain_port, folder), parts.redis(redis_port, folder)):
            stack.callback(part.stop)
        rpc_url, contracts = f"http://127.0.0.1:{chain_port}", folder / "contracts.json"
        script = ROOT / "contracts" / "script" / "deploy.py"
        argv = [sys.executable, script, "--rpc-url", rpc_url, "--out", contracts]
        argv += ["--fund-key", f"{folder / 'chain.key'}:{PURSE_UNITS}"]
        await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True)
        rpc = Rpc(rpc_url, parts.CHAIN_ID)
        stack.push_async_callback(rpc.close)
        town = Town(deployment.read(contracts))
        town.url = await stack.enter_async_context(served(town.app()))
        town.token_id = await _registered(rpc, town)
        yield Stage(folder, rpc, rpc_url, f"redis://127.0.0.1:{redis_port}/0", town, stack)


async def _registered(rpc: Rpc, town: Town) -> int:
    """The token of the agent, which is on the chain now."""
    owner, registry = town.wallet.address, town.deployed.address("AgentRegistry")
    await rpc.request("anvil_setBalance", owner, hex(10**18))
    await rpc.request("anvil_impersonateAccount", owner)
    data = REGISTER_AGENT.encode(keccak(text="worker"), "did:x:y", CID, 0, [keccak(text=PAID)])
    call = {"from": owner, "to": registry, "data": "0x" + data.hex(), "gas": hex(2_000_000)}
    await rpc.request("eth_sendTransaction", call)
    await rpc.request("evm_mine")
    (token_id,) = await rpc.call(registry, AGENT_ID_OF, keccak(text="worker"))
    return token_id


async def run(http: httpx.AsyncClient, body: Body, key: str) -> Body:
    """The run when it has ended; asked for with long waits, not by looking often."""
    headers = {"Idempotency-Key": key, "Prefer": "wait=30"}
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        answer = await http.post("/v1/runs", json=body, headers=headers)
        if answer.status_code in _LATER:
            await asyncio.sleep(0.2)
            continue
        told = answer.raise_for_status().json()
        while told["status"] == "running":
            await asyncio.sleep(0.5)
            told = (await http.get(f"/v1/runs/{told['id']}")).raise_for_status().json()
        return told
    raise TimeoutError(key)


def steps(count: int, capability: str) -> list[Body]:
    """So many steps of which none needs another."""
    return [{"id": f"s{n}", "capability": capability} for n in range(count)]
