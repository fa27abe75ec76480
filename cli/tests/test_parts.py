import socket
import subprocess
from pathlib import Path

import pytest
from mesh_cli import doctor, parts
from mesh_cli.embedded import PACKAGES, Ports, PortTaken, StateTaken, alone, embedded, forget
from mesh_cli.main import app
from typer.testing import CliRunner


def test_the_services_and_the_console_have_the_ports_that_their_readmes_say():
    assert Ports().published == {
        "registry": 8371,
        "coordinator": 8372,
        "deployer": 8373,
        "security-gateway": 8374,
        "workspace-analyzer": 8375,
        "console": 8376,
    }


@pytest.mark.parametrize(("code", "expected"), [(0, "bubblewrap"), (1, "none")])
def test_builds_run_in_a_sandbox_where_it_works(
    code: int, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It may be there, and the kernel may not let it make namespaces."""
    (tmp_path / "bwrap").write_text(f"#!/bin/sh\nexit {code}\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert parts.sandbox() == expected


def test_without_a_sandbox_builds_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "false").symlink_to("/bin/false")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert parts.sandbox() == "none"


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortTaken, match=f"Port {port} is in use"), embedded(tmp_path, Ports(port)):
            pass

    assert list(tmp_path.iterdir()) == []


def test_a_state_has_one_mesh_and_nothing_of_it_is_forgotten_for_another(tmp_path: Path):
    state = tmp_path / "state"
    with alone(state):
        (state / "anvil.json").touch()

        with pytest.raises(StateTaken, match="stop it"), embedded(state, Ports(), fresh=True):
            pass

        assert [each.name for each in state.iterdir()] == ["anvil.json"]


def test_a_state_is_free_for_the_next_mesh_however_the_last_one_ended(tmp_path: Path):
    with pytest.raises(RuntimeError), alone(tmp_path):
        raise RuntimeError

    with alone(tmp_path):
        pass


def test_what_a_fresh_mesh_forgets_is_all_of_it_and_nothing_behind_a_link(tmp_path: Path):
    state, kept = tmp_path / "state", tmp_path / "kept"
    (state / "registry").mkdir(parents=True)
    (state / "anvil.json").touch()
    kept.mkdir()
    (state / "link").symlink_to(kept)

    forget(state)

    assert list(state.iterdir()) == []
    assert kept.exists()


def test_the_doctor_names_a_taken_port_and_what_it_is_for():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        findings = {finding.subject: finding for finding in doctor.examine(Ports(port - 1))}

    finding = findings[f"port {port}"]
    assert not finding.ok
    assert finding.needed
    assert "registry" in finding.text


def test_the_doctor_prints_a_line_for_each_look_and_tells_by_its_exit_code():
    result = CliRunner().invoke(app, ["doctor", "--first-port", str(parts.free_port())])

    lines = result.output.splitlines()
    assert {line.split()[1] for line in lines} >= {"python", "node", "git", "anvil", "docker"}
    assert result.exit_code == any(line.startswith("MISSING") for line in lines)


PREFLIGHT = parts.ROOT / "cli" / "preflight.sh"


def preflight(python: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", PREFLIGHT, python],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_python_the_first_line_says_what_to_install(tmp_path: Path):
    done = preflight("python3", tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "install Python 3.11 or newer" in done.stderr


def test_an_old_python_is_named(tmp_path: Path):
    program(tmp_path, "python3", '[ "$1" = --version ] && echo Python 3.9.18 && exit 0; exit 1')

    done = preflight("python3", tmp_path)

    assert "Python 3.9.18 is too old" in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_node_the_first_line_says_what_to_install(tmp_path: Path):
    program(tmp_path, "python3", "exit 0")

    done = preflight("python3", tmp_path)

    assert "Node.js is not installed: install Node 20 or newer" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_old_node_is_named(tmp_path: Path):
    program(tmp_path, "python3", "exit 0")
    program(tmp_path, "node", '[ "$1" = --version ] && echo v18.1.0 || echo 18')

    done = preflight("python3", tmp_path)

    assert "Node v18.1.0 is too old" in done.stderr


def test_every_service_has_a_package_to_start():
    assert all(package.startswith("mesh_") for package in PACKAGES.values())
