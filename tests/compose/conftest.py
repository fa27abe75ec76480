"""The mesh as `make up` runs it, under a name and on ports of its own, so that nobody's mesh is touched."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from composed import (
    FOREIGN,
    HERE,
    INSIDE,
    PROJECT,
    Stack,
    build_what_cannot_be_pulled,
    engine_is_missing,
    own_ports,
)
from mesh_cli.parts import ROOT
from mesh_shared import http


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All of it, until the last test here has run: the probes alone take a fifth of a core."""
    if why := engine_is_missing():
        pytest.skip(f"the mesh of docker-compose.yml was not run: {why}")
    folder = tmp_path_factory.mktemp("compose")
    build_what_cannot_be_pulled(folder / "images")
    file, ports = own_ports(folder)
    stack = Stack([ROOT / "docker-compose.yml", file, HERE / "agent.yml"], ports, folder / "secrets")
    (ROOT / ".mesh" / "workspaces").mkdir(parents=True, exist_ok=True)
    try:
        stack.up()
        stack.key_file = folder / "admin.key"
        stack.key_file.write_text(stack.compose("exec", "security-gateway", "cat", "/var/lib/mesh/admin.key"))
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--timeout", "2")


@pytest.fixture
async def stack(containers: Stack) -> AsyncIterator[Stack]:
    """All of it, ready, whatever the test before has done."""
    containers.compose("start", *FOREIGN, *INSIDE)
    async with http.client() as client:
        containers.http = client
        await containers.until(containers.is_whole)
        yield containers


@pytest.fixture
async def agent(stack: Stack) -> str:
    """The id of the sample agent that summarizes, funded, listed and at work."""
    body = {"subject": "demo/careful", "scopes": ["registry:write"]}
    made = await stack.ask("POST", "security-gateway", "/v1/api-keys", json=body)
    entrypoint = ["--rm", "--no-deps", "--no-TTY", "--entrypoint", "sh", "agent", "-euc"]
    stack.compose("run", *entrypoint, "umask 077; cat > /agent/mesh.key", said=made["key"])
    files = ["--rpc-url=http://anvil:8545", "--out=/run/mesh/contracts/contracts.json"]
    fund = ["--fund-key=/agent/wallet.key:100000000"]
    script = ["python", "/contracts/script/deploy.py", *files, *fund]
    volumes = ["--volume", f"{PROJECT}_agent:/agent", "--user", "0:0", "--cap-add", "DAC_OVERRIDE"]
    stack.compose("run", "--rm", "--no-deps", *volumes, "contracts", *script)
    stack.compose("up", "--detach", "--no-deps", "agent")

    async def look() -> str | None:
        page = await stack.ask("GET", "registry", "/v1/agents", params={"capability": "text.summarize"})
        return page["items"][0]["agentId"] if page["items"] else None

    return await stack.until(look)


@pytest.fixture(scope="session")
def workspace() -> Iterator[str]:
    """An example workspace with its history, where the analyzer's container reads it."""
    name = "compose-test"
    folder = ROOT / ".mesh" / "workspaces" / name
    shutil.rmtree(folder, ignore_errors=True)
    script = ROOT / "examples" / "workspaces" / "history.py"
    subprocess.run([sys.executable, script, "storefront", folder], check=True, capture_output=True)
    yield name
    shutil.rmtree(folder)
