"""Looks at the machine and says what is missing, with the cure."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from mesh_cli import parts
from mesh_cli.embedded import Ports
from mesh_cli.parts import PartMissing


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: what was looked at, whether it is well, and what to do when it is not."""

    subject: str
    ok: bool
    text: str
    needed: bool = True


def examine(ports: Ports) -> Iterator[Finding]:
    """Everything that `make demo` needs, then what only some tests and features use."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), version)
    yield _node()
    yield _program("git", "install git", needed=True)
    yield _anvil()
    for name, port in ports.all.items():
        free = parts.is_port_free(port)
        taken = f"in use, and for {name}: stop what uses it, or choose another row with --first-port"
        yield Finding(f"port {port}", free, "free" if free else taken)
    yield _docker()
    yield _program("go", "install Go to build Kubo for the tests that use it", needed=False)


def _node() -> Finding:
    found = shutil.which("node")
    if found is None:
        return Finding("node", False, "not installed: install Node 20 or newer")
    version = subprocess.run(  # noqa: S603 - found by which
        [found, "--version"], capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()
    is_new = int(version.removeprefix("v").split(".")[0]) >= 20  # noqa: PLR2004 - the oldest that Nx 24 runs on
    return Finding("node", is_new, version if is_new else f"{version} is too old: install Node 20 or newer")


def _anvil() -> Finding:
    try:
        parts.anvil_binary()
    except PartMissing as missing:
        return Finding("anvil", False, str(missing))
    return Finding("anvil", True, "installed")


def _program(name: str, cure: str, *, needed: bool) -> Finding:
    found = shutil.which(name)
    return Finding(name, found is not None, found or f"not installed: {cure}", needed)


def _docker() -> Finding:
    found = shutil.which("docker")
    argv = [found or "docker", "version", "--format", "{{.Server.Version}}"]
    done = found and subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603 - found by which
    if not done or done.returncode != 0:
        text = "no engine answers: deployments use the simulated provider"
        return Finding("docker", False, text, needed=False)
    return Finding("docker", True, f"engine {done.stdout.strip()}", needed=False)
