"""What is wrong with an environment is said before anything is started with it."""

import json
from pathlib import Path

import pytest
from mesh_cli.main import app
from typer.testing import CliRunner, Result

ENOUGH = {"MESH_PORT": "8374", "MESH_STATE_DIR": "/var/lib/mesh"}
CANARY = "canary-7f3a"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def check(monkeypatch: pytest.MonkeyPatch, *argv: str, **environment: str) -> Result:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(app, ["config", "check", *argv])


def test_what_a_service_would_run_with_is_shown_with_its_defaults(monkeypatch: pytest.MonkeyPatch):
    shown = check(monkeypatch, "-s", "workspace-analyzer", **ENOUGH)

    assert shown.exit_code == 0
    assert "MESH_PORT=8374" in shown.output
    assert "MESH_ALLOW_BUILDS=False" in shown.output


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch):
    url = f"postgresql+asyncpg://mesh:{CANARY}@db/mesh"

    shown = check(monkeypatch, "-s", "registry", "--json", MESH_DATABASE_URL=url, **ENOUGH)

    assert CANARY not in shown.output


def test_what_would_not_start_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch):
    shown = check(monkeypatch, "-s", "workspace-analyzer", **ENOUGH | {"MESH_PORT": "99999"})

    assert shown.exit_code == 1
    assert "would not start: MESH_PORT: Input should be less than or equal to 65535" in shown.output


def test_a_wrong_value_is_not_repeated_as_it_may_be_a_secret(monkeypatch: pytest.MonkeyPatch):
    shown = check(monkeypatch, "-s", "workspace-analyzer", "--json", **ENOUGH | {"MESH_PORT": CANARY})

    assert json.loads(shown.output)["services"]["workspace-analyzer"]["flaws"][0]["setting"] == "port"
    assert CANARY not in shown.output


def test_a_variable_that_nobody_reads_is_told(monkeypatch: pytest.MonkeyPatch):
    shown = check(monkeypatch, "--json", MESH_REDIS_ULR="redis://redis", **ENOUGH)

    assert json.loads(shown.output)["unread"] == ["MESH_REDIS_ULR"]


def test_a_service_that_is_none_is_a_wrong_call(monkeypatch: pytest.MonkeyPatch):
    assert check(monkeypatch, "-s", "weather").exit_code == 2
