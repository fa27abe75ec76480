"""The `mesh` command says what went wrong in one line, and tells the shell by its exit code."""

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from mesh_cli import doctor, main, parts
from mesh_cli.demo.stage import BrokenPromise
from mesh_cli.embedded import EmbeddedMesh, Ports, PortTaken, StateTaken
from mesh_cli.main import app
from mesh_cli.parts import PartMissing
from mesh_cli.processes import ProcessDied
from mesh_cli.trouble import one_clear_line
from mesh_client import MeshError, Problem, Unreachable
from rich.console import Console
from typer.testing import CliRunner


@pytest.fixture(autouse=True)
def _same_interrupt() -> Iterator[None]:
    """A command takes SIGINT for itself; the test run keeps its own."""
    kept = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, kept)


def ended(*argv: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, argv)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "trouble", [PortTaken, StateTaken, PartMissing, ProcessDied, BrokenPromise, TimeoutError]
)
def test_trouble_is_one_line_and_a_one(trouble: type[Exception], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(typer.Exit) as ended, one_clear_line():
        raise trouble("The sun did not rise.")

    assert ended.value.exit_code == 1
    assert capsys.readouterr() == ("", "mesh: The sun did not rise.\n")


@pytest.mark.parametrize(
    ("trouble", "cure"),
    [
        (Unreachable("http://127.0.0.1:9004 does not answer."), "`make dev`"),
        (Problem(409, "no-requirement-recognised", "Send `requirements`.", (), None), "--capability"),
        (Problem(404, "run-not-found", "No such run.", (), None), "No such run.\n"),
    ],
)
def test_what_a_mesh_refuses_is_told_with_what_to_do(
    trouble: MeshError, cure: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(typer.Exit), one_clear_line():
        raise trouble

    (line,) = capsys.readouterr().err.splitlines(keepends=True)
    assert line.startswith(f"mesh: {trouble}")
    assert cure in line


def test_an_interrupt_is_what_shells_call_it(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(typer.Exit) as ended, one_clear_line():
        signal.raise_signal(signal.SIGINT)

    assert ended.value.exit_code == 128 + signal.SIGINT
    assert capsys.readouterr() == ("", "")


def test_a_mesh_in_the_background_hears_an_interrupt_that_its_shell_had_switched_off():
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with pytest.raises(typer.Exit), one_clear_line():
        signal.raise_signal(signal.SIGINT)


def test_a_bug_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), one_clear_line():
        raise ZeroDivisionError


@pytest.mark.parametrize("command", ["demo", "dev"])
def test_a_mesh_whose_port_is_taken_starts_nothing_and_forgets_nothing(command: str, tmp_path: Path):
    (tmp_path / "kept").write_text("what was there before")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        code, said = ended(command, "--first-port", str(port), "--state-dir", str(tmp_path))

    assert code == 1
    assert f"mesh: Port {port} is in use" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("argv", [["demo", "--first-port", "80"], ["dev", "--first-port", "65001"], ["rule"]])
def test_a_wrong_call_is_a_two(argv: list[str]):
    assert ended(*argv)[0] == 2


def test_without_docker_the_makefile_says_what_to_install(tmp_path: Path):
    make = shutil.which("make")
    assert make is not None

    asked = subprocess.run(
        [make, "-C", parts.ROOT, "up"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert asked.returncode != 0
    assert "make up needs Docker with its compose plugin" in asked.stderr


def test_every_command_says_what_it_does():
    code, said = ended("--help")

    assert code == 0
    brought = ("up", "down", "agents", "run", "deploy", "undeploy", "analyze", "events", "config")
    commands = ("demo", "dev", "doctor", "openapi", "audit", *brought)
    assert all(command in said for command in commands)


def test_the_addresses_of_a_mesh_are_those_of_its_row_of_ports(tmp_path: Path):
    console = Console(width=200)

    with console.capture() as shown:
        console.print(main._addresses(EmbeddedMesh(tmp_path, Ports(20_000))))

    assert all(f"http://127.0.0.1:2000{n}/docs" in shown.get() for n in range(1, 6))


def test_programs_are_told_the_same_addresses(tmp_path: Path):
    told = main._place(EmbeddedMesh(tmp_path, Ports(20_000)))

    assert told["services"] == {
        service: f"http://127.0.0.1:{port}" for service, port in Ports(20_000).services.items()
    }
    assert told["console"] == "http://127.0.0.1:20006"
    assert str(told["admin_key"]).endswith("security-gateway/admin.key")


def test_a_shell_is_told_how_a_command_goes_on():
    asked = {"_MESH_COMPLETE": "complete_bash", "COMP_WORDS": "mesh ana", "COMP_CWORD": "1"}

    result = CliRunner().invoke(app, env=asked, prog_name="mesh")

    assert result.output.split() == ["analyze"]


@pytest.mark.again
def test_documents_that_are_fresh_are_told_to_programs_as_well():
    code, said = ended("openapi", "--check", "--json")

    assert (code, json.loads(said)) == (0, {"stale": []})


def test_a_recipe_is_printed_as_it_is_to_be_pasted():
    console = Console(width=20)
    recipe = "curl -d '[bold]{\"a\":1}[/]' http://127.0.0.1:8371/v1/agents?capability=workspace.analyze"

    with console.capture() as shown:
        main._show_recipes(console, [recipe])

    assert f"  {recipe}\n" in shown.get()


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all the programs that the machine has."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (["up"], "up"),
        (["up", "--profile", "observability"], "up PROFILE=observability"),
        (["down"], "down"),
    ],
)
def test_the_mesh_of_docker_compose_is_brought_up_and_down_by_the_makefile(
    path: Path, argv: list[str], asked: str
):
    program(path, "make", f'echo "$@" > {path}/asked')

    code, said = ended(*argv)

    assert (code, said) == (0, "")
    assert (path / "asked").read_text() == f"--no-print-directory -C {parts.ROOT} {asked}\n"


def test_a_mesh_of_docker_compose_that_does_not_come_up_is_a_one(path: Path):
    program(path, "make", "exit 2")

    assert ended("up")[0] == 1


def test_without_make_the_cure_is_named(path: Path):
    assert ended("up") == (1, "mesh: make is not installed: install make.\n")


def test_a_profile_that_is_none_is_a_wrong_call(path: Path):
    assert ended("up", "--profile", "a; rm -r /")[0] == 2


@pytest.mark.parametrize(
    ("said", "ok", "text"),
    [
        ("v20.0.0", True, "v20.0.0"),
        ("v22.12.0", True, "v22.12.0"),
        ("v19.9.0", False, "v19.9.0 is too old: install Node 20 or newer"),
        ("v8.17.0", False, "v8.17.0 is too old: install Node 20 or newer"),
    ],
)
def test_the_doctor_tells_a_node_that_is_too_old(path: Path, said: str, ok: bool, text: str):
    program(path, "node", f"echo {said}")

    assert doctor._node() == doctor.Finding("node", ok, text)


def test_the_doctor_has_a_cure_for_whatever_is_missing(path: Path):
    git, go = (doctor._program(name, f"install {name}", needed=name == "git") for name in ("git", "go"))

    assert doctor._node() == doctor.Finding("node", False, "not installed: install Node 20 or newer")
    assert git == doctor.Finding("git", False, "not installed: install git")
    assert go == doctor.Finding("go", False, "not installed: install go", needed=False)


@pytest.mark.parametrize("script", ["echo 27.0; exit 1", "echo cannot connect >&2; exit 1"])
def test_a_docker_without_its_engine_is_no_reason_to_stop(path: Path, script: str):
    program(path, "docker", script)

    found = doctor._docker()

    assert (found.ok, found.needed) == (False, False)
    assert found == doctor.Finding(
        "docker", False, "no engine answers: deployments use the simulated provider", needed=False
    )


def test_the_doctor_tells_a_docker_engine_by_its_version(path: Path):
    program(path, "docker", "echo 27.3.1")

    assert doctor._docker() == doctor.Finding("docker", True, "engine 27.3.1", needed=False)


def test_what_is_only_absent_does_not_fail_the_doctor_and_what_is_needed_does(path: Path):
    program(path, "node", "echo v22.0.0")

    code, said = ended("doctor", "--first-port", str(parts.free_port()))

    marks = {line.split()[1]: line.split()[0] for line in said.splitlines()}
    assert (marks["node"], marks["git"], marks["docker"], marks["go"]) == (
        "ok",
        "MISSING",
        "absent",
        "absent",
    )
    assert code == 1


def test_the_doctor_tells_programs_what_it_tells_people(path: Path):
    program(path, "node", "echo v22.0.0")

    code, said = ended("doctor", "--json", "--first-port", str(parts.free_port()))

    found = {finding.pop("subject"): finding for finding in json.loads(said)["findings"]}
    assert found["node"] == {"ok": True, "text": "v22.0.0", "needed": True}
    assert found["git"] == {"ok": False, "text": "not installed: install git", "needed": True}
    assert code == 1
