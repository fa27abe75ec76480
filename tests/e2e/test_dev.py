"""`mesh dev` as nobody should leave it: killed, and everything that it runs with it."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGKILL

import pytest
from mesh_cli import parts, processes
from mesh_cli.embedded import EmbeddedMesh, Ports
from mesh_client import Addresses, Mesh

pytestmark = [pytest.mark.xdist_group("mesh"), pytest.mark.again, pytest.mark.timeout(300)]

START_S = 120
METADATA = {
    "endpoint": "https://agent.example",
    "description": "Outlives a kill.",
    "capabilities": ["agent.outlive"],
    "toolDefinitions": [],
    "reputationHistory": [],
}


@asynccontextmanager
async def dev(mesh: EmbeddedMesh) -> AsyncGenerator[Mesh, None]:
    """The client of a `mesh dev` in the folder and at the ports of `mesh`; all of it is killed at the end."""
    where = ["--first-port", str(mesh.ports.first), "--state-dir", str(mesh.state_dir)]
    argv, log = [sys.executable, "-m", "mesh_cli", "dev", *where], mesh.state_dir / "dev.log"
    log.unlink(missing_ok=True)
    running = processes.start("mesh dev", argv, log)
    try:
        await asyncio.to_thread(running.wait_until, lambda: "Ctrl-C stops" in running.tail(), START_S)
        async with Mesh.connect(mesh.admin_key_file, Addresses.row(mesh.ports.first)) as client:
            yield client
    finally:
        running.stop(SIGKILL)
        await until(lambda: all(map(parts.is_port_free, mesh.ports.all.values())))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.05)


async def register(client: Mesh, name: str) -> str:
    return (await client.registry.register(name, METADATA | {"name": name})).agent_id


async def test_agents_outlive_a_kill_of_everything_and_others_come_after_it(
    tmp_path: Path, other_ports: Ports
):
    mesh = EmbeddedMesh(tmp_path, other_ports)
    async with dev(mesh) as client:
        agent_id = await register(client, "before")
        await until(lambda: mesh.chain.file.exists() and agent_id in mesh.chain.file.read_text())

    async with dev(mesh) as client:
        assert (await client.registry.agent(agent_id)).name == "before"
        assert await register(client, "after") != agent_id
