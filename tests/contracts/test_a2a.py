"""Every service before the protocol's own judges: the a2a-sdk, and the compatibility kit where it is at hand.

The kit is `a2aproject/a2a-tck`, branch 1.0-dev: MESH_A2A_TCK names a checkout, MESH_A2A_TCK_PYTHON a Python
with its dependencies. It takes two minutes.
"""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import Message, Part, Role, SendMessageRequest, TaskState
from google.protobuf import json_format, struct_pb2
from httpx import AsyncClient, TransportError
from mesh_cli import parts
from mesh_cli.embedded import EmbeddedMesh
from mesh_shared import http
from mesh_shared.auth.session import Sessions

pytestmark = pytest.mark.xdist_group("mesh")

SERVICES = ["registry", "coordinator", "deployer", "security-gateway", "workspace-analyzer"]
AGENT = parts.ROOT / "examples" / "agents" / "compat_agent.py"
KIT = os.environ.get("MESH_A2A_TCK", "")
CARD_AND_ERRORS = [
    "agent_card",
    "jsonrpc/test_error_codes.py",
    "jsonrpc/test_error_info.py",
    "core_operations/test_error_handling.py",
]
needs_kit = pytest.mark.skipif(
    not KIT, reason="MESH_A2A_TCK names no checkout of a2aproject/a2a-tck, 1.0-dev"
)

# The kit has no option for credentials.
BEARER = """
import httpx

send = httpx.Client.send

def with_token(self, request, **options):
    request.headers["Authorization"] = "Bearer {token}"
    return send(self, request, **options)

httpx.Client.send = with_token
"""


async def token_for(mesh: EmbeddedMesh, service: str) -> str:
    async with http.client() as client:
        return await Sessions(client, mesh.url("security-gateway"), mesh.admin_key_file).token(service)


async def complaints(url: str, folder: Path, *tests: str, token: str) -> str:
    """What the kit says of the agent at `url`; empty when tests passed and none failed."""
    kit = folder / "kit"
    shutil.copytree(KIT, kit, ignore=shutil.ignore_patterns(".git", "reports", ".venv"))
    (kit / "bearer.py").write_text(BEARER.format(token=token))
    python = os.environ.get("MESH_A2A_TCK_PYTHON", sys.executable)
    options = ["-q", "-p", "bearer", f"--sut-host={url}", "--transport=jsonrpc,http_json", "--tb=short"]
    paths = [f"tests/compatibility/{test}" for test in tests or [""]]
    pipe, same = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(
        python, "-m", "pytest", *options, *paths, cwd=kit, stdout=pipe, stderr=same
    )
    report = (await process.communicate())[0].decode()
    return "" if process.returncode == 0 and " passed" in report else report


async def reachable(url: str) -> None:
    async with asyncio.timeout(60), AsyncClient() as client:
        while True:
            try:
                await client.get(f"{url}/.well-known/agent-card.json")
            except TransportError:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.parametrize("service", SERVICES)
async def test_the_sdk_reads_the_card_of_every_service(mesh: EmbeddedMesh, service: str):
    async with AsyncClient() as client:
        card = await A2ACardResolver(client, mesh.url(service)).get_agent_card()

    assert [interface.url for interface in card.supported_interfaces] == [f"{mesh.url(service)}/a2a/"]
    assert card.security_requirements[0].schemes["mesh"].list
    assert len(card.skills) > 0


async def test_the_sdk_s_client_finds_agents(mesh: EmbeddedMesh):
    bearer = {"Authorization": f"Bearer {await token_for(mesh, 'registry')}"}
    asked = {"action": "DISCOVER_AGENTS", "parameters": {"capability": "workspace.analyze"}}
    part = Part(data=json_format.ParseDict(asked, struct_pb2.Value()))
    async with AsyncClient(headers=bearer) as client:
        card = await A2ACardResolver(client, mesh.url("registry")).get_agent_card()
        registry = ClientFactory(ClientConfig(httpx_client=client, streaming=False)).create(card)
        message = Message(message_id="find", role=Role.ROLE_USER, parts=[part])

        (event,) = [e async for e in registry.send_message(SendMessageRequest(message=message))]

    assert event.task.status.state == TaskState.TASK_STATE_COMPLETED
    said = json_format.MessageToDict(event.task.artifacts[0].parts[0].data)
    assert said["content"]["data"]["agents"][0]["name"] == "workspace-analyzer"


@needs_kit
@pytest.mark.timeout(300)
@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_passes_the_kit_s_tests_of_cards_and_errors(
    mesh: EmbeddedMesh, service: str, tmp_path: Path
):
    token = await token_for(mesh, service)

    report = await complaints(mesh.url(service), tmp_path, *CARD_AND_ERRORS, token=token)

    assert report == "", report


@needs_kit
@pytest.mark.timeout(300)
async def test_the_example_agent_passes_the_kit(tmp_path: Path):
    port = parts.free_port()
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(AGENT), "--port", str(port), "--state-dir", str(tmp_path / "state")
    )
    try:
        await reachable(url)

        report = await complaints(url, tmp_path, token="none")
    finally:
        process.terminate()
        await process.wait()

    assert report == "", report
