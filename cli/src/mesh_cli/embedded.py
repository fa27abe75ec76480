"""A whole mesh on loopback, without Docker: real processes, real HTTP, gone when its owner is."""

import fcntl
import os
import signal
import sys
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from shutil import rmtree
from types import MappingProxyType

from mesh_cli import parts, processes
from mesh_cli.chain import Chain
from mesh_cli.parts import CHAIN_ID, ROOT
from mesh_cli.processes import Process

READY_S = 60.0
PACKAGES = {
    "registry": "mesh_registry",
    "coordinator": "mesh_coordinator",
    "deployer": "mesh_deployer",
    "security-gateway": "mesh_security_gateway",
    "workspace-analyzer": "mesh_workspace_analyzer",
}
CONSOLE_KNOWS = {
    "registry": "MESH_REGISTRY_URL",
    "coordinator": "MESH_COORDINATOR_URL",
    "deployer": "MESH_DEPLOYER_URL",
    "security-gateway": "MESH_GATEWAY_URL",
    "workspace-analyzer": "MESH_ANALYZER_URL",
}
ON_CHAIN = ("registry", "coordinator")
# What each on-chain service gets of the test token: the coordinator pays, the registry only relays.
TOKENS = {"registry": 0, "coordinator": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Ports:
    """Eight ports in a row from `first` on: the services at 1 to 5 and the console at 6, as READMEs say."""

    first: int = 8370

    @property
    def anvil(self) -> int:
        return self.first

    @property
    def console(self) -> int:
        return self.first + 6

    @property
    def redis(self) -> int:
        return self.first + 7

    @property
    def services(self) -> dict[str, int]:
        return {name: self.first + place for place, name in enumerate(PACKAGES, start=1)}

    @property
    def published(self) -> dict[str, int]:
        """What people and programs from outside talk to."""
        return self.services | {"console": self.console}

    @property
    def all(self) -> dict[str, int]:
        """What a mesh takes before anybody brings agents."""
        return {"anvil": self.anvil, "redis": self.redis} | self.published

    def agent(self, place: int) -> int:
        """The port of the sample agent number `place`, from 0."""
        return self.first + 10 + place


class PortTaken(RuntimeError):
    """A port of the mesh is in use; the text says what to do."""


class StateTaken(RuntimeError):
    """Another mesh has the state; the text says what to do."""


@dataclass(slots=True)
class EmbeddedMesh:
    """Handles to a running mesh; `more` are settings of a service beyond those that make it one."""

    state_dir: Path
    ports: Ports
    more: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    running: dict[str, Process] = field(default_factory=dict[str, Process])

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports.services[service]}"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.console}"

    @property
    def rpc_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.anvil}"

    @property
    def chain(self) -> Chain:
        return Chain(self.rpc_url, self.state_dir / "anvil.json")

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.ports.redis}/0"

    @property
    def contracts_file(self) -> Path:
        return self.state_dir / "contracts.json"

    def home(self, service: str) -> Path:
        """The state folder of one service."""
        return self.state_dir / service

    @property
    def admin_key_file(self) -> Path:
        return self.home("security-gateway") / "admin.key"

    def service_key_file(self, service: str) -> Path:
        return self.home("security-gateway") / "keys" / service / "service.key"

    def start_part(self, name: str) -> None:
        """Starts Anvil or Redis, again after it was stopped; Anvil goes on from what was written down."""
        if name == "redis":
            self.running[name] = parts.redis(self.ports.redis, self.state_dir)
            return
        self.running[name] = parts.anvil(self.ports.anvil, self.state_dir, *self.chain.options())

    def start_service(self, name: str) -> None:
        """Starts one of the five; returns before it is ready."""
        argv = [sys.executable, "-m", PACKAGES[name]]
        log = self.state_dir / "logs" / f"{name}.log"
        self.running[name] = processes.start(name, argv, log, self._environment(name))

    def start_console(self) -> None:
        """Starts what a person looks at the services with; returns when it is ready."""
        where = {variable: self.url(service) for service, variable in CONSOLE_KNOWS.items()}
        own = {
            "MESH_PORT": str(self.ports.console),
            "MESH_PUBLIC_URL": self.console_url,
            "MESH_STATE_DIR": str(self.home("console")),
        }
        argv, log = [sys.executable, "-m", "mesh_console"], self.state_dir / "logs" / "console.log"
        self.running["console"] = processes.start("console", argv, log, inherited() | where | own)
        self.running["console"].wait_until(lambda: is_ready(self.console_url), READY_S)

    def wait_ready(self, name: str) -> None:
        self.running[name].wait_until(lambda: is_ready(self.url(name)), READY_S)

    def stop(self, name: str, sig: signal.Signals = signal.SIGTERM) -> None:
        """Ends one of the processes; the chain is written down before, unless it is to be killed."""
        if name == "anvil" and sig is not signal.SIGKILL:
            self.chain.write_down()
        self.running.pop(name).stop(sig)

    def stop_all(self) -> None:
        """Stops agents and services first, then what they stand on."""
        with ThreadPoolExecutor() as pool:
            names = [name for name in self.running if name not in ("anvil", "redis")]
            list(pool.map(self.stop, names))
        for name in list(self.running):
            self.stop(name)

    def _environment(self, service: str) -> dict[str, str]:
        more = self.more.get(service, {})
        return inherited() | self._common(service) | self._specific(service) | dict(more)

    def _specific(self, service: str) -> dict[str, str]:
        match service:
            case "registry":
                return {"MESH_CONTENT_DIR": str(self.home(service) / "content")}
            case "coordinator":
                return {"MESH_ALLOW_PRIVATE_AGENTS": "true"}
            case "deployer":  # The simulated providers answer at once; on Akash they take a block or two.
                return {"MESH_BID_WINDOW_S": "1"}
            case "security-gateway":
                return {"MESH_SITES": f'["{self.console_url}"]'}
            case "workspace-analyzer":
                return {
                    "MESH_WORKSPACE_ROOTS": f'["{self.state_dir / "workspaces"}"]',
                    "MESH_ALLOW_BUILDS": "true",
                    "MESH_SANDBOX": parts.sandbox(),
                }
            case _:
                return {}

    def _common(self, service: str) -> dict[str, str]:
        on_chain = {
            "MESH_CHAIN_RPC_URL": self.rpc_url,
            "MESH_CHAIN_ID": str(CHAIN_ID),
            "MESH_CONTRACTS_FILE": str(self.contracts_file),
        }
        common = {
            "MESH_PORT": str(self.ports.services[service]),
            "MESH_STATE_DIR": str(self.home(service)),
            "MESH_REDIS_URL": self.redis_url,
            "MESH_GATEWAY_URL": self.url("security-gateway"),
            "MESH_REGISTRY_URL": self.url("registry"),
            "MESH_KEY_FILE": str(self.service_key_file(service)),
        }
        return common | (on_chain if service in ON_CHAIN else {})


@contextmanager
def embedded(
    state_dir: Path,
    ports: Ports,
    *,
    fresh: bool = False,
    more: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Generator[EmbeddedMesh, None, None]:
    """A mesh that is ready; everything of it is stopped at the end. A `fresh` one forgets its last state.

    Raises `StateTaken`, `PortTaken`, `parts.PartMissing`, `processes.ProcessDied` or `TimeoutError` with one
    clear text.
    """
    with ExitStack() as stack:
        stack.enter_context(alone(state_dir))
        _check(ports)
        if fresh:
            forget(state_dir)
        mesh = EmbeddedMesh(state_dir, ports, more)
        stack.callback(mesh.stop_all)
        mesh.start_part("anvil")
        mesh.start_part("redis")
        (state_dir / "workspaces").mkdir(exist_ok=True)
        for name in PACKAGES:
            if name not in ON_CHAIN:
                mesh.start_service(name)
        _deploy_contracts(mesh)
        for name in ON_CHAIN:
            mesh.start_service(name)
        for name in PACKAGES:
            mesh.wait_ready(name)
        yield mesh


@contextmanager
def alone(state_dir: Path) -> Generator[None, None, None]:
    """Keeps others from a state folder, which it makes if need be; a process that ends lets go of it.

    Two meshes would write two chains into the same databases. One that was made for nothing is not left.
    Raises `StateTaken`.
    """
    is_new = not state_dir.exists()
    state_dir.mkdir(parents=True, exist_ok=True)
    folder = os.open(state_dir, os.O_RDONLY)
    try:
        _lock(folder, state_dir)
        try:
            yield
        finally:
            if is_new and not any(state_dir.iterdir()):
                state_dir.rmdir()
    finally:
        os.close(folder)


def _lock(folder: int, state_dir: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateTaken(
            f"A mesh that runs has its state in {state_dir}: stop it, or start another one beside it "
            "with --state-dir and --first-port."
        ) from None


def forget(state_dir: Path) -> None:
    """Empties the folder, which stays, as it is what others are kept from."""
    for each in state_dir.iterdir():
        if each.is_dir() and not each.is_symlink():
            rmtree(each, ignore_errors=True)
        else:
            each.unlink()


def _check(ports: Ports) -> None:
    for port in ports.all.values():
        if not parts.is_port_free(port):
            raise PortTaken(
                f"Port {port} is in use: stop what uses it, or choose another row with --first-port."
            )


def _deploy_contracts(mesh: EmbeddedMesh) -> None:
    script = ROOT / "contracts" / "script" / "deploy.py"
    argv = [sys.executable, script, "--rpc-url", mesh.rpc_url, "--out", mesh.contracts_file]
    for name in ON_CHAIN:
        argv += ["--fund-key", f"{mesh.home(name) / 'chain.key'}:{TOKENS[name]}"]
    deploying = processes.start("contracts", argv, mesh.state_dir / "logs" / "contracts.log", inherited())
    if deploying.popen.wait(READY_S) != 0:
        raise processes.ProcessDied(f"The contracts were not deployed:\n{deploying.tail()}")


def inherited() -> dict[str, str]:
    """The caller's environment without settings of a mesh, so that a stray one changes nothing."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MESH_")}


def is_ready(url: str) -> bool:
    return processes.status_of(f"{url}/readyz") == HTTPStatus.OK
