"""The registry on a real chain with the real contracts, and strangers who use them without it."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from fastapi import FastAPI
from httpx import AsyncClient, Response
from mesh_cli import parts
from mesh_registry.adapters.contracts import APPROVE, REGISTER_AGENT
from mesh_registry.app import create_app
from mesh_registry.domain import naming
from mesh_registry.repository.tables import Base, OperationRow
from mesh_registry.settings import Settings
from mesh_shared.canonical import canonical_json
from mesh_shared.chain import deployment, keys
from mesh_shared.chain.abi import Function
from mesh_shared.chain.deployment import Deployment
from mesh_shared.chain.journal import ChainTables
from mesh_shared.chain.rpc import Rpc
from mesh_shared.database import engine
from mesh_shared.database.engine import Database
from mesh_shared.events.outbox import EventLog, Foundation
from mesh_shared.testing import Issuer, running, with_schema
from pydantic import SecretStr
from sqlalchemy import func, select

SCOPES = ("registry:write", "registry:discover", "actions:invoke", "events:read")
ONE_ETHER = hex(10**18)
NOBODY = "0x" + "00" * 20

TERMS = "(address,address,uint256,address,address,bytes32,uint64,uint64,uint64,uint256,uint8,bool,bytes32)"
MINT = Function("mint", ["address", "uint256"])
REGISTER = Function("register", ["string"])
UPDATE_AGENT = Function("updateAgent", ["bytes32", "string", "bytes32[]", "uint64"])
SET_ACTIVE = Function("setActive", ["bytes32", "bool", "uint64"])
SET_URI = Function("setAgentURI", ["uint256", "string"])
TRANSFER_FROM = Function("transferFrom", ["address", "address", "uint256"])
STAKE = Function("stake", ["bytes32", "uint256"])
REQUEST_UNSTAKE = Function("requestUnstake", ["bytes32", "uint256"])
GRANT_ROLE = Function("grantRole", ["bytes32", "address"])
PROPOSE_SLASH = Function("proposeSlash", ["bytes32", "uint256", "bytes32"])
EXECUTE_SLASH = Function("executeSlash", ["bytes32"])
SLASH_DELAY_S = 86_400
BALANCE_OF = Function("balanceOf", ["address"], ["uint256"])
TOTAL_AGENTS = Function("totalAgents", [], ["uint256"])
AGENT_KEY_OF = Function("agentKeyOf", ["uint256"], ["bytes32"])
AGENT_ID_OF = Function("agentIdOf", ["bytes32"], ["uint256"])
OPEN = Function("open", [TERMS])
ESCROW_ID = Function("escrowId", ["address", TERMS], ["bytes32"])
REFUND = Function("refund", ["bytes32"])
SUBMIT = Function("submit", ["bytes32", "bytes32"])
RELEASE = Function("release", ["bytes32"])
APPEND_RESPONSE = Function("appendResponse", ["uint256", "address", "uint64", "string", "bytes32"])
REQUEST_VALIDATION = Function("validationRequest", ["address", "uint256", "string", "bytes32"])
ANSWER_VALIDATION = Function("validationResponse", ["bytes32", "uint8", "string", "bytes32", "string"])
_FEEDBACK = ["uint256", "int128", "uint8", "string", "string", "string", "string", "bytes32"]
GIVE_FEEDBACK = Function("giveFeedback", _FEEDBACK)
GIVE_PAID_FEEDBACK = Function("giveFeedbackWithProof", ["bytes32", *_FEEDBACK])
REVOKE_FEEDBACK = Function("revokeFeedback", ["uint256", "uint64"])

Body = dict[str, Any]


async def eventually(look: Callable[[], Awaitable[Any]], timeout_s: float = 60) -> Any:
    """The first answer of `look` that is true."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.02)
        return found


@pytest.fixture(name="eventually", scope="session")
def _eventually() -> Callable[..., Awaitable[Any]]:
    return eventually


OpenDatabase = Callable[[str], AbstractAsyncContextManager[Database]]


@pytest.fixture(scope="session")
def empty_database() -> OpenDatabase:
    @asynccontextmanager
    async def opened(url: str) -> AsyncGenerator[Database]:
        database = engine.connect(url)
        async with database.engine.begin() as connection:
            for tables in (Base, Foundation, ChainTables):
                await connection.run_sync(tables.metadata.create_all)
        yield database
        await database.engine.dispose()

    return opened


@pytest.fixture
async def database(database_url: str, empty_database: OpenDatabase) -> AsyncIterator[Database]:
    """The registry's tables and nothing in them, on each database in turn."""
    async with empty_database(database_url) as database:
        yield database


@pytest.fixture
async def database_lite(tmp_path: Path, empty_database: OpenDatabase) -> AsyncIterator[Database]:
    """The same on SQLite alone, where no query is in question."""
    async with empty_database(f"sqlite+aiosqlite:///{tmp_path}/lite.db") as database:
        yield database


@dataclass
class Chain:
    """A chain with the contracts, and what anybody can do there without the registry."""

    rpc: Rpc
    url: str
    contracts_file: Path
    deployed: Deployment
    accounts: list[str] = field(default_factory=list[str])
    salts: Iterator[int] = field(default_factory=itertools.count)

    @property
    def registry(self) -> str:
        return self.deployed.address("AgentRegistry")

    async def send(self, sender: str, contract: str, function: Function, *values: Any) -> str:
        """Sends as one of Anvil's own accounts, mined at once; returns the hash."""
        return await self.send_data(sender, contract, function.encode(*values))

    async def send_data(self, sender: str, contract: str, data: bytes) -> str:
        call = {
            "from": sender,
            "to": self.deployed.address(contract),
            "data": "0x" + data.hex(),
            "gas": hex(8_000_000),
        }
        sent = await self.rpc.request("eth_sendTransaction", call)
        # Just after the send a node may have no receipt yet.
        receipt = await eventually(lambda: self.rpc.request("eth_getTransactionReceipt", sent))
        assert receipt["status"] == "0x1", data.hex()
        return sent

    async def fund(self, account: str, units: int = 0) -> None:
        await self.rpc.request("anvil_setBalance", account, ONE_ETHER)
        if units:
            await self.send(self.accounts[0], "MeshToken", MINT, account, units)

    async def register(self, owner: str, name: str, cid: str, *capabilities: str, stake: int = 0) -> int:
        """Registers without the service; returns the token's id."""
        if stake:
            await self.fund(owner, stake)
            await self.send(owner, "MeshToken", APPROVE, self.registry, stake)
        hashes = [bytes.fromhex(h[2:]) for h in naming.capability_hashes(capabilities)]
        await self.send(
            owner, "AgentRegistry", REGISTER_AGENT, keccak(text=name), "did:x:y", cid, stake, hashes
        )
        (token_id,) = await self.rpc.call(self.registry, AGENT_ID_OF, keccak(text=name))
        return token_id

    async def register_plainly(self, owner: str, uri: str) -> tuple[int, str]:
        """Registers as ERC-8004 has it, which knows no names; returns the token's and the agent's id."""
        await self.send(owner, "AgentRegistry", REGISTER, uri)
        token_id = await self.total_agents()
        (agent_id,) = await self.rpc.call(self.registry, AGENT_KEY_OF, token_id)
        return token_id, "0x" + agent_id.hex()

    async def register_raw(self, owner: str, name: str, *, did: bytes, ipfs_hash: bytes) -> None:
        """Solidity calls any bytes a string."""
        kinds = ["bytes32", "bytes", "bytes", "uint256", "bytes32[]"]
        data = REGISTER_AGENT.selector + encode(kinds, [keccak(text=name), did, ipfs_hash, 0, []])
        await self.send_data(owner, "AgentRegistry", data)

    async def settled_escrow(self, payer: str, provider: str, *, is_refunded: bool = False) -> bytes:
        """An escrow that `payer` funded, and released to `provider` or got back from it."""
        token, escrow = self.deployed.address("MeshToken"), self.deployed.address("MeshEscrow")
        block = await self.rpc.request("eth_getBlockByNumber", "latest", False)
        soon = int(block["timestamp"], 16) + 1000
        salt = keccak(next(self.salts).to_bytes(8, "big") + time.time_ns().to_bytes(16, "big"))
        times = (soon, soon + 1, 0)
        terms = (provider, token, 5, self.accounts[9], NOBODY, salt, *times, 0, 0, False, salt)
        await self.fund(payer, 5)
        await self.send(payer, "MeshToken", APPROVE, escrow, 5)
        (id,) = await self.rpc.call(escrow, ESCROW_ID, payer, terms)
        await self.send(payer, "MeshEscrow", OPEN, terms)
        if is_refunded:
            await self.send(provider, "MeshEscrow", REFUND, id)
        else:
            await self.send(provider, "MeshEscrow", SUBMIT, id, salt)
            await self.send(payer, "MeshEscrow", RELEASE, id)
        return id

    async def rate(
        self,
        client: str,
        token_id: int,
        value: int,
        *,
        decimals: int = 0,
        tag: str = "quality",
        paid_to: str = "",
        is_refunded: bool = False,
    ) -> str:
        """Feedback of `client`; with `paid_to`, proven by an escrow between the two."""
        said = (token_id, value, decimals, tag, "", "", "", bytes(32))
        if not paid_to:
            return await self.send(client, "Reputation", GIVE_FEEDBACK, *said)
        escrow_id = await self.settled_escrow(client, paid_to, is_refunded=is_refunded)
        return await self.send(client, "Reputation", GIVE_PAID_FEEDBACK, escrow_id, *said)

    async def revoke(self, client: str, token_id: int, index: int) -> str:
        return await self.send(client, "Reputation", REVOKE_FEEDBACK, token_id, index)

    async def respond(self, responder: str, token_id: int, client: str, index: int, uri: str) -> str:
        return await self.send(
            responder, "Reputation", APPEND_RESPONSE, token_id, client, index, uri, bytes(32)
        )

    async def ask_validator(self, owner: str, validator: str, token_id: int, hash: bytes) -> str:
        asked = (validator, token_id, "ipfs://asked", hash)
        return await self.send(owner, "Validation", REQUEST_VALIDATION, *asked)

    async def validate(self, validator: str, hash: bytes, answer: int) -> str:
        said = (hash, answer, "ipfs://evidence", bytes(32), "tested")
        return await self.send(validator, "Validation", ANSWER_VALIDATION, *said)

    async def update(self, owner: str, name: str, cid: str, *capabilities: str, version: int = 1) -> str:
        hashes = [bytes.fromhex(h[2:]) for h in naming.capability_hashes(capabilities)]
        return await self.send(owner, "AgentRegistry", UPDATE_AGENT, keccak(text=name), cid, hashes, version)

    async def switch(self, owner: str, name: str, *, on: bool, version: int = 1) -> str:
        return await self.send(owner, "AgentRegistry", SET_ACTIVE, keccak(text=name), on, version)

    async def locate(self, owner: str, token_id: int, uri: str) -> str:
        return await self.send(owner, "AgentRegistry", SET_URI, token_id, uri)

    async def transfer(self, owner: str, token_id: int, to: str) -> str:
        return await self.send(owner, "AgentRegistry", TRANSFER_FROM, owner, to, token_id)

    async def bond(self, account: str, name: str, units: int) -> None:
        await self.fund(account, units)
        await self.send(account, "MeshToken", APPROVE, self.registry, units)
        await self.send(account, "AgentRegistry", STAKE, keccak(text=name), units)

    async def unbond(self, owner: str, name: str, units: int) -> None:
        await self.send(owner, "AgentRegistry", REQUEST_UNSTAKE, keccak(text=name), units)

    async def slash(self, name: str, units: int) -> None:
        """Slashes as the one who may, after the delay."""
        slasher, reason = self.accounts[8], bytes(32)
        await self.send(self.accounts[0], "AgentRegistry", GRANT_ROLE, keccak(text="SLASHER_ROLE"), slasher)
        await self.send(slasher, "AgentRegistry", PROPOSE_SLASH, keccak(text=name), units, reason)
        await self.rpc.request("evm_increaseTime", hex(SLASH_DELAY_S))
        await self.send(slasher, "AgentRegistry", EXECUTE_SLASH, keccak(text=name))

    async def total_agents(self) -> int:
        (total,) = await self.rpc.call(self.registry, TOTAL_AGENTS)
        return total

    async def tokens_of(self, account: str) -> int:
        (units,) = await self.rpc.call(self.deployed.address("MeshToken"), BALANCE_OF, account)
        return units

    async def nonce_of(self, account: str) -> int:
        return int(await self.rpc.request("eth_getTransactionCount", account, "latest"), 16)

    async def mine(self, blocks: int) -> None:
        await self.rpc.request("anvil_mine", hex(blocks))

    async def reorganise(self, depth: int) -> None:
        """The newest `depth` blocks are replaced by as many empty ones."""
        await self.rpc.request("anvil_reorg", depth, [])

    async def now(self) -> int:
        """The newest block's time in Unix seconds."""
        return int((await self.rpc.request("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    @asynccontextmanager
    async def holding(self) -> AsyncGenerator[None]:
        """Nothing is mined while the block lasts, unless by `mine`."""
        await self.rpc.request("evm_setAutomine", False)
        try:
            yield
        finally:
            await self.rpc.request("evm_setAutomine", True)


Deploy = Callable[[str, Path], Path]
Connect = Callable[[str, Path], Awaitable[Chain]]


@pytest.fixture(scope="session")
def connect() -> Connect:
    async def connect(url: str, contracts_file: Path) -> Chain:
        rpc = Rpc(url, parts.CHAIN_ID)
        chain = Chain(rpc, url, contracts_file, deployment.read(contracts_file))
        chain.accounts = await rpc.request("eth_accounts")
        return chain

    return connect


@pytest.fixture(scope="session")
def anvil_url(start_anvil: Callable[[], str]) -> str:
    """A chain of the registry's own: what is on it is counted."""
    return start_anvil()


@pytest.fixture(scope="session")
def contracts_file(anvil_url: str, parts_dir: Path, deploy: Deploy) -> Path:
    return deploy(anvil_url, parts_dir / "registry.contracts.json")


@pytest.fixture
async def chain(anvil_url: str, contracts_file: Path, connect: Connect) -> AsyncIterator[Chain]:
    """The contracts as they were deployed: what a test does there is taken back after it."""
    chain = await connect(anvil_url, contracts_file)
    snapshot = await chain.rpc.request("evm_snapshot")
    yield chain
    await chain.rpc.request("evm_revert", snapshot)
    await chain.rpc.close()


MakeApp = Callable[..., FastAPI]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def make_app(state_dir: Path, redis_url: str, issuer: Issuer, chain: Chain) -> MakeApp:
    """Builds the service; its database is SQLite and its store embedded unless a test says otherwise."""

    def make(**settings: Any) -> FastAPI:
        defaults: dict[str, Any] = {
            "state_dir": state_dir,
            "redis_url": SecretStr(redis_url),
            "chain_rpc_url": SecretStr(chain.url),
            "contracts_file": chain.contracts_file,
            "index_poll_s": 0.05,
        }
        return create_app(with_schema(Settings(**(defaults | settings))), keys=issuer.keys)

    return make


@pytest.fixture
async def operator(state_dir: Path, chain: Chain) -> str:
    """The account of the service's own key, with ether."""
    account = keys.load_or_create(state_dir / "chain.key")
    await chain.fund(account.address)
    return account.address


@pytest.fixture
def writer(issuer: Issuer) -> dict[str, str]:
    return issuer.headers(*SCOPES, audience="registry")


def metadata(*capabilities: str, **more: Any) -> Body:
    said: Body = {
        "name": "Summarizer",
        "description": "Summarizes.",
        "endpoint": "http://127.0.0.1:9100",
        "capabilities": list(capabilities) or ["text.summarize"],
        "toolDefinitions": [],
        "reputationHistory": [],
    }
    return said | more


def wish(name: str, *capabilities: str, stake: int = 0, **more: Any) -> Body:
    """What registers an agent, as the API takes it."""
    return {"id": name, "metadata": metadata(*capabilities), "stake": str(stake)} | more


@pytest.fixture(name="metadata", scope="session")
def _metadata() -> Callable[..., Body]:
    return metadata


@pytest.fixture(name="wish", scope="session")
def _wish() -> Callable[..., Body]:
    return wish


@dataclass
class Caller:
    """Somebody who may write, and how they talk to the service."""

    http: AsyncClient
    app: FastAPI

    metadata = staticmethod(metadata)
    wish = staticmethod(wish)
    eventually = staticmethod(eventually)

    async def post(self, address: str, **request: Any) -> Response:
        """Repeats a 503, as its answer says: a busy machine is not what a test is about."""

        async def ask() -> Response | None:
            answer = await self.http.post(address, **request)
            return None if answer.status_code == 503 else answer

        return await eventually(ask, 60)

    async def register(self, body: Body, key: str | None = None, **params: str) -> Response:
        headers = {"Idempotency-Key": key or f"register:{body['id']}"}
        return await self.post("/v1/agents", json=body, headers=headers, params=params)

    async def registered(self, name: str, *capabilities: str, **more: Any) -> Body:
        """Registers an agent of the operator and waits until it can be found."""
        answer = await self.register(self.wish(name, *capabilities, **more), wait="confirmed")
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def change(self, name: str, change: Body, key: str = "change", **more: Any) -> Response:
        """Asks for a change of the agent with that name and waits until it is seen."""
        headers, params = {"Idempotency-Key": key}, {"wait": "confirmed"}
        address = f"/v1/agents/{naming.agent_id_of(name)}/changes"
        return await self.post(address, json={"change": change} | more, headers=headers, params=params)

    async def listed(self, **params: Any) -> list[Body]:
        return (await self.http.get("/v1/agents", params=params)).json()["items"]

    async def has_accepted(self, count: int) -> None:
        """Waits until `count` registrations have been accepted."""

        async def look() -> bool:
            async with self.app.state.platform.database.read() as session:
                return await session.scalar(select(func.count()).select_from(OperationRow)) == count

        await eventually(look)

    async def found(self, capability: str = "text.summarize", **params: Any) -> list[Body]:
        page = await self.http.get("/v1/agents", params={"capability": capability} | params)
        return page.json()["items"]

    async def agent(self, name: str) -> Body | None:
        """The agent as it is shown; None while it is not indexed."""
        answer = await self.http.get(f"/v1/agents/{naming.agent_id_of(name)}")
        return answer.json() if answer.status_code == 200 else None

    async def when(self, address: str, is_so: Callable[[Body], bool]) -> Body:
        """What is at `address` once `is_so` of it."""

        async def look() -> Body | None:
            answer = await self.http.get(address)
            return answer.json() if answer.status_code == 200 and is_so(answer.json()) else None

        return await eventually(look)

    async def agent_when(self, name: str, is_so: Callable[[Body], bool]) -> Body:
        return await self.when(f"/v1/agents/{naming.agent_id_of(name)}", is_so)

    async def gone(self, name: str) -> None:
        """Waits until there is no such agent."""

        async def look() -> bool:
            return await self.agent(name) is None

        await eventually(look)

    async def store(self, data: bytes) -> str:
        headers = {"Content-Type": "application/octet-stream"}
        answer = await self.post("/v1/content", content=data, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()["cid"]

    async def store_metadata(self, *capabilities: str, **more: Any) -> str:
        return await self.store(canonical_json(self.metadata(*capabilities, **more)))

    async def events(self, topic: str = "") -> list[Body]:
        """The facts that are published, of one topic or all."""

        async def look() -> list[Body]:
            async with self.app.state.platform.database.read() as session:
                if await EventLog(session).has_unnumbered():
                    return []
            return (await self.http.get("/v1/events", params={"limit": 1000})).json()["items"]

        items = await eventually(look)
        return [event for event in items if event["type"].startswith(f"registry.{topic}")]


@pytest.fixture(scope="session")
def caller_of() -> type[Caller]:
    """For tests that start the service themselves."""
    return Caller


@pytest.fixture
async def caller(
    make_app: MakeApp, operator: str, writer: dict[str, str], database_url: str
) -> AsyncIterator[Caller]:
    """A caller of the service on each database in turn."""
    app = make_app(database_url=SecretStr(database_url))
    async with running(app, writer) as http:
        yield Caller(http, app)


@pytest.fixture
async def caller_lite(make_app: MakeApp, operator: str, writer: dict[str, str]) -> AsyncIterator[Caller]:
    """A caller of the service on SQLite, where no query is in question."""
    app = make_app()
    async with running(app, writer) as http:
        yield Caller(http, app)
