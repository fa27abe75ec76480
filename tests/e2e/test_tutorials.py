"""The tutorials, each typed line by line as it stands, on a running mesh."""

import os
import re
import subprocess

import pytest
from eth_utils.crypto import keccak
from mesh_cli.embedded import EmbeddedMesh, Ports
from mesh_cli.parts import ROOT

pytestmark = pytest.mark.xdist_group("mesh")

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
STOPS = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"
PLACE = 7
"""Which of the mesh's ports for agents is nobody else's."""


def there(mesh: EmbeddedMesh, script: str) -> str:
    """The script as if the mesh were the one of `make dev`."""
    for service, port in Ports().services.items():
        script = script.replace(f"127.0.0.1:{port}", mesh.url(service).removeprefix("http://"))
    script = script.replace(".mesh/dev", str(mesh.state_dir)).replace("8390", str(mesh.ports.agent(PLACE)))
    urls = f"--gateway-url {mesh.url('security-gateway')} --registry-url {mesh.url('registry')}"
    return script.replace("--state-dir", f"{urls} --state-dir")


def blocks(tutorial: str) -> list[str]:
    """What it says to type."""
    return BLOCK.findall((ROOT / "docs" / "tutorials" / f"{tutorial}.md").read_text())


def typed(mesh: EmbeddedMesh, tutorial: str, *more: str) -> str:
    """What its commands print, and `more` after them, of which none may fail."""
    script = there(mesh, "".join([*blocks(tutorial), *more]))
    known = {"MESH_FIRST_PORT": str(mesh.ports.first), "MESH_API_KEY_FILE": str(mesh.admin_key_file)}
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", f"{STOPS}\n{script}"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
        env=dict(os.environ) | known | {"COLUMNS": "200"},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.again
def test_an_agent_of_one_s_own_is_registered_hired_and_paid_and_is_itself_when_started_again(
    mesh: EmbeddedMesh,
):
    start, look = blocks("your-own-agent")[1:3]
    said = typed(mesh, "your-own-agent", "kill %1\nwait %1 || true\n", start, look)

    assert "HELLO MESH" in said
    assert "success" in said
    assert "succeeded, 5000 base units" in said
    assert '"transactionHash":"0x' in said
    assert said.count(f'"agentId":"0x{keccak(text="you/shout").hex()}"') == 2


@pytest.mark.again  # each command by itself: test_command_line.py
def test_an_agent_is_hired_and_a_result_that_was_not_what_was_asked_for_is_refused(mesh: EmbeddedMesh):
    said = typed(mesh, "hire-an-agent")

    assert "succeeded, 0 base units" in said
    assert '"totalProjects": 10' in said
    assert '"status":"failed"' in said
    assert '"reason":"poor-quality"' in said


def test_a_secret_is_used_by_an_agent_that_never_sees_it(mesh: EmbeddedMesh):
    said = typed(mesh, "proxy-a-secret")

    assert "this API wants its token" in said
    assert '{"city":"Oslo","degrees_celsius":4,"sky":"overcast"}' in said
    assert "/problems/grant-missing" in said
    assert '"valid":true' in said
    assert "sk-only-the-gateway-knows" not in said


@pytest.mark.again  # each command by itself: test_command_line.py
def test_a_page_is_deployed_for_a_reason_and_its_deposit_comes_back(mesh: EmbeddedMesh):
    said = typed(mesh, "deploy-a-page")

    assert "Cheapest of 5 that met the terms." in said
    assert "is below the floor" in said
    assert "uACT came back" in said


@pytest.mark.again  # each command by itself: test_command_line.py
def test_what_a_change_affects_is_said_with_the_way_to_it(mesh: EmbeddedMesh):
    said = typed(mesh, "analyse-a-workspace")

    assert "Found 10 projects, 6 affected by recent changes." in said
    assert "api > cart > pricing" in said
