"""A service that is killed: what it has started dies with it, and what it was asked for is not forgotten."""

import asyncio
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from httpx import AsyncClient
from mesh_shared.testing import Issuer

SECRET = b"It's a Secret to Everybody"
Run = Callable[..., str]
Tiny = Callable[..., Path]

PROGRAM = """
import json, sys
import uvicorn
from joserfc.jwk import OKPKey
from mesh_shared.auth.keys import StaticKeys
from mesh_workspace_analyzer.app import create_app
from mesh_workspace_analyzer.settings import Settings
key = OKPKey.import_key(json.loads(sys.argv[1]))
uvicorn.run(create_app(Settings(), keys=StaticKeys([key])), fd=int(sys.argv[2]), log_config=None)
"""


@dataclass(frozen=True, slots=True)
class Service:
    """The service as a process, with a caller; whoever calls between two of its lives waits for the next."""

    key: str
    door: socket.socket
    environment: dict[str, str]
    http: AsyncClient

    @contextmanager
    def life(self) -> Generator[None, None, None]:
        """One life of it, which has ended when the block ends, however that ends."""
        door = self.door.fileno()
        argv = [sys.executable, "-c", PROGRAM, self.key, str(door)]
        process = subprocess.Popen(argv, env=os.environ | self.environment, pass_fds=[door])
        try:
            yield
        finally:
            process.kill()
            process.wait(10)

    async def ready(self) -> None:
        async with asyncio.timeout(60):
            while True:
                try:
                    if (await self.http.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    async def ended(self, location: str) -> dict[str, Any]:
        async with asyncio.timeout(90):
            while (found := (await self.http.get(location)).json())["status"] in ("queued", "running"):
                await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def service(
    issuer: Issuer, caller: dict[str, str], roots: Path, redis_url: str, tmp_path: Path
) -> AsyncIterator[Service]:
    (tmp_path / "secret").write_bytes(SECRET)
    environment = {
        "MESH_STATE_DIR": str(tmp_path / "state"),
        "MESH_REDIS_URL": redis_url,
        "MESH_WORKSPACE_ROOTS": json.dumps([str(roots)]),
        "MESH_ALLOW_BUILDS": "true",
        "MESH_SANDBOX": "none",
        "MESH_GITHUB_SECRET_FILE": str(tmp_path / "secret"),
        "MESH_GITHUB_WORKSPACES": '{"acme/tiny": "tiny"}',
    }
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        async with AsyncClient(base_url=url, headers=caller, timeout=60) as http:
            yield Service(json.dumps(issuer.key.as_dict(private=True)), door, environment, http)


async def test_a_build_whose_service_is_killed_dies_with_it_and_is_interrupted_at_the_next_start(
    service: Service, tiny: Tiny, nx: Path, tmp_path: Path
):
    tiny(a=f"echo $$ > {tmp_path}/pid; sleep 100")
    with service.life():
        await service.ready()
        made = (await service.http.post("/v1/analyses", json={"workspace": "tiny"})).json()
        place, key = f"/v1/analyses/{made['id']}/builds", {"Idempotency-Key": "k1"}
        location = (await service.http.post(place, headers=key)).headers["location"]
        pid = await pid_in(tmp_path / "pid")
        assert (await service.http.get(location)).json()["status"] == "running"
    await dies(pid)

    with service.life():
        await service.ready()
        build = await service.ended(location)

    assert (build["status"], build["success"], build["duration"]) == ("interrupted", False, None)


@pytest.mark.again
async def test_a_push_whose_service_is_killed_is_analysed_after_the_next_start(
    service: Service, tiny: Tiny, git: Run
):
    folder = tiny(a="true")
    before, after = (git(folder, "rev-parse", name) for name in ("main", "change"))
    with service.life():
        await service.ready()
        answer = await deliver(service.http, before, after)

    with service.life():
        await service.ready()
        job = await service.ended(answer.headers["location"])
        analysis = (await service.http.get(f"/v1/analyses/{job['analysis_id']}")).json()

    assert (answer.status_code, job["status"]) == (202, "succeeded")
    assert (analysis["head"]["sha"], analysis["affectedProjects"]) == (after, ["a"])


async def deliver(http: AsyncClient, before: str, after: str) -> httpx.Response:
    """A push as GitHub tells of it."""
    repository = {"full_name": "acme/tiny", "default_branch": "main"}
    push = {"ref": "refs/heads/change", "before": before, "after": after, "repository": repository}
    body = json.dumps(push).encode()
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Delivery": str(uuid4()),
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return await http.post("/v1/webhooks/github", content=body, headers=headers)


async def pid_in(file: Path) -> int:
    async with asyncio.timeout(60):
        while not (file.exists() and file.read_text().strip()):
            await asyncio.sleep(0.02)
    return int(file.read_text())


async def dies(pid: int) -> None:
    async with asyncio.timeout(60):
        while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
            await asyncio.sleep(0.02)
