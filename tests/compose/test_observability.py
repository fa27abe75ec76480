"""What Prometheus, Grafana and Jaeger are given to read, held against what the services really tell."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mesh_shared.web.health import Checks
from mesh_shared.web.observe import Metrics
from prometheus_client import generate_latest

ROOT = Path(__file__).parents[2]
HOME = ROOT / "deploy" / "observability"
METRIC = re.compile(r"\b(?:mesh|process)_[a-z_]+")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    return json.loads((HOME / "dashboards" / "mesh.json").read_text())["panels"]


@pytest.fixture(scope="module")
def told() -> str:
    """What a service that answered one request tells at /metrics."""
    metrics = Metrics("registry")
    checks = Checks()
    checks.add("redis", checks_nothing)
    metrics.watch(checks)
    metrics.requests.labels("GET", "/v1/agents", 200).observe(0.01)
    return generate_latest(metrics.registry).decode()


async def checks_nothing() -> None:
    """A dependency that is there."""


def test_prometheus_asks_each_service_where_it_listens(services: dict[str, Any]):
    (job,) = yaml.safe_load((HOME / "prometheus.yml").read_text())["scrape_configs"]

    asked = {one["labels"]["service"]: one["targets"] for one in job["static_configs"]}
    listening = {
        name: [f"{name}:{service['environment']['MESH_PORT']}"]
        for name, service in services.items()
        if "MESH_PORT" in service.get("environment", {}) and name != "console"
    }
    assert asked == listening


def test_every_metric_of_the_dashboard_is_one_that_services_tell(panels: list[dict[str, Any]], told: str):
    shown = {name for panel in panels for one in panel["targets"] for name in METRIC.findall(one["expr"])}

    assert len(shown) >= 5
    assert {name for name in shown if not re.search(rf"^(# TYPE )?{name}\b", told, re.MULTILINE)} == set()


def test_panels_have_titles_of_their_own_and_do_not_overlap(panels: list[dict[str, Any]]):
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(cells) == len(set(cells))
    assert len({panel["title"] for panel in panels}) == len(panels)


def test_grafana_finds_its_sources_and_its_dashboard_where_compose_puts_them(services: dict[str, Any]):
    sources = yaml.safe_load((HOME / "grafana" / "datasources" / "mesh.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((HOME / "grafana" / "dashboards" / "mesh.yml").read_text())["providers"]
    mounted = {v.split(":")[1]: v.split(":")[0] for v in services["grafana"]["volumes"]}

    assert {one["url"] for one in sources} == {"http://prometheus:9090", "http://jaeger:16686"}
    assert mounted[provider["options"]["path"]] == "./deploy/observability/dashboards"
    assert all((ROOT / folder).is_dir() for folder in mounted.values() if folder.startswith("./"))


def test_nobody_can_sign_in_to_grafana_with_a_word_that_everybody_knows(services: dict[str, Any]):
    settings = services["grafana"]["environment"]

    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
