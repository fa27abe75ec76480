"""The service as a process that is killed: what it accepted it keeps, and what it sent it sends once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from mesh_cli import parts
from mesh_registry.repository.tables import OperationRow
from mesh_shared.auth.tokens import jwks
from mesh_shared.database import engine
from mesh_shared.testing import Issuer, served
from sqlalchemy import select

if TYPE_CHECKING:
    from pathlib import Path

    from callers_of_registry import Body
    from mesh_cli.zygote import Life, Zygote
    from unaided import Chain

# PostgreSQL under a sender that is killed has its test in shared/tests/test_chain_sender.py.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
COUNT = 50
AT_ONCE = 16
CHANGES_OF_A_KIND = 6
CARD = {
    "name": "Summarizer",
    "description": "Summarizes text.",
    "version": "1.0.0",
    "supportedInterfaces": [
        {"url": "https://agent.example/a2a/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
    "capabilities": {},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "summarize", "name": "Summarize", "description": "Shortens.", "tags": ["text"]}],
}


@dataclass
class Service:
    """`python -m mesh_registry` with an environment, started as often as it dies."""

    zygote: Zygote
    environment: dict[str, str]
    log: Path
    http: httpx.AsyncClient
    eventually: Callable[..., Awaitable[Any]]
    running: list[Life] = field(default_factory=list["Life"])

    async def start(self) -> None:
        self.running.append(self.zygote.start(self.environment, self.log))
        await self.eventually(self._is_ready, 60)

    def kill(self) -> None:
        self.running.pop().kill()

    async def _is_ready(self) -> bool:
        try:
            return (await self.http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def ask(self, method: str, address: str, is_enough: Callable[[Body], bool], **request: Any) -> Body:
        """Asks until the answer is good enough, as a client does whose server dies."""

        async def look() -> Body | None:
            try:
                answer = await self.http.request(method, address, **request)
            except httpx.TransportError:
                return None
            return answer.json() if answer.is_success and is_enough(answer.json()) else None

        return await self.eventually(look, 90)

    async def send(self, address: str, body: Body, key: str) -> Body:
        headers = {"Idempotency-Key": key}
        return await self.ask("POST", address, lambda _: True, json=body, headers=headers)

    async def register(self, body: Body) -> Body:
        return await self.send("/v1/agents", body, body["id"])

    async def register_all(self, wishes: list[Body]) -> list[Body]:
        batch = await self.send("/v1/agents/batch", {"agents": wishes}, "batch")
        return [item["operation"] for item in batch["items"]]

    async def change(self, agent_id: str, change: Body, key: str) -> Body:
        return await self.send(f"/v1/agents/{agent_id}/changes", {"change": change}, key)

    async def indexed(self, operation: Body) -> Body:
        address = f"/v1/operations/{operation['operationId']}"
        return await self.ask("GET", address, lambda now: now["status"] in ("confirmed", "finalized"))


@pytest.fixture
async def gateway(issuer: Issuer) -> AsyncIterator[str]:
    """Where the service finds the keys of the tokens that it gets."""
    app = FastAPI()

    @app.get("/.well-known/jwks.json")
    async def keys() -> dict[str, Any]:
        return jwks([issuer.key])

    async with served(app) as url:
        yield url


@pytest.fixture
async def service(
    zygote_of: Callable[[str], Zygote],
    state_dir: Path,
    redis_url: str,
    database_url: str,
    gateway: str,
    chain: Chain,
    writer: dict[str, str],
    eventually: Callable[..., Awaitable[Any]],
) -> AsyncIterator[Service]:
    port = parts.free_port()
    environment = {
        "PATH": "/usr/bin:/bin",
        "MESH_STATE_DIR": str(state_dir),
        "MESH_DATABASE_URL": database_url,
        "MESH_REDIS_URL": redis_url,
        "MESH_GATEWAY_URL": gateway,
        "MESH_CHAIN_RPC_URL": chain.url,
        "MESH_CONTRACTS_FILE": str(chain.contracts_file),
        "MESH_PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, headers=writer, timeout=40) as http:
        service = Service(
            zygote_of("mesh_registry"), environment, state_dir / "registry.log", http, eventually
        )
        yield service
    for life in service.running:
        life.kill()


async def test_killed_in_the_middle_of_fifty_registrations_it_makes_fifty_agents(
    service: Service,
    chain: Chain,
    operator: str,
    wish: Callable[[str], Body],
    eventually: Callable[..., Awaitable[Any]],
):
    accepted: list[Body] = []
    turn = asyncio.Semaphore(AT_ONCE)

    async def register(n: int) -> None:
        async with turn:
            accepted.append(await service.register(wish(f"acme/{n}")))

    async def is_in_the_middle() -> bool:
        return bool(accepted) and await chain.total_agents() >= COUNT // 5

    await service.start()
    async with asyncio.TaskGroup() as tasks:
        for n in range(COUNT):
            tasks.create_task(register(n))
        await eventually(is_in_the_middle, 60)
        service.kill()
        before = len(accepted)
        await service.start()
    indexed = [await service.indexed(operation) for operation in accepted]

    assert 0 < before < COUNT
    assert hashes(indexed) == hashes(accepted)
    assert len(set(hashes(accepted))) == await chain.total_agents() == COUNT
    assert await chain.nonce_of(operator) == COUNT
    assert "nonce" not in service.log.read_text()


async def test_killed_in_the_middle_of_a_batch_it_makes_each_agent_once(
    service: Service,
    chain: Chain,
    operator: str,
    wish: Callable[[str], Body],
    eventually: Callable[..., Awaitable[Any]],
):
    async def is_in_the_middle() -> bool:
        return await chain.total_agents() > 0

    await service.start()
    async with asyncio.TaskGroup() as tasks:
        batch = tasks.create_task(service.register_all([wish(f"acme/{n}") for n in range(COUNT)]))
        await eventually(is_in_the_middle, 60)
        service.kill()
        await service.start()
    indexed = [await service.indexed(operation) for operation in batch.result()]

    assert len(set(hashes(indexed))) == await chain.total_agents() == COUNT
    assert await chain.nonce_of(operator) == COUNT
    assert "nonce" not in service.log.read_text()


async def test_killed_in_the_middle_of_changes_it_makes_each_once(
    service: Service,
    chain: Chain,
    operator: str,
    wish: Callable[[str], Body],
    metadata: Callable[..., Body],
    eventually: Callable[..., Awaitable[Any]],
):
    kinds: list[Body] = [
        {"kind": "update", "expectedVersion": 1, "metadata": metadata("new")},
        {"kind": "deactivate", "expectedVersion": 1},
        {"kind": "stake", "amount": "5"},
    ]
    changes = kinds * CHANGES_OF_A_KIND
    await chain.fund(operator, 5 * CHANGES_OF_A_KIND)
    await service.start()
    agents = await service.register_all([wish(f"acme/{n}") for n in range(len(changes))])
    for agent in agents:
        await service.indexed(agent)
    accepted: list[Body] = []

    async def change(agent: Body, change: Body) -> None:
        accepted.append(await service.change(agent["agentId"], change, agent["agentId"]))

    async def is_in_the_middle() -> bool:
        return await chain.nonce_of(operator) > len(changes)

    async with asyncio.TaskGroup() as tasks:
        for agent, wanted in zip(agents, changes, strict=True):
            tasks.create_task(change(agent, wanted))
        await eventually(is_in_the_middle, 60)
        service.kill()
        await service.start()
    indexed = [await service.indexed(operation) for operation in accepted]

    assert len(set(hashes(indexed))) == len(changes)
    assert await chain.nonce_of(operator) == 2 * len(changes) + 1  # and one allowance for all stakes
    assert await chain.tokens_of(operator) == 0


async def test_killed_in_the_middle_of_registering_by_cards_it_has_the_card_of_each_agent(
    service: Service,
    chain: Chain,
    operator: str,
    database_url: str,
    eventually: Callable[..., Awaitable[Any]],
):
    service.environment["MESH_ALLOW_PRIVATE_AGENTS"] = "true"
    card_host = FastAPI()

    @card_host.get("/.well-known/agent-card.json")
    async def card() -> dict[str, Any]:
        return CARD

    async def register(url: str, n: int) -> None:
        with suppress(httpx.TransportError):
            headers = {"Idempotency-Key": f"card:{n}"}
            body = {"id": f"acme/{n}", "url": url}
            await service.http.post("/v1/agents/from-card", json=body, headers=headers)

    async def is_in_the_middle() -> bool:
        return await chain.total_agents() > 0

    await service.start()
    async with served(card_host) as url, asyncio.TaskGroup() as tasks:
        for n in range(AT_ONCE):
            tasks.create_task(register(url, n))
        await eventually(is_in_the_middle, 60)
        service.kill()
    database = engine.connect(database_url)
    async with database.read() as session:
        accepted = (await session.scalars(select(OperationRow.agent_id))).all()
    await database.engine.dispose()
    await service.start()
    agents = [
        await service.ask("GET", f"/v1/agents/{id}", lambda agent: agent["name"] is not None)
        for id in accepted
    ]

    assert len(agents) > 0
    assert [agent["card"]["verdict"] for agent in agents] == ["unsigned"] * len(agents)


def hashes(operations: list[Body]) -> list[str]:
    return [operation["transactionHash"] for operation in operations]
