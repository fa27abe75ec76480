"""A service as a program: started, asked to stop, started with settings that make no sense."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from mesh_cli import parts, processes
from mesh_cli.processes import Process

PROGRAM = """
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar
import asyncio
import json
from fastapi import APIRouter
from mesh_shared import serve
from mesh_shared.chain import keys
from mesh_shared.agents.plugin import Action, Plugin
from mesh_shared.app import About, build
from mesh_shared.settings import ServiceSettings
from mesh_shared.wire import WireModel

class Settings(ServiceSettings):
    service: ClassVar[str] = "probe"

router = APIRouter()

entered = asyncio.Event()

@router.get("/slow")
async def slow() -> dict[str, bool]:
    entered.set()
    await asyncio.sleep(0.5)
    return {"whole": True}

@router.get("/entered")
async def is_entered() -> bool:
    return entered.is_set()

@router.get("/deep")
async def deep() -> None:
    json.loads("[" * 10**6)

@asynccontextmanager
async def start(platform):
    yield platform

class Nothing(WireModel):
    pass

async def rest(runtime, message, state, options, callback):
    return True

def create_app(settings):
    about_it = {"description": "Does nothing.", "parameters": Nothing, "examples": [], "scope": "probe:rest"}
    action = Action(name="REST", handler=rest, **about_it)
    plugin = Plugin(name="probe", description="A probe.", actions=[action])
    about = About(title="Probe", summary="A probe.")
    return build(about, settings, routers=[router], plugin=plugin, start=start)

serve.main(Settings, create_app)
"""


class Collector(ThreadingHTTPServer):
    """Takes OpenTelemetry's exports (OTLP over HTTP)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Export)
        self.received = b""


class Export(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        self.server.received += self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


@pytest.fixture
def port() -> int:
    return parts.free_port()


@pytest.fixture
def environment(tmp_path: Path, port: int, redis_url: str) -> dict[str, str]:
    (tmp_path / "migrations").mkdir()
    return {
        "MESH_PORT": str(port),
        "MESH_STATE_DIR": str(tmp_path / "state"),
        "MESH_MIGRATIONS_DIR": str(tmp_path / "migrations"),
        "MESH_REDIS_URL": redis_url,
        "PATH": "/usr/bin:/bin",
    }


@pytest.fixture
def service(tmp_path: Path, port: int, environment: dict[str, str]) -> Iterator[Process]:
    argv = [sys.executable, "-c", PROGRAM]
    process = processes.start("probe", argv, tmp_path / "log", environment)
    process.wait_until(lambda: processes.status_of(f"http://127.0.0.1:{port}/livez") == 200, 60)
    yield process
    process.stop()


def test_it_closes_everything_when_asked_to_end(service: Process, tmp_path: Path):
    service.popen.send_signal(signal.SIGTERM)

    assert service.popen.wait(20) == -signal.SIGTERM
    assert "Application shutdown complete" in (tmp_path / "log").read_text()


async def test_a_request_under_way_gets_its_whole_answer(service: Process, port: int):
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        asked = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/slow"))
        await entered(port)
        service.popen.send_signal(signal.SIGTERM)
        response = await asked

    assert response.json() == {"whole": True}
    assert service.popen.wait(20) == -signal.SIGTERM


@pytest.mark.again
def test_a_value_without_a_bottom_ends_a_request_and_not_the_process(service: Process, port: int):
    deep = httpx.get(f"http://127.0.0.1:{port}/deep", trust_env=False)

    assert (deep.status_code, deep.json()["code"]) == (500, "internal-error")
    assert service.popen.poll() is None


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.again
def test_the_last_spans_are_exported_before_the_end(
    environment: dict[str, str], port: int, tmp_path: Path, collector: Collector
):
    traced = {"MESH_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}/v1/traces"}
    process = processes.start(
        "probe", [sys.executable, "-c", PROGRAM], tmp_path / "log", environment | traced
    )
    process.wait_until(lambda: processes.status_of(f"http://127.0.0.1:{port}/entered") == 200, 60)

    process.popen.send_signal(signal.SIGTERM)

    assert process.popen.wait(20) == -signal.SIGTERM
    assert b"GET /entered" in collector.received


async def entered(port: int) -> None:
    """Returns when the slow request is being answered."""
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
        while not (await client.get(f"http://127.0.0.1:{port}/entered")).json():
            await asyncio.sleep(0.01)


def test_settings_that_make_no_sense_are_one_line_each_that_never_repeats_them(environment: dict[str, str]):
    wrong = {"MESH_PORT": "70000", "MESH_EVENTS_KEPT": "1", "MESH_MAX_BODY_BYTES": "sk-misplaced"}

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment | wrong,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 2
    assert set(done.stderr.splitlines()) == {
        "MESH_PORT: Input should be less than or equal to 65535",
        "MESH_EVENTS_KEPT: Input should be greater than or equal to 1000",
        "MESH_MAX_BODY_BYTES: Input should be a valid integer, unable to parse string as an integer",
    }
    assert done.stdout == ""
