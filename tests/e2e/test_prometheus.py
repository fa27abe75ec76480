"""A real Prometheus reads what it is given, measures a mesh at work, and answers what the dashboard asks."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml
from mesh_cli import parts, processes
from mesh_cli.demo.stage import BrokenPromise, Stage
from mesh_cli.embedded import EmbeddedMesh

pytestmark = [
    pytest.mark.xdist_group("mesh"),
    pytest.mark.again,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="Prometheus is not installed: apt-get install prometheus"
    ),
]

HOME = parts.ROOT / "deploy" / "observability"
CONFIGURATION = HOME / "prometheus.yml"
# What Grafana puts for its variables when everything is looked at.
VARIABLES = {"$__rate_interval": "10s", "$__range": "30m", "$service": ".+"}
READY_S = 30.0


def questions() -> list[str]:
    """Every expression of the dashboard, as Prometheus gets it."""
    panels = json.loads((HOME / "dashboards" / "mesh.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    for variable, value in VARIABLES.items():
        asked = [one.replace(variable, value) for one in asked]
    return asked


def here(mesh: EmbeddedMesh) -> str:
    """The configuration for the services of `mesh`, looking each second instead of every fifteen."""
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    configuration["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    for one in configuration["scrape_configs"][0]["static_configs"]:
        one["targets"] = [f"127.0.0.1:{mesh.ports.services[one['labels']['service']]}"]
    return yaml.safe_dump(configuration)


@pytest.fixture
def prometheus(mesh: EmbeddedMesh, tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that measures `mesh`."""
    port = parts.free_port()
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(here(mesh))
    argv = ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    argv.append(f"--web.listen-address=127.0.0.1:{port}")
    process = processes.start("prometheus", argv, tmp_path / "prometheus.log")
    url = f"http://127.0.0.1:{port}"
    try:
        process.wait_until(lambda: processes.status_of(f"{url}/-/ready") == HTTPStatus.OK, READY_S)
        yield url
    finally:
        process.stop()


def test_prometheus_takes_the_configuration_without_a_word_of_warning():
    argv = ["promtool", "check", "config", "--lint-fatal", CONFIGURATION]

    ran = subprocess.run(argv, capture_output=True, timeout=READY_S, check=False)

    assert (ran.returncode, ran.stderr) == (0, b""), ran.stdout + ran.stderr


async def test_every_question_of_the_dashboard_has_an_answer_for_every_service(stage: Stage, prometheus: str):
    open_questions = questions()

    async def answered(question: str) -> set[str]:
        """The services for which there is a number."""
        response = await stage.http.get(f"{prometheus}/api/v1/query", params={"query": question})
        body: dict[str, Any] = response.json()
        assert body["status"] == "success", (question, body)
        return {one["metric"]["service"] for one in body["data"]["result"] if one["value"][1] != "NaN"}

    async def look() -> bool | None:
        """Questions that are open yet, after every service has had something to do."""
        for service in stage.mesh.ports.services:
            await stage.ask("GET", service, "/v1/events", params={"limit": 1})
        for question in list(open_questions):
            told = await answered(question)
            # The slowest ten routes may be of fewer services.
            if told >= {*stage.mesh.ports.services} or (told and question.startswith("topk")):
                open_questions.remove(question)
        return not open_questions or None

    with suppress(BrokenPromise):
        await stage.until("Prometheus can answer", look)

    assert open_questions == []
