"""The page that introduces the service is true."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mesh_registry.settings import Settings
from mesh_shared.chain.settings import ChainServiceSettings
from mesh_shared.settings import ServiceSettings
from mesh_shared.testing import served

if TYPE_CHECKING:
    from unaided import Chain

    from conftest import MakeApp

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(language: str) -> str:
    """The first code block of that language."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


async def test_the_journey_from_a_key_pair_to_being_found_needs_the_registry_alone(
    make_app: MakeApp, chain: Chain, operator: str, writer: dict[str, str]
):
    async with served(make_app()) as url:
        token = writer["Authorization"].removeprefix("Bearer ")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            block("python"),
            env={"REGISTRY": url, "TOKEN": token},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()

    shape = re.sub(r"0x[0-9a-fA-F]+|bafkrei\w+", "…", output.decode())
    assert shape == re.sub(r"0x[0-9a-fA-F]+|bafkrei\w+", "…", block("text"))
    assert await chain.total_agents() == 1


def test_every_route_of_the_registry_is_named(make_app: MakeApp, chain: Chain):
    common = ("/v1/events", "/actions", "/problems", "/livez", "/readyz", "/metrics", "/.well-known", "/a2a")
    paths = make_app().openapi()["paths"]

    routes = {
        f"`{method.upper()} {path}`"
        for path, methods in paths.items()
        for method in methods
        if not path.startswith(common) or path.startswith("/actions/")
    }

    assert {route for route in routes if route not in README} == set()


def test_every_setting_of_the_registry_is_named_with_its_default():
    own = set(Settings.model_fields) - set(ServiceSettings.model_fields)
    required = {"state_dir"} | {n for n, field in Settings.model_fields.items() if field.is_required()}

    rows = dict(re.findall(r"^\| `MESH_(\w+)` \| (.*?) \|", README, re.MULTILINE))

    assert {name.upper() for name in own | required} <= rows.keys()
    assert {name for name, default in rows.items() if default == "required"} == {n.upper() for n in required}
    for name in ("chain_id", "max_content_bytes", "confirmations", "finality", "index_poll_s", "port"):
        assert rows[name.upper()] == str(Settings.model_fields[name].default)
    assert issubclass(Settings, ChainServiceSettings)
