"""docker-compose.yml at work: its images, its containers and the way to its ports."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import yaml
from mesh_cli import parts
from mesh_cli.embedded import Ports
from mesh_cli.parts import ROOT
from mesh_shared import http
from mesh_shared.auth.session import Sessions

HERE = Path(__file__).parent
PROJECT = "mesh-test"
INSIDE = Ports().published
FOREIGN = ("postgres", "redis", "anvil", "kubo")
PATIENCE_S = 120
BUILD_S = 1200
PULL_S = 300


def engine_is_missing() -> str:
    """Why Compose cannot be used here; empty when it can."""
    docker = shutil.which("docker")
    if docker is None:
        return "Docker is not installed"
    for what, argv in (("Docker engine", ["info"]), ("Docker Compose v2", ["compose", "version"])):
        done = subprocess.run([docker, *argv], capture_output=True, check=False, timeout=60)
        if done.returncode:
            return f"no {what} answers"
    return ""


def docker(
    *argv: str | Path,
    timeout_s: float = 300,
    said: str = "",
    cwd: Path = ROOT,
    env: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What `docker` printed. Fails the test with its complaint when it refuses."""
    done = subprocess.run(
        ["docker", *map(str, argv)],  # noqa: S607 - the one of the system
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        input=said,
        cwd=cwd,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, f"docker {argv}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@dataclass
class Stack:
    """The containers, and the admin's way to their published ports."""

    files: list[Path]
    ports: dict[str, int]
    secrets: Path
    http: httpx.AsyncClient = field(default_factory=http.client)
    key_file: Path = Path()

    def compose(self, *argv: str, timeout_s: float = 300, said: str = "") -> str:
        files = [part for file in self.files for part in ("--file", file)]
        head = ["compose", "--project-name", PROJECT, "--project-directory", ROOT]
        env = {"MESH_SECRETS_DIR": str(self.secrets)}
        return docker(*head, *files, *argv, timeout_s=timeout_s, said=said, env=env)

    def up(self) -> None:
        self.compose("up", "--detach", "--build", "--wait", *INSIDE, *FOREIGN, timeout_s=BUILD_S)

    def exit_code(self, service: str) -> int:
        """With which a container that has stopped did so."""
        id = self.compose("ps", "--all", "--quiet", service).strip()
        return int(docker("inspect", "--format", "{{.State.ExitCode}}", id))

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    async def ask(self, method: str, service: str, path: str, key: str = "", **more: Any) -> Any:
        """The answer to the admin; a refusal fails the test with its problem."""
        sessions = Sessions(self.http, self.url("security-gateway"), self.key_file)
        headers = {"Idempotency-Key": key, "Prefer": "wait=30"} if key else {}
        auth, url = sessions.auth(service), self.url(service) + path
        answer = await self.http.request(method, url, headers=headers, auth=auth, timeout=60, **more)
        assert answer.is_success, f"{method} {path} of {service}: {answer.status_code} {answer.text}"
        return answer.json()

    async def down_at(self, service: str) -> set[str]:
        """What the service's /readyz says is not there; itself when it does not answer."""
        try:
            answer = await self.http.get(f"{self.url(service)}/readyz", timeout=10)
        except httpx.TransportError:
            return {service}
        return set(answer.json().get("down", ()))

    async def down(self) -> set[str]:
        """What any of the services misses."""
        return set().union(*await asyncio.gather(*map(self.down_at, INSIDE)))

    async def until(self, look: Callable[[], Awaitable[Any]]) -> Any:
        """The first answer of `look` that is true."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await look()):
                await asyncio.sleep(0.2)
            return found

    async def is_whole(self) -> bool:
        return not await self.down()


def build_what_cannot_be_pulled(scratch: Path) -> None:
    """Gives the engine the foreign images, under the tags of docker-compose.yml."""
    shutil.copytree(HERE / "images", scratch, dirs_exist_ok=True)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in FOREIGN:
        tag = services[name]["image"].partition(":-")[2].removesuffix("}")
        if not _is_there(tag):
            _copy_program(name, scratch)
            docker("build", "--tag", tag, "--file", f"{name}.Dockerfile", ".", timeout_s=BUILD_S, cwd=scratch)


def _is_there(tag: str) -> bool:
    for argv in (["image", "inspect", tag], ["pull", "--quiet", tag]):
        done = subprocess.run(["docker", *argv], capture_output=True, check=False, timeout=PULL_S)  # noqa: S607
        if done.returncode == 0:
            return True
    return False


def _copy_program(name: str, scratch: Path) -> None:
    if name == "anvil":
        shutil.copy(parts.anvil_binary(), scratch / "anvil")
    if name == "kubo":
        binary = parts.kubo_binary()
        if binary is None:
            pytest.skip("Kubo is not built here: `make kubo` builds it with Go (minutes, once)")
        shutil.copy(binary, scratch / "ipfs")


def own_ports(folder: Path) -> tuple[Path, dict[str, int]]:
    """A file that publishes the services where nobody listens."""
    ports = {service: parts.free_port() for service in INSIDE}
    lines = [
        f"  {name}: {{ ports: !override ['127.0.0.1:{ports[name]}:{INSIDE[name]}'] }}" for name in INSIDE
    ]
    file = folder / "ports.yml"
    file.write_text("\n".join(["services:", *lines]) + "\n")
    return file, ports
