"""A tutorial, typed line by line as it stands, on a running mesh."""

import os
import re
import subprocess

import pytest
from mesh_cli.embedded import EmbeddedMesh, Ports
from mesh_cli.parts import ROOT

pytestmark = pytest.mark.xdist_group("mesh")

PAGE = (ROOT / "docs" / "tutorials" / "your-own-agent.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PLACE = 7
"""Which of the mesh's ports for agents is nobody else's."""


def there(mesh: EmbeddedMesh, script: str) -> str:
    """The script as if the mesh were the one of `make dev`."""
    for service, port in Ports().services.items():
        script = script.replace(f"127.0.0.1:{port}", mesh.url(service).removeprefix("http://"))
    script = script.replace(".mesh/dev", str(mesh.state_dir)).replace("8390", str(mesh.ports.agent(PLACE)))
    urls = f"--gateway-url {mesh.url('security-gateway')} --registry-url {mesh.url('registry')}"
    return script.replace("--state-dir", f"{urls} --state-dir")


def test_an_agent_of_one_s_own_is_registered_hired_and_paid(mesh: EmbeddedMesh):
    script = there(mesh, "".join(BLOCKS))
    known = {"MESH_FIRST_PORT": str(mesh.ports.first), "MESH_API_KEY_FILE": str(mesh.admin_key_file)}

    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", f"trap 'kill $!' EXIT\n{script}"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
        env=dict(os.environ) | known | {"COLUMNS": "200"},
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "HELLO MESH" in done.stdout
    assert "success" in done.stdout
    assert "succeeded, 5000 base units" in done.stdout
    assert '"transactionHash":"0x' in done.stdout
