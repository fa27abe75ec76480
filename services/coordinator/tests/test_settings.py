"""What the service is told at start, and what it says when that is not usable."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from mesh_coordinator.settings import MAX_UNITS, Settings
from pydantic import ValidationError

if TYPE_CHECKING:
    from pathlib import Path

    from callers import Caller
    from towns import Town


def told(state_dir: Path, **more: Any) -> Settings:
    return Settings(state_dir=state_dir, contracts_file=state_dir / "contracts.json", **more)


def test_keys_and_database_are_in_the_state_folder_unless_they_are_told_elsewhere(tmp_path: Path):
    settings = told(tmp_path, evaluator_key_file=tmp_path / "elsewhere")

    assert settings.chain_key_file == tmp_path / "chain.key"
    assert settings.evaluator_key_file == tmp_path / "elsewhere"
    assert settings.database_address() == f"sqlite+aiosqlite:///{tmp_path}/coordinator.db"
    assert (settings.port, settings.public_url) == (8372, "http://127.0.0.1:8372")


def test_settings_are_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MESH_MAX_RUN_BUDGET", "5")
    monkeypatch.setenv("MESH_PARALLEL_STEPS", "3")

    settings = told(tmp_path)

    assert (settings.max_run_budget, settings.parallel_steps) == (5, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_run_budget": MAX_UNITS + 1},
        {"max_run_budget": -1},
        {"parallel_steps": 0},
        {"parallel_attempts": 0},
        {"attempts_per_step": 11},
        {"max_answer_bytes": 10},
        {"submit_window_s": 1},
        {"review_window_s": 1},
        {"chain_patience_s": 0},
        {"port": 70_000},
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(tmp_path: Path, wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        told(tmp_path, **wrong)


@pytest.mark.again  # of all services: shared/tests/test_serve.py
def test_a_process_without_usable_settings_ends_with_a_line_for_each(tmp_path: Path):
    environment = {"MESH_PARALLEL_STEPS": "none", "PATH": os.environ["PATH"]}

    done = subprocess.run(
        [sys.executable, "-m", "mesh_coordinator"],
        env=environment,
        capture_output=True,
        check=False,
        timeout=60,
    )

    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert {line.partition(":")[0] for line in lines} == {
        "MESH_STATE_DIR",
        "MESH_CONTRACTS_FILE",
        "MESH_PARALLEL_STEPS",
    }


async def test_its_keys_are_its_own_and_nobody_else_can_read_them(caller: Caller, state_dir: Path):
    files = {name: state_dir / name for name in ("chain.key", "evaluator.key")}

    secrets = {name: path.read_text() for name, path in files.items()}

    assert len(set(secrets.values())) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}


async def test_no_answer_log_or_row_holds_a_key(
    caller: Caller, town: Town, state_dir: Path, caplog: pytest.LogCaptureFixture
):
    await town.hire_sample("quick")
    step = {"id": "a", "capability": "text.summarize", "parameters": {"text": "A. B."}}

    run = await caller.run({"task": "t", "requirements": [step]})
    answers = [
        (await caller.http.get(path)).text
        for path in (
            "/v1/runs",
            f"/v1/runs/{run['id']}",
            "/v1/events",
            "/actions",
            "/metrics",
            "/openapi.json",
        )
    ]

    stored = b"".join(path.read_bytes() for path in state_dir.glob("coordinator.db*"))
    for name in ("chain.key", "evaluator.key", "service.key"):
        secret = (state_dir / name).read_text()
        assert not [text for text in (*answers, caplog.text) if secret in text or secret[2:] in text]
        assert secret.encode() not in stored
        assert secret[2:].encode() not in stored
