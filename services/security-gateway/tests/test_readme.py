"""The README tells what there is: every route, setting and file; and what it says to paste works."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mesh_cli import parts
from mesh_security_gateway.app import create_app
from mesh_security_gateway.settings import Settings
from mesh_shared.settings import ServiceSettings

if TYPE_CHECKING:
    from conftest import Operator

HOME = Path(__file__).parents[1]
README = (HOME / "README.md").read_text()
OF_EVERY_SERVICE = ("/livez", "/readyz", "/metrics", "/v1/events", "/.well-known/agent-card.json", "/a2a/")


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    return create_app(Settings.model_validate({"state_dir": tmp_path})).openapi()


def test_every_route_is_told_and_no_other(document: dict[str, Any]):
    told = set(re.findall(r"`([A-Z]+) (/[^`]+)`", README.partition("## Endpoints")[2]))

    routes = {
        ("ANY" if path.startswith("/v1/proxy/") else method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if not path.startswith(OF_EVERY_SERVICE) and path != "/actions"
    }
    assert told == routes


def test_every_setting_of_ours_is_told_and_no_other():
    own = {name.upper() for name in Settings.model_fields.keys() - ServiceSettings.model_fields.keys()}
    table = README.partition("## Settings")[2].partition("## Tests")[0]

    told = set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE))
    assert told == own | {"STATE_DIR", "PORT"}


def test_everything_that_it_points_to_is_there():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    sections = {f"#{heading.lower().replace(' ', '-')}" for heading in re.findall(r"^#+ (.+)$", README, re.M)}

    assert links
    assert not [link for link in links if link not in sections and not (HOME / link).exists()]


def pasted(url: str, admin_key: Path) -> str:
    """What the page says to paste, in its order, as if the mesh of `make dev` were the gateway at `url`."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.partition("## Tests")[0], re.MULTILINE | re.DOTALL)
    port, upstream = str(parts.free_port()), HOME.parents[1] / "examples" / "agents" / "upstream.py"
    is_up = f"until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2> /dev/null; do sleep 0.05; done"
    blocks[0] += f"trap 'kill '$! EXIT\n{is_up}\n"
    script = "".join(blocks).replace("8390", port).replace("http://127.0.0.1:8374", url)
    script = script.replace(".mesh/dev/security-gateway/admin.key", str(admin_key))
    return script.replace("python examples/agents/upstream.py", f"{sys.executable} {upstream}")


@pytest.mark.again
async def test_what_it_says_to_paste_leads_from_the_first_secret_to_a_verified_record(
    operator_live: Operator, state_dir: Path, tmp_path: Path
):
    script = pasted(str(operator_live.http.base_url).rstrip("/"), state_dir / "admin.key")
    process = await asyncio.create_subprocess_exec(
        *("/bin/bash", "-euo", "pipefail", "-c", script),
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = (each.decode() for each in await process.communicate())

    assert (process.returncode, complaints) == (0, "")
    assert '{"city":"Oslo","degrees_celsius":4,"sky":"overcast"}' in said
    assert "x-mesh-gateway-error: grant_missing" in said
    assert said.count('"type":"/problems/') == 1
    assert re.search(r"mesh-audit-[0-9a-f]{8}: \d+ entries hold, root [0-9a-f]{64}$", said, re.MULTILINE)
    assert "sk-only-the-gateway-knows" not in said
