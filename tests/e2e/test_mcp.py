"""`mesh mcp` on a running mesh, as a client of the Model Context Protocol has it."""

import json
import re
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from mesh_cli.embedded import EmbeddedMesh
from mesh_client import Addresses, Mesh

pytestmark = pytest.mark.xdist_group("mesh")

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
CONFIG = next(iter(re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)))


@pytest.fixture
async def client(mesh: EmbeddedMesh) -> AsyncIterator[Any]:
    """A client of the server, in one process: the import alone takes seconds, so it is not collected."""
    tools = import_module("mesh_cli.remote.tools")
    async with (
        Mesh.connect(mesh.admin_key_file, Addresses.row(mesh.ports.first)) as connected,
        import_module("fastmcp").Client(await tools.server_of(connected)) as client,
    ):
        yield client


async def test_every_action_of_every_service_is_a_tool_with_its_description(client: Any, mesh: EmbeddedMesh):
    async with httpx.AsyncClient() as http:
        plugins = [(await http.get(f"{mesh.url(name)}/actions")).json() for name in mesh.ports.services]

    tools = {tool.name: tool.description for tool in await client.list_tools()}

    assert tools == {one["name"]: one["description"] for plugin in plugins for one in plugin["actions"]}
    assert {"DISCOVER_AGENTS", "COORDINATE_AGENTS", "DEPLOY_AGENT", "SECURE_OPERATION"} <= tools.keys()


async def test_a_tool_tells_its_parameters(client: Any):
    tools = {tool.name: tool.input_schema for tool in await client.list_tools()}

    assert {"workspace", "base"} <= tools["FIND_AFFECTED_PROJECTS"]["properties"].keys()


async def test_a_refusal_of_the_action_is_the_call_s_error_with_its_code(client: Any):
    result = await client.call_tool("FIND_AFFECTED_PROJECTS", {"workspace": "nowhere"}, raise_on_error=False)

    assert result.is_error
    assert result.structured_content["error"]["code"] == "workspace-not-found"


async def test_parameters_that_do_not_do_are_named(client: Any):
    result = await client.call_tool("FIND_AFFECTED_PROJECTS", {"workspace": 7}, raise_on_error=False)

    assert result.is_error
    assert "/parameters/workspace" in result.content[0].text


async def test_a_client_that_is_set_up_as_the_page_says_has_an_action_done(
    mesh: EmbeddedMesh, storefront: str
):
    config = json.loads(CONFIG)
    server = config["mcpServers"]["mesh"]
    server["command"] = str(Path(sys.executable).with_name("mesh"))
    server["env"] = {"MESH_FIRST_PORT": str(mesh.ports.first), "MESH_API_KEY_FILE": str(mesh.admin_key_file)}

    async with import_module("fastmcp").Client(config) as client:
        result = await client.call_tool("FIND_AFFECTED_PROJECTS", {"workspace": storefront})

    assert result.content[0].text.startswith("6 of 10 projects are affected.\n{")
    assert len(result.structured_content["data"]["affectedProjects"]) == 6
