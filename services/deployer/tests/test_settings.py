"""What the deployer is told at start, and what it says when that is not usable."""

from __future__ import annotations

import asyncio
import os
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from mesh_deployer.service.driver import CLAIM
from mesh_deployer.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


async def start(state_dir: Path, **settings: str) -> tuple[int, str]:
    """Exit code and output of a process that is not expected to go on."""
    environment = {"PATH": os.environ["PATH"], "MESH_STATE_DIR": str(state_dir)} | settings
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mesh_deployer",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.again  # of all services: shared/tests/test_serve.py
async def test_settings_that_are_not_usable_are_one_line_each_and_no_traceback(tmp_path: Path):
    code, output = await start(
        tmp_path, MESH_DEPOSIT_UACT="1", MESH_REPUTATION_FLOOR="2", MESH_STEP_TIMEOUT_S="51", MESH_PORT="0"
    )

    lines = output.splitlines()
    assert code == 2
    assert sorted(line.partition(":")[0] for line in lines) == [
        "MESH_DEPOSIT_UACT",
        "MESH_PORT",
        "MESH_REPUTATION_FLOOR",
        "MESH_STEP_TIMEOUT_S",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bid_window_s", -1),
        ("bid_deadline_s", 0),
        ("manifest_deadline_s", 0),
        ("step_timeout_s", 0),
        ("watch_s", 0),
        ("sweep_s", 0),
        ("block_time_s", 0),
        ("usd_per_act", 0),
        ("parallel_deployments", 0),
        ("parallel_deployments", 101),
        ("reputation_floor", -0.1),
        ("deposit_uact", 499_999),
    ],
)
def test_a_setting_has_bounds(tmp_path: Path, name: str, value: float):
    with pytest.raises(ValueError, match=name):
        Settings.model_validate({"state_dir": tmp_path, name: value})


def test_money_and_time_are_read_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MESH_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("MESH_BLOCK_TIME_S", "6.174")
    monkeypatch.setenv("MESH_USD_PER_ACT", "0.1")

    settings = Settings()  # pyright: ignore[reportCallIssue] - the environment has the rest

    assert (settings.block_time_s, settings.usd_per_act) == (Decimal("6.174"), Decimal("0.1"))


def test_a_step_can_never_outlast_the_claim_that_it_is_done_under():
    (bound,) = [m.le for m in Settings.model_fields["step_timeout_s"].metadata if hasattr(m, "le")]

    assert bound < CLAIM.total_seconds()
