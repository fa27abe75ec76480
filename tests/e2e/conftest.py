from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mesh_cli.demo import cast
from mesh_cli.demo.stage import Stage


@pytest.fixture
async def weather(stage: Stage, tmp_path: Path) -> AsyncIterator[str]:
    """An API that wants a token, and the gateway's connection "row-g" to it; yields the token."""
    port = stage.mesh.ports.agent(5)
    token = cast.start_upstream(stage, port, tmp_path / "token")
    provider = {
        "name": "row-g",
        "origin": f"http://127.0.0.1:{port}",
        "injector": {"kind": "bearer"},
        "allow_private": True,
    }
    connection = {"name": "row-g", "provider": "row-g", "secret": token}
    grant = {"subject": "admin", "connection": "row-g", "methods": ["GET"], "paths": ["/v1/weather/*"]}
    await stage.ask("POST", "security-gateway", "/v1/providers", json=provider)
    await stage.ask("POST", "security-gateway", "/v1/connections", json=connection)
    await stage.ask("POST", "security-gateway", "/v1/grants", json=grant)
    yield token
    stage.mesh.stop("upstream")
