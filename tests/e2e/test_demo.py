"""`mesh demo` as a newcomer runs it: a process of its own, told to end by Ctrl-C."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mesh_cli import parts
from mesh_cli.demo.stage import BrokenPromise, promise
from mesh_cli.embedded import Ports, inherited

pytestmark = [pytest.mark.xdist_group("mesh"), pytest.mark.timeout(300)]

STORY_S = 240


@dataclass(frozen=True)
class Told:
    """The figures of a demo, what its curl lines answered, and how it ended."""

    figures: dict[str, Any]
    answers: list[Any]
    exit_code: int
    leftovers: list[str]
    ports: Ports


def demo(*options: str) -> list[str]:
    return [sys.executable, "-m", "mesh_cli", "demo", *options]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, other_ports: Ports) -> Iterator[Told]:
    ports, state_dir = other_ports, tmp_path_factory.mktemp("demo")
    options = ["--json", "--keep", "--first-port", str(ports.first), "--state-dir", str(state_dir)]
    running = subprocess.Popen(demo(*options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        figures = first_object(running)
        answers = [json.loads(pasted(line)) for line in figures["curl"]]
        running.send_signal(signal.SIGINT)
        exit_code = running.wait(60)
        yield Told(figures, answers, exit_code, processes_of(state_dir), ports)
    finally:
        running.kill()
        running.communicate()


def first_object(running: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON that the demo prints; its last line is a closing brace alone."""
    assert running.stdout is not None
    lines: list[str] = []
    for line in running.stdout:
        lines.append(line)
        if line == "}\n":
            return json.loads("".join(lines))
    _, errors = running.communicate()
    raise AssertionError(f"the demo ended with {running.returncode}: {errors}")


def pasted(line: str) -> str:
    return subprocess.run(
        ["/bin/bash", "-c", line], capture_output=True, check=True, text=True, timeout=60
    ).stdout


def processes_of(state_dir: Path) -> list[str]:
    """Command lines of processes that were started with a path in `state_dir`."""
    return [
        command
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and str(state_dir) in (command := command_line(entry))
    ]


def command_line(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode() + (
            (entry / "environ").read_bytes().decode(errors="replace")
        )
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def test_the_whole_job_is_done(told: Told):
    assert list(told.figures)[:6] == [
        "ready",
        "agents",
        "coordination",
        "money",
        "secretless",
        "deployment",
    ]


def test_five_services_are_ready_on_five_contracts(told: Told):
    assert told.figures["ready"]["services"] == 5
    assert len(told.figures["ready"]["contracts"]) == 5


def test_three_agents_are_registered_and_found(told: Told):
    assert len(told.figures["agents"]["registered"]) == 3
    assert len(told.figures["agents"]["found"]) == 3


def test_steps_run_in_parallel(told: Told):
    assert told.figures["coordination"]["wall_s"] < told.figures["coordination"]["sum_s"]


def test_good_work_is_paid_and_poor_work_is_not(told: Told):
    settled = {(escrow["agent"], escrow["state"]) for escrow in told.figures["money"]["escrows"]}

    assert ("sloppy", "refunded") in settled
    assert {state for agent, state in settled if agent != "sloppy"} == {"released"}


def test_balances_add_up_to_the_last_unit(told: Told):
    balances = told.figures["money"]["balances"]

    assert sum(balances["before"].values()) == sum(balances["after"].values()) == balances["supply"]


def test_the_poor_agent_ranks_last_on_the_next_discovery(told: Told):
    assert told.figures["money"]["ranking"][-1] == "sloppy"


def test_the_secret_is_found_nowhere_and_the_audit_holds(told: Told):
    assert told.figures["secretless"]["searched"]["found"] == 0
    assert told.figures["secretless"]["searched"]["files"] > 20
    assert told.figures["secretless"]["audit"]["valid"] is True


def test_a_lease_is_made_at_the_cheapest_trusted_bid(told: Told):
    deployment = told.figures["deployment"]

    assert deployment["leaseId"]
    assert deployment["chosen"]["rank"] == 1
    assert deployment["costReduction"]["snapshot_date"]


def test_the_curl_lines_work_as_pasted(told: Told):
    found, analysed, compared = told.answers

    assert found["items"][0]["name"] == "workspace-analyzer"
    assert analysed["content"]["data"]["totalProjects"] == 10
    assert compared["clouds"]


def test_ctrl_c_leaves_no_process_and_no_port_behind(told: Told):
    assert told.exit_code == 130
    assert told.leftovers == []
    assert all(parts.is_port_free(port) for port in told.ports.services.values())


def test_a_port_in_use_is_one_line_that_says_what_to_do(tmp_path: Path, other_ports: Ports):
    options = ["--first-port", str(other_ports.first), "--state-dir", str(tmp_path / "state")]

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def refused() -> tuple[int | None, str]:
        server = await asyncio.start_server(accept, "127.0.0.1", other_ports.services["deployer"])
        async with server:
            process = await asyncio.create_subprocess_exec(*demo(*options), stderr=asyncio.subprocess.PIPE)
            _, errors = await asyncio.wait_for(process.communicate(), 60)
            return process.returncode, errors.decode()

    exit_code, errors = asyncio.run(refused())

    assert exit_code == 1
    assert errors == (
        f"mesh: Port {other_ports.services['deployer']} is in use: stop what uses it, or choose another row "
        "with --first-port.\n"
    )
    assert not (tmp_path / "state").exists()


def test_a_broken_promise_ends_the_story():
    promise(True, "never said")

    with pytest.raises(BrokenPromise, match="the sky fell"):
        promise(False, "the sky fell")


def test_somebody_else_s_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MESH_DATABASE_URL", "sqlite:///elsewhere.db")

    assert "MESH_DATABASE_URL" not in inherited()
    assert inherited()["PATH"] == os.environ["PATH"]
