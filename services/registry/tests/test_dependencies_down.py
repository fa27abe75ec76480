"""Chain, Redis and store really stop: the service names it, serves what it can, loses nothing, and heals."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from mesh_cli import parts
from mesh_registry.domain import naming
from mesh_shared.chain import keys
from mesh_shared.content import cid
from mesh_shared.events.event import CloudEvent, channel
from mesh_shared.testing import running
from pydantic import SecretStr
from redis.asyncio import Redis

if TYPE_CHECKING:
    from pathlib import Path

    from callers_of_registry import Caller
    from httpx import Response
    from mesh_cli.processes import Process
    from unaided import Chain

    from conftest import Connect, Deploy, MakeApp

ELSEWHERE = str(cid.of(b"not in our store"))


@dataclass
class Node:
    """A chain of these tests' own, which can stop, stand still, and go on where it stopped."""

    folder: Path
    port: int
    contracts_file: Path
    process: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = node_process(self.port, self.folder)

    def signal(self, sig: signal.Signals) -> None:
        os.killpg(self.process.popen.pid, sig)


def node_process(port: int, folder: Path) -> Process:
    return parts.anvil(port, folder, "--state", str(folder / "state.json"))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, deploy: Deploy) -> Iterator[Node]:
    folder, port = tmp_path_factory.mktemp("node"), parts.free_port()
    process = node_process(port, folder)
    contracts_file = deploy(f"http://127.0.0.1:{port}", folder / "contracts.json")
    node = Node(folder, port, contracts_file, process)
    yield node
    node.process.stop()


@dataclass
class Registry:
    """A caller of a service on a chain that can stop."""

    caller: Caller
    chain: Chain

    async def ready(self) -> tuple[int, list[str]]:
        """The status of readiness and what it calls down."""
        answer = await self.caller.http.get("/readyz")
        return answer.status_code, answer.json().get("down", [])

    async def is_down(self, name: str) -> None:
        await self.caller.eventually(lambda: self._says(503, [name]))

    async def is_up(self) -> None:
        await self.caller.eventually(lambda: self._says(200, []))

    async def _says(self, status: int, down: list[str]) -> bool:
        return await self.ready() == (status, down)

    async def write(self, name: str) -> Response:
        body = self.caller.wish(name)
        return await self.caller.http.post("/v1/agents", json=body, headers={"Idempotency-Key": name})


@pytest.fixture
async def registry(
    node: Node,
    make_app: MakeApp,
    connect: Connect,
    state_dir: Path,
    writer: dict[str, str],
    caller_of: type[Caller],
) -> AsyncIterator[Registry]:
    chain = await connect(node.url, node.contracts_file)
    await chain.fund(keys.load_or_create(state_dir / "chain.key").address)
    app = make_app(chain_rpc_url=SecretStr(node.url), contracts_file=node.contracts_file)
    async with running(app, writer) as http:
        yield Registry(caller_of(http, app), chain)
    await chain.rpc.close()


async def test_a_chain_that_stops_is_named_and_the_index_goes_on_answering(registry: Registry, node: Node):
    await registry.caller.registered("acme/before")
    node.process.stop()

    await registry.is_down("chain")
    refused = await registry.write("acme/during")
    reads = [
        await registry.caller.http.get(address)
        for address in ("/v1/agents", "/v1/agents?capability=text.summarize", "/v1/events", "/livez")
    ]
    found = await registry.caller.found()
    node.start()
    await registry.is_up()

    assert (refused.status_code, refused.json()["down"]) == (503, ["chain"])
    assert int(refused.headers["retry-after"]) > 0
    assert {answer.status_code for answer in reads} == {200}
    assert [agent["capabilities"] for agent in found] == [["text.summarize"]]


async def test_a_change_or_a_batch_without_a_chain_is_for_later_and_safe_to_repeat(
    registry: Registry, node: Node
):
    caller, off = registry.caller, {"kind": "deactivate", "expectedVersion": 1}
    await caller.registered("acme/changed")
    address = f"/v1/agents/{naming.agent_id_of('acme/changed')}/changes"
    batch = {"agents": [caller.wish("acme/second"), caller.wish("acme/third")]}
    key = {"Idempotency-Key": "later"}
    before = await registry.chain.total_agents()
    node.process.stop()
    await registry.is_down("chain")

    refused = [
        await caller.http.post(address, json={"change": off}, headers=key),
        await caller.http.post("/v1/agents/batch", json=batch, headers=key),
    ]
    node.start()
    await registry.is_up()
    accepted = [
        await caller.post(address, json={"change": off}, headers=key),
        await caller.post("/v1/agents/batch", json=batch, headers=key),
    ]

    await caller.agent_when("acme/third", lambda agent: agent["active"])
    await caller.agent_when("acme/changed", lambda agent: not agent["active"])
    assert [answer.status_code for answer in refused] == [503, 503]
    assert [answer.status_code for answer in accepted] == [202, 202]
    assert await registry.chain.total_agents() == before + 2


async def test_a_chain_that_returns_is_followed_and_written_to_again(registry: Registry, node: Node):
    await registry.caller.registered("acme/kept")
    node.process.stop()
    await registry.is_down("chain")
    node.start()
    await registry.is_up()

    await registry.chain.register(registry.chain.accounts[1], "their/agent", ELSEWHERE)
    await registry.caller.agent_when("their/agent", lambda _: True)
    answer = await registry.caller.register(registry.caller.wish("acme/new"), wait="confirmed")

    assert answer.status_code == 201
    assert await registry.caller.agent("acme/kept")


async def test_an_index_that_begins_after_the_chain_was_started_again_is_complete(
    registry: Registry,
    node: Node,
    make_app: MakeApp,
    writer: dict[str, str],
    caller_of: type[Caller],
    tmp_path: Path,
):
    await registry.caller.registered("acme/early")
    for _ in range(2):
        node.process.stop()
        node.start()

    app = make_app(
        chain_rpc_url=SecretStr(node.url),
        contracts_file=node.contracts_file,
        database_url=SecretStr(f"sqlite+aiosqlite:///{tmp_path}/new.db"),
    )
    async with running(app, writer) as http:
        await caller_of(http, app).agent_when("acme/early", lambda agent: agent["active"])


async def test_what_was_accepted_before_the_chain_stood_still_is_done_when_it_goes_on(
    registry: Registry, node: Node
):
    async with registry.chain.holding():
        accepted = await registry.write("acme/accepted")
    node.signal(signal.SIGSTOP)
    try:
        await registry.is_down("chain")
        operation = await registry.caller.http.get(accepted.headers["location"])
    finally:
        node.signal(signal.SIGCONT)
    await registry.chain.mine(1)
    await registry.caller.agent_when("acme/accepted", lambda agent: agent["active"])

    assert accepted.status_code == 202
    assert operation.json()["status"] == "pending"


@asynccontextmanager
async def mortal_redis(folder: Path) -> AsyncGenerator[Any]:
    """A port, and what stops and starts the Redis behind it."""
    port = parts.free_port()
    processes = [parts.redis(port, folder)]

    def stop() -> None:
        processes.pop().stop()

    def start() -> None:
        processes.append(parts.redis(port, folder))

    yield port, stop, start
    for process in processes:
        process.stop()


async def test_without_redis_the_chain_is_followed_and_no_event_is_lost(
    make_app: MakeApp,
    chain: Chain,
    operator: str,
    writer: dict[str, str],
    caller_of: type[Caller],
    tmp_path: Path,
):
    async with mortal_redis(tmp_path) as (port, stop, start):
        url = f"redis://127.0.0.1:{port}/0"
        async with running(app := make_app(redis_url=SecretStr(url)), writer) as http:
            registry = Registry(caller_of(http, app), chain)
            stop()
            await registry.is_down("redis")
            await chain.register(chain.accounts[1], "their/agent", ELSEWHERE)
            await registry.caller.agent_when("their/agent", lambda _: True)
            refused = await registry.write("acme/one")
            start()
            async with Redis.from_url(url) as redis, redis.pubsub(ignore_subscribe_messages=True) as ear:
                await ear.subscribe(channel("registry"))
                heard = await registry.caller.eventually(partial[Any](ear.get_message, timeout=1))
            await registry.is_up()
            accepted = await registry.caller.register(registry.caller.wish("acme/one"))

    assert (refused.status_code, refused.json()["down"]) == (503, ["redis"])
    assert CloudEvent.model_validate_json(heard["data"]).type == "registry.agent-registered.v1"
    assert accepted.status_code == 202


async def test_without_its_store_agents_are_found_and_nothing_is_accepted(
    caller_lite: Caller, chain: Chain, state_dir: Path
):
    await caller_lite.registered("acme/one")
    where = await caller_lite.store_metadata("late")
    registry = Registry(caller_lite, chain)
    folder, away = state_dir / "content", state_dir / "away"
    folder.rename(away)

    await registry.is_down("store")
    refused = await registry.write("acme/two")
    unread = await caller_lite.http.get(f"/v1/content/{where}")
    await chain.register(chain.accounts[1], "their/agent", where, "late")
    waiting = await caller_lite.agent_when("their/agent", lambda _: True)
    found = await caller_lite.found()
    away.rename(folder)
    await registry.is_up()
    await caller_lite.agent_when("their/agent", lambda agent: agent["metadataStatus"] == "fetched")

    assert (refused.status_code, refused.json()["down"]) == (503, ["store"])
    assert (unread.status_code, unread.json()["code"]) == (503, "store-unavailable")
    assert waiting["metadataStatus"] == "waiting"
    assert len(found) == 1


async def test_without_kubo_agents_are_found_and_nothing_is_accepted(
    kubo: tuple[Process, int],
    make_app: MakeApp,
    chain: Chain,
    operator: str,
    writer: dict[str, str],
    caller_of: type[Caller],
):
    process, port = kubo
    async with running(app := make_app(kubo_url=f"http://127.0.0.1:{port}"), writer) as http:
        registry = Registry(caller_of(http, app), chain)
        await registry.caller.registered("acme/one")
        os.killpg(process.popen.pid, signal.SIGSTOP)
        try:
            await registry.is_down("store")
            refused = await registry.write("acme/two")
            found = await registry.caller.found()
        finally:
            os.killpg(process.popen.pid, signal.SIGCONT)
        await registry.is_up()
        accepted = await registry.caller.register(registry.caller.wish("acme/two"), wait="confirmed")

    assert (refused.status_code, refused.json()["down"]) == (503, ["store"])
    assert len(found) == 1
    assert accepted.status_code == 201
