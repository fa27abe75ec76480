"""The journey of an agent that the registry's page tells: from a key pair to the first hire."""

import re
import subprocess

import pytest
from mesh_cli.embedded import EmbeddedMesh, Ports
from mesh_cli.parts import ROOT, free_port

PAGE = (ROOT / "services" / "registry" / "README.md").read_text()
FOUND = "found:"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def shape(text: str) -> list[str]:
    """The lines without what each journey has of its own."""
    return [re.sub(r"0x[0-9a-fA-F]+|bafkrei\w+", "…", line) for line in text.splitlines()]


@pytest.mark.xdist_group("mesh")
def test_the_commands_of_the_page_lead_from_a_key_pair_to_the_first_hire(mesh: EmbeddedMesh):
    setting, python, told = blocks("sh")[0], "".join(blocks("python")[:2]), "".join(blocks("text")[:2])
    script = f"{setting}\npython - <<'END'\n{python}\nEND\n"
    for service, port in Ports().services.items():
        script = script.replace(f"127.0.0.1:{port}", mesh.url(service).removeprefix("http://"))
    script = script.replace(".mesh/dev", str(mesh.state_dir))
    script = script.replace("8398", str(free_port()))

    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    # Other agents of this mesh may be found as well.
    made, expected = shape(done.stdout), shape(told)
    assert [line for line in made if not line.startswith(FOUND)] == [
        line for line in expected if not line.startswith(FOUND)
    ]
    assert {line for line in expected if line.startswith(FOUND)} <= set(made)
