"""One embedded mesh for everything that is proved over real processes and real HTTP.

Tests that use it are of the group "mesh", so that one worker runs them all and it is started once. When these
have run, it ends: it would take a tenth of a core from whatever runs next.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from mesh_cli import parts
from mesh_cli.demo import cast
from mesh_cli.demo.cast import Player
from mesh_cli.demo.stage import Stage, open_stage
from mesh_cli.embedded import EmbeddedMesh, Ports, embedded
from rich.console import Console

ROW_LENGTH = 20
GROUP = "mesh"
running = ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None):
    # A worker runs a group at a stretch; one process alone runs file after file.
    if nextitem and hasattr(nextitem.config, "workerinput") and not _uses_mesh(nextitem):
        running.close()


def _uses_mesh(item: pytest.Item) -> bool:
    return any(mark.args == (GROUP,) for mark in item.iter_markers("xdist_group"))


def free_row() -> Ports:
    """A row of ports that nobody uses now."""
    rows = range(20_000, 30_000, ROW_LENGTH)
    return Ports(next(row for row in rows if all(map(parts.is_port_free, range(row, row + ROW_LENGTH)))))


@pytest.fixture(scope="session")
def row() -> Ports:
    """The ports of the mesh."""
    return free_row()


@pytest.fixture(scope="session")
def paid_tool(row: Ports) -> str:
    """The endpoint of a tool that the coordinator calls through the gateway."""
    return f"http://127.0.0.1:{row.agent(ROW_LENGTH // 4)}"


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory, row: Ports, paid_tool: str) -> Iterator[EmbeddedMesh]:
    more = {"coordinator": {"MESH_CONNECTIONS": json.dumps({paid_tool: "paid-tool"})}}
    with running:
        mesh = running.enter_context(embedded(tmp_path_factory.mktemp("mesh"), row, more=more))
        asyncio.run(listed(mesh))
        yield mesh


async def listed(mesh: EmbeddedMesh) -> None:
    """Returns when the services have listed themselves in the registry, which they do once they are up."""

    async def look() -> bool | None:
        page = await stage.ask("GET", "registry", "/v1/agents", params={"limit": 100})
        return {agent["endpoint"] for agent in page.body["items"]} >= expected or None

    expected = {mesh.url(service) for service in mesh.ports.services}
    async with open_stage(mesh, Console(quiet=True)) as stage:
        await stage.until("all services list themselves", look)


@pytest.fixture
async def stage(mesh: EmbeddedMesh) -> AsyncIterator[Stage]:
    """The admin's way to all services; a refusal is a `BrokenPromise` with the problem in it."""
    async with open_stage(mesh, Console(quiet=True)) as stage:
        yield stage


@pytest.fixture(scope="session")
def players(mesh: EmbeddedMesh) -> list[Player]:
    """The three sample agents, registered and at work."""

    async def hire() -> list[Player]:
        async with open_stage(mesh, Console(quiet=True)) as stage:
            return await cast.hire(stage)

    return asyncio.run(hire())


@pytest.fixture(scope="session")
def storefront(mesh: EmbeddedMesh) -> str:
    """A real Nx workspace with history, where the analyzer may read it."""
    cast.copy_workspace(mesh, "storefront")
    return "storefront"
