"""What the README shows and lists is what there is."""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from mesh_shared.settings import ServiceSettings
from mesh_shared.testing import served
from mesh_workspace_analyzer.actions import PLUGIN
from mesh_workspace_analyzer.events import AnalysisCompleted, BuildFinished
from mesh_workspace_analyzer.settings import Settings

HOME = Path(__file__).parents[1]
README = (HOME / "README.md").read_text()
OF_EVERY_SERVICE = ("/livez", "/readyz", "/metrics", "/v1/events", "/problems", "/.well-known", "/a2a")


def block(language: str) -> str:
    """The first code block of that language."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


def timeless(text: str) -> str:
    return re.sub(r"\d+\.\d s", "… s", text)


@pytest.mark.again
async def test_the_journey_from_a_workspace_to_a_build_is_as_it_is_told(
    make_app: Callable[..., FastAPI], caller: dict[str, str], storefront: Path, nx: Path
):
    async with served(make_app(allow_builds=True)) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            block("python"),
            env={
                "PATH": os.environ["PATH"],
                "ANALYZER": url,
                "TOKEN": caller["Authorization"].removeprefix("Bearer "),
            },
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), timeout=120)

    assert timeless(output.decode()) == timeless(block("text"))


def test_every_route_is_told_and_no_other(app: FastAPI):
    told = set(re.findall(r"^\| `([A-Z]+) (/[^`]+)`", README, re.MULTILINE))

    routes = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if not path.startswith(OF_EVERY_SERVICE) and path not in ("/actions", "/actions/{name}")
    }
    assert told == routes


def test_every_scope_is_the_one_that_is_needed():
    rows = dict(
        re.findall(r"^\| `POST /actions/(\w+)` \| `actions:invoke`, `([\w:]+)`", README, re.MULTILINE)
    )

    assert rows == {action.name: action.scope for action in PLUGIN.actions}


def test_every_setting_is_told_with_its_default():
    own = Settings.model_fields.keys() - ServiceSettings.model_fields.keys() | {"port"}
    table = README.partition("## Settings")[2].partition("## Not yet")[0]

    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", table, re.MULTILINE))

    assert rows.keys() == {name.upper() for name in own}
    for name in own - {"workspace_roots", "git_hosts", "nx_modules_dir"}:
        assert rows[name.upper()] == f"{Settings.model_fields[name].default}".lower(), name


def test_every_event_is_told():
    assert {AnalysisCompleted.topic, BuildFinished.topic} == set(
        re.findall(r"`(workspace-analyzer\.[\w.-]+)`", README)
    )


def test_every_file_that_it_points_to_is_there():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)

    assert links
    assert not [link for link in links if not (HOME / link.partition("#")[0]).exists()]


def test_what_happens_to_bad_input_is_proved_by_tests_that_are_there():
    table = README.partition("## Bad input")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]

    assert len(rows) == 19
    for row in rows:
        proofs = re.findall(r"\]\(([^)#]+)#(\w+)\)", row)
        assert proofs, row
        missing = [name for path, name in proofs if f"def test_{name}(" not in (HOME / path).read_text()]
        assert not missing, row
