"""The coordinator on a real chain with the real contracts, with the sample agents and with worse ones."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from httpx import AsyncClient
from mesh_cli import parts
from mesh_coordinator.app import create_app
from mesh_coordinator.settings import Settings
from mesh_shared.agents.plugin import Plugin
from mesh_shared.agents.registration import metadata
from mesh_shared.auth.session import Sessions
from mesh_shared.auth.tokens import TokenVerifier, issue, jwks
from mesh_shared.canonical import json_hash
from mesh_shared.chain import deployment, keys
from mesh_shared.chain.abi import Function
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.rpc import Rpc
from mesh_shared.database import engine, migrate
from mesh_shared.database.engine import Database
from mesh_shared.events.outbox import EventLog
from mesh_shared.testing import Issuer, running, served, with_schema
from paid_agent import SUBMISSION, Offer, PaidAgent
from paid_agent import create_app as create_agent
from pydantic import SecretStr
from text_agent import AGENTS

SCOPES = ("coordinator:run", "coordinator:approve", "coordinator:bid", "actions:invoke", "events:read")
API_KEY = "key-of-the-coordinator"
PURSE_UNITS = 1_000_000
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
NEWS = (
    "Agents met on a chain this week. They agreed on prices before any work began. "
    "Money was locked in escrow. It was released for good work only."
)

MINT = Function("mint", ["address", "uint256"])
BALANCE_OF = Function("balanceOf", ["address"], ["uint256"])
REGISTER_AGENT = Function("registerAgent", ["bytes32", "string", "string", "uint256", "bytes32[]"])
AGENT_ID_OF = Function("agentIdOf", ["bytes32"], ["uint256"])
SUMMARY = Function("getAgentSummary", ["uint256", "string", "string"], ["uint64", "int128", "uint8"])
PROOF_OF = Function("proofOf", ["uint256", "address", "uint64"], ["bytes32"])

Body = dict[str, Any]
MakeApp = Callable[..., FastAPI]


async def eventually(look: Callable[[], Awaitable[Any]], timeout_s: float = 60) -> Any:
    """The first answer of `look` that is true."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.05)
        return found


@dataclass(slots=True)
class Chain:
    """A chain with the contracts, and what anybody can do there without the coordinator."""

    rpc: Rpc
    url: str
    contracts_file: Path
    deployed: Deployment
    minter: str = ""

    async def send(self, sender: str, contract: str, function: Function, *values: Any) -> str:
        """Sends from an account that the node may sign for, mined at once; returns the hash."""
        call = {
            "from": sender,
            "to": self.deployed.address(contract),
            "data": "0x" + function.encode(*values).hex(),
            "gas": hex(2_000_000),
        }
        sent = await self.rpc.request("eth_sendTransaction", call)
        receipt = await eventually(lambda: self.rpc.request("eth_getTransactionReceipt", sent))
        assert receipt["status"] == "0x1", function.name
        return sent

    async def enrich(self, account: str, units: int = 0) -> None:
        """Gives the account ether, and tokens."""
        await self.rpc.request("anvil_setBalance", account, hex(10**18))
        if units:
            await self.send(self.minter, "MeshToken", MINT, account, units)

    async def units(self, account: str) -> int:
        """Tokens of an account, or of a contract by its name."""
        holder = self.deployed.contracts.get(account, account)
        (held,) = await self.rpc.call(self.deployed.address("MeshToken"), BALANCE_OF, holder)
        return held

    async def register(self, owner: str, name: str, *capabilities: str) -> int:
        """Registers an agent without stake, by its own owner; returns the token's id."""
        await self.enrich(owner)
        await self.rpc.request("anvil_impersonateAccount", owner)
        hashes = sorted(keccak(text=capability) for capability in capabilities)
        told = (keccak(text=name), "did:x:y", CID, 0, hashes)
        await self.send(owner, "AgentRegistry", REGISTER_AGENT, *told)
        (token_id,) = await self.rpc.call(
            self.deployed.address("AgentRegistry"), AGENT_ID_OF, keccak(text=name)
        )
        return token_id

    async def ratings(self, token_id: int) -> tuple[int, int]:
        """How many there are of an agent, and their average."""
        reputation = self.deployed.address("Reputation")
        count, value, decimals = await self.rpc.call(reputation, SUMMARY, token_id, "quality", "")
        return count, value // 10**decimals

    async def proof_of(self, token_id: int, client: str, index: int) -> str:
        """The escrow behind a rating."""
        reputation = self.deployed.address("Reputation")
        (escrow_id,) = await self.rpc.call(reputation, PROOF_OF, token_id, client, index)
        return "0x" + escrow_id.hex()


@asynccontextmanager
async def connected(url: str, contracts_file: Path) -> AsyncGenerator[Chain, None]:
    rpc = Rpc(url, parts.CHAIN_ID)
    chain = Chain(rpc, url, contracts_file, deployment.read(contracts_file))
    (chain.minter, *_) = await rpc.request("eth_accounts")
    yield chain
    await rpc.close()


@pytest.fixture(scope="session")
def contracts_file(anvil_url: str, parts_dir: Path, deploy: Callable[[str, Path], Path]) -> Path:
    return deploy(anvil_url, parts_dir / "coordinator.contracts.json")


@pytest.fixture
async def chain(anvil_url: str, contracts_file: Path) -> AsyncIterator[Chain]:
    """The chain that all tests share; each works with accounts of its own."""
    async with connected(anvil_url, contracts_file) as chain:
        yield chain


@pytest.fixture
def own_anvil(tmp_path: Path) -> Iterator[str]:
    """A chain of this test alone: its clock and its mining may be touched."""
    port = parts.free_port()
    process = parts.anvil(port, tmp_path / "anvil")
    yield f"http://127.0.0.1:{port}"
    process.stop()


@pytest.fixture
async def own_chain(own_anvil: str, anvil_url: str, contracts_file: Path) -> AsyncIterator[Chain]:
    """Has the contracts where the shared chain has them."""
    async with connected(anvil_url, contracts_file) as shared, connected(own_anvil, contracts_file) as own:
        await own.rpc.request("anvil_loadState", await shared.rpc.request("anvil_dumpState"))
        yield own


@dataclass(slots=True)
class Agent:
    """An agent as the town knows it."""

    agent_id: str
    endpoint: str
    wallet: LocalAccount
    token_id: int


Answer = Callable[[Request, Agent], Awaitable[Response]]


@dataclass(slots=True)
class Town:
    """Everybody whom the coordinator talks to over HTTP, on one address: registry, gateway and agents.

    The registry answers the routes that the coordinator reads; what it lists is up to the test.
    """

    chain: Chain
    issuer: Issuer
    app: FastAPI = field(default_factory=FastAPI)
    url: str = ""
    listings: dict[str, Body] = field(default_factory=dict[str, Body])
    agents: dict[str, Agent] = field(default_factory=dict[str, Agent])
    announced: list[Body] = field(default_factory=list[Body])
    registry: FastAPI = field(default_factory=FastAPI)
    gateway_is_down: bool = False

    def build(self) -> None:
        registry, gateway = self.registry, FastAPI()
        registry.add_api_route("/livez", self._livez)
        registry.add_api_route("/v1/agents", self._offering)
        registry.add_api_route("/v1/agents", self._announce, methods=["POST"])
        registry.add_api_route("/v1/agents/{agent_id}", self._listing)
        gateway.add_api_route("/v1/sessions", self._session, methods=["POST"])
        gateway.add_api_route("/.well-known/jwks.json", self._jwks)
        self.app.mount("/registry", registry)
        self.app.mount("/gateway", gateway)

    async def _livez(self) -> Body:
        return {"status": "alive"}

    async def _offering(self, capability: str, limit: int) -> Body:
        offering = [body for body in self.listings.values() if capability in body["capabilities"]]
        best_first = sorted(offering, key=lambda body: -body["reputation"])
        return {"items": best_first[:limit], "next_cursor": None}

    async def _listing(self, agent_id: str) -> Any:
        return self.listings.get(agent_id) or Response(status_code=404)

    async def _announce(self, body: Body) -> Response:
        self.announced.append(body)
        return Response(status_code=202)

    async def _session(self, request: Request, body: Body) -> Any:
        if self.gateway_is_down:
            return Response(status_code=503)
        if request.headers.get("x-api-key") != API_KEY:
            return Response(status_code=401)
        audiences, scopes = body["audiences"], ["actions:invoke"]
        token, expires_at = issue(
            self.issuer.key, subject="coordinator", scopes=scopes, audiences=audiences, ttl_s=900
        )
        return {"token": token, "expires_at": expires_at}

    async def _jwks(self) -> Body:
        return jwks([self.issuer.key])

    async def enlist(
        self, name: str, described: Body, *, price: int, reputation: float = 0.5, **listed: Any
    ) -> Agent:
        """Registers an agent on the chain and lists it in the registry; `described` is its metadata."""
        wallet = Account.create()
        unique = f"test/{name}-{wallet.address}".lower()
        token_id = await self.chain.register(wallet.address, unique, *described["capabilities"])
        for tool in described["toolDefinitions"]:
            tool["price"] = str(price)
        agent = Agent("0x" + keccak(text=unique).hex(), described["endpoint"], wallet, token_id)
        self.listings[agent.agent_id] = described | {
            "agentId": agent.agent_id,
            "tokenId": str(token_id),
            "owner": wallet.address,
            "reputation": reputation,
            "active": True,
            "status": "confirmed",
            **listed,
        }
        self.agents[name] = agent
        return agent

    async def settle_down(self, name: str, plugin: Plugin, *, price: int, **listed: Any) -> PaidAgent:
        """A real agent with a wallet moves in, and answers under `/agents/<name>`."""
        described = metadata(plugin, f"{self.url}/agents/{name}")
        agent = await self.enlist(name, described, price=price, **listed)
        client = httpx.AsyncClient()
        paid = PaidAgent(
            plugin=plugin,
            offer=Offer(name, {}, 0),
            endpoint=agent.endpoint,
            wallet=agent.wallet,
            contracts=self.chain.deployed,
            sessions=Sessions(client, f"{self.url}/gateway", Path()),
            verifier=TokenVerifier(self.issuer.keys, frozenset({self.url})),
            registry_url=f"{self.url}/registry",
        )
        # Mounted, so that its lifespan, which registers it, does not run: it is registered already.
        self.app.mount(f"/agents/{name}", create_agent(paid, client))
        return paid

    async def hire_sample(self, name: str, *, reputation: float = 0.5) -> PaidAgent:
        """One of the sample agents `careful`, `quick` and `sloppy`, at its own price."""
        actions, price = AGENTS[name]
        plugin = Plugin(name=name, description=f"A {name} worker on text.", actions=actions)
        return await self.settle_down(name, plugin, price=price, reputation=reputation)

    async def move_in(
        self, name: str, answer: Answer, *, price: int = 1_000, capability: str = "work", **listed: Any
    ) -> Agent:
        """Somebody who answers `POST /agents/<name>/actions/WORK` however they like."""
        described: Body = {
            "name": name,
            "endpoint": f"{self.url}/agents/{name}",
            "capabilities": [capability],
            "toolDefinitions": [{"name": "WORK", "capability": capability}],
        }
        agent = await self.enlist(name, described, price=price, **listed)
        self.open_door(name, lambda request: answer(request, agent))
        return agent

    def open_door(self, name: str, answer: Callable[[Request], Awaitable[Response]]) -> str:
        """Answers `POST /agents/<name>/actions/WORK` for somebody whom nobody lists; returns the endpoint."""

        async def act(request: Request) -> Response:
            return await answer(request)

        self.app.add_route(f"/agents/{name}/actions/WORK", act, methods=["POST"])
        return f"{self.url}/agents/{name}"

    def delivered(self, request: Request, agent: Agent, data: Any, *, signed: Any = ...) -> Response:
        """A delivery of `data`, under the agent's signature over it, or over something else."""
        what = data if signed is ... else signed
        headers = {"X-Delivery-Signature": self.signature(agent, request.headers.get("x-escrow-id"), what)}
        return JSONResponse({"content": {"success": True, "data": data}}, headers=headers)

    def signature(self, agent: Agent, escrow_id: str | None, data: Any) -> str:
        domain = {
            "name": "MeshEscrow",
            "version": "1",
            "chainId": parts.CHAIN_ID,
            "verifyingContract": self.chain.deployed.address("MeshEscrow"),
        }
        escrow = bytes.fromhex((escrow_id or "00" * 32).removeprefix("0x"))
        message = {"escrowId": escrow, "resultHash": json_hash(data)}
        return agent.wallet.sign_typed_data(domain, SUBMISSION, message).signature.to_0x_hex()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database, of each kind in turn."""
    database = engine.connect(database_url)
    folders = [*Settings.extra_migrations, Settings.model_fields["migrations_dir"].default]
    await migrate.upgrade(database, folders)
    yield database
    await database.engine.dispose()


@pytest.fixture
async def town(chain: Chain, issuer: Issuer) -> AsyncIterator[Town]:
    async with open_town(chain, issuer) as town:
        yield town


@asynccontextmanager
async def open_town(chain: Chain, issuer: Issuer) -> AsyncGenerator[Town, None]:
    town = Town(chain, issuer)
    town.build()
    async with served(town.app) as town.url:
        yield town


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """The coordinator's folder, with its API key; its wallet has what `payer` gives it."""
    return with_key(tmp_path / "state")


def with_key(folder: Path) -> Path:
    folder.mkdir()
    (folder / "service.key").write_text(API_KEY)
    return folder


@pytest.fixture
async def payer(state_dir: Path, chain: Chain) -> str:
    """The coordinator's account, with ether and a million units."""
    account = keys.load_or_create(state_dir / "chain.key")
    await chain.enrich(account.address, PURSE_UNITS)
    return account.address


@pytest.fixture
def settings(state_dir: Path, redis_url: str, town: Town) -> Body:
    """What a coordinator in this town is told; on SQLite unless a test says otherwise."""
    return told(state_dir, redis_url, town)


def told(state_dir: Path, redis_url: str, town: Town) -> Body:
    return {
        "state_dir": state_dir,
        "redis_url": SecretStr(redis_url),
        "chain_rpc_url": SecretStr(town.chain.url),
        "contracts_file": town.chain.contracts_file,
        "gateway_url": f"{town.url}/gateway",
        "registry_url": f"{town.url}/registry",
        "allow_private_agents": True,
    }


@pytest.fixture
def make_app(settings: Body, issuer: Issuer) -> MakeApp:
    def make(**changes: Any) -> FastAPI:
        return create_app(with_schema(Settings(**(settings | changes))), keys=issuer.keys)

    return make


@pytest.fixture
def client(issuer: Issuer) -> dict[str, str]:
    """The headers of somebody who may run things."""
    return issuer.headers(*SCOPES, audience="coordinator")


@dataclass(slots=True)
class Caller:
    """Somebody who may run things, and how they talk to the coordinator."""

    http: AsyncClient
    app: FastAPI | None = None
    others: dict[str, str] = field(default_factory=dict[str, str])
    """The headers of somebody who may do other things."""

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Tries again after `Retry-After`: on a busy machine a look at a dependency can take a second."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.http.post(path, json=body, headers=headers)
                if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    return answer
                await asyncio.sleep(0.5)

    async def plan(self, body: Body) -> Body:
        answer = await self.post("/v1/plans", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def start(self, body: Body, key: str = "run", **headers: str) -> Body:
        answer = await self.post("/v1/runs", body, **({"Idempotency-Key": key} | headers))
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    async def run(self, body: Body, key: str = "run") -> Body:
        """The run when it has ended."""
        run = await self.start(body, key, Prefer="wait=30")
        return run if run["status"] != "running" else await self.ended(run["id"])

    async def get(self, run_id: str) -> Body:
        answer = await self.http.get(f"/v1/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def run_when(self, run_id: str, is_so: Callable[[Body], bool]) -> Body:
        """The run once `is_so` of it."""

        async def look() -> Body | None:
            run = await self.get(run_id)
            return run if is_so(run) else None

        return await eventually(look)

    async def attempt_when(self, run_id: str, is_so: Callable[[Body], Any]) -> Body:
        """The first step's first attempt once `is_so` of it."""

        def first(run: Body) -> Body:
            return run["steps"][0]["attempts"][0]

        run = await self.run_when(
            run_id, lambda run: bool(run["steps"][0]["attempts"]) and bool(is_so(first(run)))
        )
        return first(run)

    async def listed_when(self, path: str, is_so: Callable[[list[Body]], bool]) -> list[Body]:
        """What a list has once it has something, and `is_so` of it."""

        async def look() -> list[Body]:
            items = (await self.http.get(path)).json()["items"]
            return items if items and is_so(items) else []

        return await eventually(look)

    async def ended(self, run_id: str) -> Body:
        return await self.run_when(run_id, lambda run: run["status"] != "running")

    async def escrow(self, escrow_id: str) -> Body:
        answer = await self.http.get(f"/v1/escrows/{escrow_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def execute(self, body: Body, key: str = "call") -> httpx.Response:
        return await self.post("/v1/execute", body, **{"Idempotency-Key": key})

    async def facts(self, topic: str = "") -> list[Body]:
        """The facts that are published, of one topic or all."""
        database = cast("FastAPI", self.app).state.platform.database

        async def is_all_told() -> bool:
            async with database.read() as session:
                return not await EventLog(session).has_unnumbered()

        await eventually(is_all_told)
        items = (await self.http.get("/v1/events", params={"limit": 1000})).json()["items"]
        return [event for event in items if event["type"].startswith(f"coordinator.{topic}")]


Calling = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture
def calling(make_app: MakeApp, payer: str, client: dict[str, str]) -> Calling:
    """Starts a coordinator with settings of the test's own, for a caller."""

    @asynccontextmanager
    async def call(**changes: Any) -> AsyncGenerator[Caller, None]:
        app = make_app(**changes)
        async with running(app, client) as http:
            yield Caller(http, app)

    return call


@pytest.fixture
async def caller(calling: Calling) -> AsyncIterator[Caller]:
    """A caller of the coordinator on SQLite."""
    async with calling() as caller:
        yield caller


@pytest.fixture
async def caller_on_both(calling: Calling, database_url: str) -> AsyncIterator[Caller]:
    """A caller of the coordinator on each database in turn, where a query is in question."""
    async with calling(database_url=SecretStr(database_url)) as caller:
        yield caller


@pytest.fixture
async def caller_online(make_app: MakeApp, payer: str, client: dict[str, str]) -> AsyncIterator[Caller]:
    """A caller over a real socket: calls within the process would buffer a stream."""
    app = make_app()
    async with served(app) as url, AsyncClient(base_url=url, headers=client, timeout=30) as http:
        yield Caller(http, app)


@pytest.fixture
async def caller_that_looks(calling: Calling) -> AsyncIterator[Caller]:
    """A caller of a coordinator that looks for a silent transaction almost at once."""
    async with calling(chain_patience_s=0.3) as caller:
        yield caller


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(
    anvil_url: str,
    contracts_file: Path,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[Caller, Town]]:
    """One coordinator with a purse, and its town, for a module's tests; each brings agents of its own.

    A module's `SETTINGS` are of its coordinator.
    """
    issuer, state_dir = Issuer(), with_key(tmp_path_factory.mktemp("steady") / "state")
    async with connected(anvil_url, contracts_file) as chain, open_town(chain, issuer) as town:
        await chain.enrich(keys.load_or_create(state_dir / "chain.key").address, PURSE_UNITS)
        settings = told(state_dir, redis_url, town) | getattr(request.module, "SETTINGS", {})
        app = create_app(with_schema(Settings(**settings)), keys=issuer.keys)
        others = issuer.headers("registry:write", audience="coordinator")
        async with running(app, issuer.headers(*SCOPES, audience="coordinator")) as http:
            yield Caller(http, app, others), town


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def steady(place: tuple[Caller, Town]) -> Caller:
    """The caller of a module's one coordinator, and a sample agent: for requests that change nothing."""
    caller, town = place
    await town.hire_sample("quick")
    return caller
