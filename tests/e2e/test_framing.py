"""Each service and the console as a program: what it refuses before there is a request, and what not."""

import json
import socket
import subprocess
from http.client import HTTPResponse

import pytest
import yaml
from mesh_cli.embedded import EmbeddedMesh, Ports
from mesh_cli.parts import ROOT

pytestmark = [pytest.mark.xdist_group("mesh"), pytest.mark.usefixtures("console_url")]

REFUSED = {
    (400, "host-unclear"): b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    (414, "address-too-long"): b"GET /livez?".ljust(8005, b"a") + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    (431, "head-too-large"): b"GET /livez HTTP/1.1\r\nHost: a\r\nA: ".ljust(66_000, b"a") + b"\r\n\r\n",
}


def refusal(port: int, said: bytes) -> tuple[int, str]:
    """Status and code of the problem document that answers it."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
        caller.sendall(said)
        answer = HTTPResponse(caller)
        answer.begin()
        assert answer.headers.get_content_type() == "application/problem+json"
        return answer.status, json.loads(answer.read())["code"]


@pytest.mark.parametrize("name", Ports().published)
def test_every_service_refuses_it(mesh: EmbeddedMesh, name: str):
    port = mesh.ports.published[name]

    assert [refusal(port, said) for said in REFUSED.values()] == [*REFUSED]


@pytest.mark.parametrize(("name", "port"), Ports().published.items())
def test_every_health_check_of_compose_asks_as_one_must(mesh: EmbeddedMesh, name: str, port: int):
    check = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]["healthcheck"]["test"]
    command = check[-1].replace("$$", "$").replace(str(port), str(mesh.ports.published[name]))

    assert subprocess.run(["bash", "-c", command], check=False, timeout=60).returncode == 0  # noqa: S607
