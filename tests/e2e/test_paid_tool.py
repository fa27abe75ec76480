"""A tool that wants an API key: the coordinator hires it, the gateway has the key, nobody else sees it."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from eth_utils.crypto import keccak
from mesh_cli.demo.stage import Stage

pytestmark = pytest.mark.xdist_group("mesh")

CONNECTION = "paid-tool"
NAME = "tools/translator"


@pytest.fixture
async def key(paid_tool: str) -> AsyncIterator[str]:
    """The key of the tool, which runs and gives back whatever header fields it was called with."""
    secret = secrets.token_urlsafe(24)
    endpoint = urlsplit(paid_tool)

    async def translate(request: web.Request) -> web.Response:
        if request.headers.get("X-Api-Key") != secret:
            return web.Response(status=403)
        data = {"heard": dict(request.headers), "translated": "bonjour"}
        return web.json_response({"content": {"success": True, "data": data}})

    app = web.Application()
    app.router.add_post(f"{endpoint.path}/actions/TRANSLATE", translate)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, endpoint.hostname, endpoint.port).start()
    yield secret
    await runner.cleanup()


async def listed(stage: Stage, endpoint: str) -> str:
    """The tool's id in the registry, where it works for nothing."""
    tool = {
        "name": "TRANSLATE",
        "description": "Translates a text.",
        "capability": "text.translate",
        "parameters": {"type": "object"},
        "price": "0",
    }
    metadata = {
        "name": "translator",
        "description": "Translates.",
        "endpoint": endpoint,
        "capabilities": ["text.translate"],
        "toolDefinitions": [tool],
        "reputationHistory": [],
    }
    body = {"id": NAME, "metadata": metadata, "stake": "0"}
    await stage.ask("POST", "registry", "/v1/agents?wait=confirmed", key=NAME, json=body)
    return "0x" + keccak(text=NAME).hex()


async def connected(stage: Stage, endpoint: str, key: str) -> None:
    injector = {"kind": "header", "name": "X-Api-Key"}
    provider = {
        "name": CONNECTION,
        "origin": endpoint,
        "injector": injector,
        "allow_private": True,
    }
    await stage.ask("POST", "security-gateway", "/v1/providers", json=provider)
    connection = {"name": CONNECTION, "provider": CONNECTION, "secret": key}
    await stage.ask("POST", "security-gateway", "/v1/connections", json=connection)


def files(stage: Stage) -> list[Path]:
    """All that the services have written, and said."""
    return [path for path in stage.mesh.state_dir.rglob("*") if path.is_file()]


async def test_a_tool_is_hired_with_a_key_that_the_coordinator_never_sees(
    stage: Stage, paid_tool: str, key: str
):
    call = {
        "agent_id": await listed(stage, paid_tool),
        "capability": "text.translate",
        "action": "TRANSLATE",
        "parameters": {"text": "hello"},
    }
    await connected(stage, paid_tool, key)
    refused = (await stage.ask("POST", "coordinator", "/v1/execute", key="without-grant", json=call)).body
    grant = {
        "subject": "coordinator",
        "connection": CONNECTION,
        "methods": ["POST"],
        "paths": ["/actions/*"],
    }
    await stage.ask("POST", "security-gateway", "/v1/grants", json=grant)

    outcome = (await stage.ask("POST", "coordinator", "/v1/execute", key="with-grant", json=call)).body

    assert (refused["economicOutcome"], refused["failure"]) == ("refunded", "not-let-through")
    assert outcome["economicOutcome"] == "success"
    assert outcome["result"]["translated"] == "bonjour"
    assert outcome["result"]["heard"]["X-Api-Key"].strip() == "[***]"
    assert not [path for path in files(stage) if key.encode() in path.read_bytes()]
