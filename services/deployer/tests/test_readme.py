"""What the README shows and lists is what there is."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mesh_deployer.settings import Settings
from mesh_shared.settings import ServiceSettings
from mesh_shared.testing import served

if TYPE_CHECKING:
    from fastapi import FastAPI

ROOT = Path(__file__).parents[3]
README = (Path(__file__).parents[1] / "README.md").read_text()


async def test_the_example_runs_and_prints_what_it_shows(sqlite_app: FastAPI, headers: dict[str, str]):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    token = headers["Authorization"].removeprefix("Bearer ")

    async with served(sqlite_app) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TOKEN": token, "DEPLOYER": url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()
    printed = output.decode().splitlines()
    assert printed[0] == shown.splitlines()[0]
    assert {line.split()[0] for line in printed} == {line.split()[0] for line in shown.splitlines()} - {
        "page:"
    }
    reasons = [line for line in shown.splitlines() if "Reputation" in line]
    assert len([line for line in printed if "Reputation" in line]) == len(reasons)


def test_every_setting_of_ours_is_listed():
    ours = Settings.model_fields.keys() - ServiceSettings.model_fields.keys()

    listed = set(re.findall(r"`([A-Z_]{4,})`", README.partition("## Settings")[2]))

    assert {name.upper() for name in ours} == listed


def test_every_route_of_ours_is_listed(sqlite_app: FastAPI):
    paths = sqlite_app.openapi()["paths"]
    ours = {
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if "/v1/" in path
    }

    listed = set(re.findall(r"`((?:GET|POST) /v1/[^`…]*)`", README.partition("## Endpoints")[2]))

    assert listed == ours
