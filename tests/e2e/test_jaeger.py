"""A real Jaeger takes what the services tell of their work, and finds it by the caller's trace."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
import pytest
import yaml
from mesh_cli import parts, processes
from mesh_cli.embedded import EmbeddedMesh, Ports

BUILT = parts.ROOT / ".cache" / "jaeger" / "jaeger"
JAEGER = BUILT if BUILT.exists() else shutil.which("jaeger")

pytestmark = [
    pytest.mark.xdist_group("mesh"),
    pytest.mark.again,
    pytest.mark.skipif(JAEGER is None, reason="Jaeger is not built here: `make jaeger` builds it with Go"),
]

READY_S = 30.0
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def configuration(otlp: int, query: int) -> dict[str, Any]:
    """Takes traces over HTTP, keeps them in memory, and answers what its page asks."""
    return {
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 1000}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": f"127.0.0.1:{query}"},
                "grpc": {"endpoint": "127.0.0.1:0"},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{otlp}"}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }


@pytest.fixture
def jaeger(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The addresses of a Jaeger: where traces go to, and where they are asked for."""
    otlp, query = parts.free_port(), parts.free_port()
    (tmp_path / "jaeger.yml").write_text(yaml.safe_dump(configuration(otlp, query)))
    argv = [str(JAEGER), "--config", str(tmp_path / "jaeger.yml")]
    process = processes.start("jaeger", argv, tmp_path / "jaeger.log")
    url = f"http://127.0.0.1:{query}"
    process.wait_until(lambda: processes.status_of(f"{url}/api/services") == HTTPStatus.OK, READY_S)
    yield f"http://127.0.0.1:{otlp}/v1/traces", url
    process.stop(SIGKILL)  # what it has is in memory, and it takes ten seconds to say good-bye


@pytest.fixture
def gateway(jaeger: tuple[str, str], tmp_path: Path, other_ports: Ports) -> Iterator[EmbeddedMesh]:
    """A mesh of which the gateway runs alone, and tells of its work."""
    more = {"security-gateway": {"MESH_OTLP_ENDPOINT": jaeger[0]}}
    mesh = EmbeddedMesh(tmp_path, other_ports, more)
    with ExitStack() as stack:
        stack.callback(mesh.stop_all)
        mesh.start_part("redis")
        mesh.start_service("security-gateway")
        mesh.wait_ready("security-gateway")
        yield mesh


def test_a_call_is_found_by_the_trace_of_its_caller(jaeger: tuple[str, str], gateway: EmbeddedMesh):
    headers = {"X-API-Key": gateway.admin_key_file.read_text().strip(), "traceparent": PARENT}
    httpx.post(f"{gateway.url('security-gateway')}/v1/sessions", headers=headers).raise_for_status()
    gateway.stop("security-gateway")  # which sends what it has not sent yet

    (found,) = httpx.get(f"{jaeger[1]}/api/traces/{TRACE}").raise_for_status().json()["data"]

    assert {process["serviceName"] for process in found["processes"].values()} == {"security-gateway"}
    assert "POST /v1/sessions" in {span["operationName"] for span in found["spans"]}
