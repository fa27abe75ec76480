"""`mesh` as a person uses it on a running mesh."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mesh_cli.demo.cast import Player
from mesh_cli.embedded import EmbeddedMesh
from mesh_cli.main import app
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.xdist_group("mesh")

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
HELLO = ROOT / "examples" / "sdl" / "hello-web.yaml"
PAGE = (ROOT / "docs" / "command-line.md").read_text()
TOLD = re.findall(r"^mesh (.+)$", PAGE, re.MULTILINE)


@pytest.fixture(autouse=True)
def _same_interrupt() -> Iterator[None]:
    """A command takes SIGINT for itself; the test run keeps its own."""
    kept = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, kept)


@pytest.fixture
def run(mesh: EmbeddedMesh) -> Run:
    def run(*argv: str) -> Result:
        where = ["--first-port", str(mesh.ports.first), "--key-file", str(mesh.admin_key_file)]
        return CliRunner().invoke(app, [*argv, *where], env={"COLUMNS": "200"})

    return run


@pytest.fixture
def said(run: Run) -> Callable[..., Any]:
    """The one object that a command prints with --json."""

    def said(*argv: str) -> Any:
        result = run(*argv, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return said


def test_agents_are_listed_with_what_they_offer_for_how_much(run: Run, players: list[Player]):
    result = run("agents", "--capability", "text.summarize")

    assert result.exit_code == 0
    assert "careful" in result.stdout
    assert "SUMMARIZE (25000)" in result.stdout


def test_no_more_agents_are_listed_than_wanted(said: Callable[..., Any]):
    assert len(said("agents", "--limit", "2")) == 2


def test_a_plan_is_shown_and_nothing_is_spent(said: Callable[..., Any], players: list[Player]):
    plan = said("run", "Sum it up.", "-c", "text.summarize", "-p", '{"text":"One. Two."}', "--plan")

    assert plan["steps"][0]["candidates"]
    assert plan["price"] > 0


def test_a_task_is_done_watched_and_paid(run: Run, players: list[Player]):
    result = run("run", "Sum it up.", "-c", "text.summarize", "-p", '{"text":"One. Two."}')

    assert result.exit_code == 0, result.output
    assert "success" in result.stdout
    assert "succeeded, " in result.stdout


def test_a_task_that_nobody_can_do_ends_with_a_one(run: Run):
    result = run("run", "It.", "-c", "nobody.can", "--budget", "1")

    assert result.exit_code == 1


def test_parameters_that_are_no_json_are_a_wrong_call(run: Run):
    assert run("run", "It.", "-c", "text.summarize", "-p", "{").exit_code == 2


def test_an_sdl_file_is_deployed_every_bid_has_its_reason_and_the_deposit_comes_back(
    said: Callable[..., Any], run: Run
):
    made = said("deploy", str(HELLO), "--provider", "simulated")

    assert made["deployment"]["status"] == "active"
    assert all(bid["reason"] for bid in made["bids"]["items"])
    closed = run("undeploy", made["deployment"]["deploymentId"])
    assert closed.stdout.startswith("closed, ")


def test_a_workspace_is_analysed_with_the_way_of_every_change(run: Run, storefront: str):
    result = run("analyze", storefront, "--base", "main", "--head", "change")

    assert "Found 10 projects, 6 affected by recent changes." in result.stdout
    assert "api > cart > pricing" in result.stdout


@pytest.mark.parametrize("line", TOLD)
def test_what_its_page_says_to_type_works(line: str, run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MESH_PORT", "8375")
    monkeypatch.setenv("MESH_STATE_DIR", "/var/lib/mesh")
    argv = shlex.split(line)

    result = CliRunner().invoke(app, argv) if argv[0] == "config" else run(*argv)

    assert result.exit_code == 0, result.output


def test_its_page_names_every_command():
    listed = re.findall(r"│ ([a-z]+) ", CliRunner().invoke(app, ["--help"]).output)

    assert listed
    assert all(f"mesh {command}" in PAGE for command in listed)


def test_a_refusal_is_one_line_and_a_one(run: Run):
    result = run("analyze", "nowhere")

    assert result.exit_code == 1
    assert result.stderr.startswith("mesh: 404 ")
    assert "Traceback" not in result.output


def test_a_missing_key_says_where_to_get_one(mesh: EmbeddedMesh, tmp_path: Path):
    result = CliRunner().invoke(app, ["agents", "--key-file", str(tmp_path / "none.key")])

    assert result.exit_code == 1
    assert "start `mesh dev`, or name one by --key-file" in result.stderr


def test_events_are_shown_in_the_order_of_their_service(run: Run, mesh: EmbeddedMesh):
    lines = run("events", "--service", "registry", "--json").stdout.splitlines()

    numbers = [json.loads(line)["sequence"] for line in lines]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_service_that_is_none_has_no_events(run: Run):
    assert run("events", "--service", "weather").exit_code == 2


def test_events_go_on_until_an_interrupt(mesh: EmbeddedMesh):
    argv = [sys.executable, "-m", "mesh_cli", "events", "-f", "-s", "registry", "--json"]
    argv += ["--first-port", str(mesh.ports.first), "--key-file", str(mesh.admin_key_file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        first = json.loads(following.stdout.readline())
        following.send_signal(signal.SIGINT)
        following.stdout.read()

    assert first["sequence"] == 1
    assert following.returncode == 130
