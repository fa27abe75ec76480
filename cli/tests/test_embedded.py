"""What each process of a mesh is told, before any is started."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from fastapi import FastAPI, Response
from hypothesis import given
from hypothesis import strategies as st
from mesh_cli import embedded, parts, processes
from mesh_cli.embedded import ON_CHAIN, PACKAGES, EmbeddedMesh, Ports
from mesh_cli.parts import PartMissing
from mesh_cli.processes import Process
from mesh_shared.testing import served


def environments(mesh: EmbeddedMesh) -> dict[str, dict[str, str]]:
    return {service: mesh._environment(service) for service in PACKAGES}


@given(st.integers(1024, 65_000), st.integers(0, 20))
def test_no_two_of_a_mesh_have_the_same_port(first: int, agents: int):
    ports = Ports(first)

    taken = [*ports.all.values(), *(ports.agent(n) for n in range(agents))]

    assert len(set(taken)) == len(taken)
    assert min(taken) == first
    assert max(taken) <= 65_535


def test_a_stray_setting_of_the_caller_reaches_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MESH_DATABASE_URL", "postgresql+asyncpg://production/registry")
    monkeypatch.setenv("MESHED", "no setting of ours")

    told = environments(EmbeddedMesh(tmp_path, Ports()))

    assert not [service for service, settings in told.items() if "MESH_DATABASE_URL" in settings]
    assert all(settings["MESHED"] == "no setting of ours" for settings in told.values())


def test_no_two_services_share_a_folder_a_port_or_a_key(tmp_path: Path):
    told = environments(EmbeddedMesh(tmp_path, Ports())).values()

    for setting in ("MESH_PORT", "MESH_STATE_DIR", "MESH_KEY_FILE"):
        assert len({settings[setting] for settings in told}) == len(PACKAGES)
    assert len({settings["MESH_GATEWAY_URL"] for settings in told}) == 1


def test_only_services_that_work_on_the_chain_know_of_it(tmp_path: Path):
    told = environments(EmbeddedMesh(tmp_path, Ports()))

    assert {service for service, settings in told.items() if "MESH_CHAIN_RPC_URL" in settings} == set(
        ON_CHAIN
    )


def test_what_a_service_is_told_besides_wins_and_is_for_it_alone(tmp_path: Path):
    mesh = EmbeddedMesh(tmp_path, Ports(), {"deployer": {"MESH_BID_WINDOW_S": "9"}})

    told = environments(mesh)

    assert told["deployer"]["MESH_BID_WINDOW_S"] == "9"
    assert not [name for name in PACKAGES if name != "deployer" and "MESH_BID_WINDOW_S" in told[name]]


def test_all_of_a_mesh_is_below_its_own_folder(tmp_path: Path):
    mesh = EmbeddedMesh(tmp_path, Ports())

    paths = [mesh.contracts_file, mesh.admin_key_file]
    paths += [path for name in PACKAGES for path in (mesh.home(name), mesh.service_key_file(name))]

    assert all(path.is_relative_to(tmp_path) for path in paths)
    assert len(set(paths)) == len(paths)


def test_the_environment_of_the_caller_is_not_changed(tmp_path: Path):
    before = dict(os.environ)

    environments(EmbeddedMesh(tmp_path, Ports()))

    assert dict(os.environ) == before


@pytest.mark.parametrize(("status", "is_ready"), [(200, True), (503, False), (404, False)])
async def test_a_service_is_ready_when_it_says_so(status: int, is_ready: bool):
    app = FastAPI()
    app.get("/readyz")(lambda: Response(status_code=status))

    async with served(app) as url:
        found = await asyncio.to_thread(embedded.is_ready, url)
        said = await asyncio.to_thread(processes.status_of, f"{url}/readyz")

    assert (found, said) == (is_ready, status)


def test_where_nobody_listens_there_is_no_status():
    assert processes.status_of(f"http://127.0.0.1:{parts.free_port()}/") is None


async def test_what_speaks_no_http_has_no_status():
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]

        assert await asyncio.to_thread(processes.status_of, f"http://127.0.0.1:{port}/") is None


def test_a_proxy_of_the_caller_is_not_asked_about_our_own_processes(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.settimeout(0.05)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")

        processes.status_of(f"http://127.0.0.1:{parts.free_port()}/")

        with pytest.raises(TimeoutError):
            proxy.accept()


def test_the_last_words_of_a_process_are_its_last_lines_whatever_bytes_they_have(tmp_path: Path):
    process = processes.start("done", ["true"], tmp_path / "log")
    process.popen.wait()
    process.log.write_bytes(b"first\n" * 100 + b"caf\xe9\nlast\n")

    assert process.tail(2) == "caf\ufffd\nlast"
    assert process.tail().count("\n") == 14


def test_stopping_what_has_ended_already_is_no_trouble(tmp_path: Path):
    process = processes.start("done", ["true"], tmp_path / "log")
    process.popen.wait()

    process.stop()

    assert process.popen.returncode == 0


def test_a_second_start_adds_to_the_log_of_the_first(tmp_path: Path):
    for word in ("one", "two"):
        processes.start("echo", ["echo", word], tmp_path / "logs" / "echo.log").popen.wait()

    assert (tmp_path / "logs" / "echo.log").read_text() == "one\ntwo\n"


def test_a_process_is_told_its_environment_and_nothing_else(tmp_path: Path):
    started: Process = processes.start("env", ["/usr/bin/env"], tmp_path / "log", {"MESH_PORT": "1"})
    started.popen.wait()

    assert started.log.read_text() == "MESH_PORT=1\n"


def test_a_port_that_is_in_use_is_not_free_and_is_again_afterwards():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        while_taken = parts.is_port_free(port)

    assert (while_taken, parts.is_port_free(port)) == (False, True)


def test_without_anvil_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parts, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PartMissing, match="npm ci"):
        parts.anvil_binary()


def test_an_anvil_of_the_system_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parts, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "anvil").touch(0o755)

    assert parts.anvil_binary() == str(tmp_path / "anvil")
