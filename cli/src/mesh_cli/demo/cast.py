"""The strangers of the story, each a process of its own: three agents, one caller of an API, and that API."""

import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from mesh_shared.chain import keys
from mesh_shared.chain.abi import Function

from mesh_cli import processes
from mesh_cli.demo.stage import Stage, promise
from mesh_cli.embedded import EmbeddedMesh, inherited
from mesh_cli.parts import ROOT
from mesh_cli.processes import Process

EXAMPLES = ROOT / "examples"
AGENTS = ("careful", "quick", "sloppy")
STAKE_UNITS = 5_000_000
"""What each sample agent stakes: examples/agents/text_agent.py."""
PURSE_UNITS = STAKE_UNITS + 1_000_000
START_S = 30.0
MINT = Function("mint", ["address", "uint256"])


@dataclass(frozen=True, slots=True)
class Player:
    """A sample agent: its name, the port it listens on, and the account of its wallet."""

    name: str
    port: int
    wallet: str

    @property
    def id(self) -> str:
        """The name that it registers under."""
        return f"demo/{self.name}"


async def hire(stage: Stage) -> list[Player]:
    """Gives each sample agent a purse and a key of the mesh, and starts them all at once."""
    players = [await _prepare(stage, name, place) for place, name in enumerate(AGENTS)]
    started = {player: _start(stage, player) for player in players}
    for player, process in started.items():
        process.wait_until(partial(_answers, player.port), START_S)
    return players


async def registration(player: Player) -> dict[str, Any]:
    """What the registry answered to the agent when it registered itself."""
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{player.port}/registration", timeout=START_S)
    return response.raise_for_status().json()


async def mesh_key(stage: Stage, subject: str, *scopes: str) -> Path:
    """A new API key for `subject`, in a file that only we can read."""
    body = {"subject": subject, "scopes": list(scopes)}
    made = await stage.ask("POST", "security-gateway", "/v1/api-keys", json=body)
    home = stage.mesh.state_dir / subject
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _write_secret(home / "mesh.key", made.body["key"])


def copy_workspace(mesh: EmbeddedMesh, name: str) -> None:
    """Puts an example workspace with its git history where the analyzer may read it."""
    run([sys.executable, EXAMPLES / "workspaces" / "history.py", name, mesh.state_dir / "workspaces" / name])


def start_upstream(stage: Stage, port: int, token_file: Path) -> str:
    """Starts somebody else's API, which wants the token of `token_file`; returns a fresh token's text."""
    token = f"sk-{secrets.token_urlsafe(24)}"
    _write_secret(token_file, token)
    argv = [
        sys.executable,
        EXAMPLES / "agents" / "upstream.py",
        "--port",
        str(port),
        "--token-file",
        token_file,
    ]
    upstream = processes.start("upstream", argv, stage.mesh.state_dir / "logs" / "upstream.log", inherited())
    stage.mesh.running["upstream"] = upstream
    upstream.wait_until(lambda: _answers(port), START_S)
    return token


def run(argv: Sequence[str | Path]) -> str:
    """What a program of ours printed. Raises `BrokenPromise` with its last words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=inherited(), timeout=60)  # noqa: S603 - ours
    promise(done.returncode == 0, f"{Path(argv[1]).name} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


async def _prepare(stage: Stage, name: str, place: int) -> Player:
    home = stage.mesh.state_dir / f"demo/{name}"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    player = Player(name, stage.mesh.ports.agent(place), keys.load_or_create(home / "wallet.key").address)
    await _mint(stage, player.wallet, PURSE_UNITS)
    await mesh_key(stage, player.id, "registry:write")
    return player


async def _mint(stage: Stage, account: str, units: int) -> None:
    """Test money from the deployer, whose account the local chain has unlocked."""
    deployer = (await stage.rpc.request("eth_accounts"))[0]
    call = {
        "from": deployer,
        "to": stage.contracts.address("MeshToken"),
        "data": "0x" + MINT.encode(account, units).hex(),
    }
    await stage.rpc.request("eth_sendTransaction", call)


def _start(stage: Stage, player: Player) -> Process:
    home = stage.mesh.state_dir / player.id
    argv: list[str | Path] = [sys.executable, EXAMPLES / "agents" / "text_agent.py", player.name]
    argv += ["--port", str(player.port), "--state-dir", home, "--api-key-file", home / "mesh.key"]
    argv += ["--contracts-file", stage.mesh.contracts_file]
    argv += [
        "--gateway-url",
        stage.mesh.url("security-gateway"),
        "--registry-url",
        stage.mesh.url("registry"),
    ]
    log = stage.mesh.state_dir / "logs" / f"{player.name}.log"
    process = stage.mesh.running[player.id] = processes.start(player.id, argv, log, inherited())
    return process


def _answers(port: int) -> bool:
    return processes.status_of(f"http://127.0.0.1:{port}/") is not None


def _write_secret(path: Path, text: str) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return path
