"""The chain is really stopped and comes back: nothing is accepted, nothing is lost, nobody is paid twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request, Response
from mesh_cli import parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callers import Caller
    from chains import Chain
    from towns import Agent, Town

BODY: dict[str, Any] = {"task": "t", "requirements": [{"id": "a", "capability": "work"}]}


class Stoppable:
    """A chain that can be stopped, and comes back with all that it had."""

    def __init__(self, folder: Path) -> None:
        self.port, self.folder = parts.free_port(), folder
        self.start()

    def start(self) -> None:
        self.process = parts.anvil(self.port, self.folder, "--state", str(self.folder / "chain.json"))

    def stop(self) -> None:
        self.process.stop()


@pytest.fixture
def stoppable(tmp_path: Path) -> Iterator[Stoppable]:
    chain = Stoppable(tmp_path / "stoppable")
    yield chain
    chain.stop()


@pytest.fixture
def own_anvil(stoppable: Stoppable) -> str:
    return f"http://127.0.0.1:{stoppable.port}"


@pytest.fixture
async def chain(own_chain: Chain) -> Chain:
    return own_chain


@pytest.fixture
async def gate(town: Town) -> asyncio.Event:
    """The town's agent answers when this is set."""
    gate = asyncio.Event()

    async def work(request: Request, agent: Agent) -> Response:
        await gate.wait()
        return town.delivered(request, agent, "done")

    await town.move_in("worker", work)
    return gate


async def named_down(caller: Caller) -> list[str]:
    return (await caller.http.get("/readyz")).json().get("down", [])


async def named(caller: Caller, *names: str) -> None:
    async with asyncio.timeout(60):
        while await named_down(caller) != list(names):
            await asyncio.sleep(0.05)


async def test_while_the_chain_is_away_nothing_is_accepted(
    caller: Caller, stoppable: Stoppable, gate: asyncio.Event
):
    stoppable.stop()

    await named(caller, "chain")
    written = await caller.http.post("/v1/runs", json=BODY, headers={"Idempotency-Key": "k"})
    read = await caller.http.get(f"/v1/escrows/0x{'ab' * 32}")
    listed = await caller.http.get("/v1/runs")

    assert (written.status_code, written.json()["down"]) == (503, ["chain"])
    assert (read.status_code, read.json()["down"]) == (503, ["chain"])
    assert written.headers["retry-after"]
    assert read.headers["retry-after"]
    assert listed.json()["items"] == []


async def test_a_run_in_whose_middle_the_chain_went_away_ends_well_when_it_is_back(
    caller: Caller, town: Town, chain: Chain, payer: str, stoppable: Stoppable, gate: asyncio.Event
):
    run = await caller.start(BODY)
    await caller.attempt_when(run["id"], lambda attempt: attempt["called_at"])
    stoppable.stop()
    gate.set()
    await caller.attempt_when(run["id"], lambda attempt: attempt["state"] == "delivered")
    await named(caller, "chain")

    stoppable.start()
    await named(caller)
    ended = await caller.ended(run["id"])

    assert ended["status"] == "succeeded"
    assert await chain.units(town.agents["worker"].wallet.address) == 1_000
    assert await chain.units(payer) == 999_000
    assert await chain.ratings(town.agents["worker"].token_id) == (1, 100)
