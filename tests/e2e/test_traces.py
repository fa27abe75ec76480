"""One trace id from the caller's first request to the last service that worked on it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from mesh_cli.demo.stage import Stage
from opentelemetry import trace

pytestmark = pytest.mark.xdist_group("mesh")


@pytest.fixture
def trace_id() -> Iterator[str]:
    """The trace in which the test makes its calls: the client sends it along (W3C Trace Context)."""
    with trace.get_tracer("tests").start_as_current_span("test") as span:
        yield format(span.get_span_context().trace_id, "032x")


def routes_of(stage: Stage, service: str, trace_id: str) -> set[str]:
    """The routes that the service logged under the trace."""
    log = stage.mesh.state_dir / "logs" / f"{service}.log"
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"
    ]
    return {line["route"] for line in lines if line.get("trace_id") == trace_id and "route" in line}


async def logged(stage: Stage, service: str, trace_id: str, *routes: str) -> set[str]:
    """What is logged under the trace once `routes` are: a line is written when its answer is out."""

    async def look() -> set[str] | None:
        seen = routes_of(stage, service, trace_id)
        return seen if seen >= set(routes) else None

    return await stage.until(f"{service} has logged {', '.join(routes)}", look)


async def test_a_run_is_one_trace_over_the_services_that_it_reaches(
    stage: Stage, storefront: str, trace_id: str
):
    body = {"task": "Analyze the storefront workspace and find tools for workspace-optimization."}
    headers = {"Prefer": "wait=30"}

    await stage.ask("POST", "coordinator", "/v1/runs", key="traced", headers=headers, json=body)

    assert await logged(stage, "coordinator", trace_id, "/v1/runs") == {"/v1/runs"}
    assert await logged(stage, "registry", trace_id, "/v1/agents", "/actions/DISCOVER_UNIVERSAL_TOOLS")
    assert await logged(stage, "workspace-analyzer", trace_id, "/actions/ANALYZE_WORKSPACE")


async def test_a_secure_deployment_is_one_trace_with_the_gateway(stage: Stage, trace_id: str):
    example = await stage.ask("GET", "deployer", "/openapi.json")
    body = example.body["components"]["schemas"]["SecureDeploymentRequest"]["examples"][0]

    await stage.ask(
        "POST",
        "deployer",
        "/v1/secure-deployments",
        key="traced",
        json=body,
    )

    assert await logged(stage, "security-gateway", trace_id, "/v1/security-profiles/{profile}/compile")


async def test_a_published_event_carries_the_trace_of_its_cause(stage: Stage, storefront: str, trace_id: str):
    body = {"workspace": storefront}

    await stage.ask("POST", "workspace-analyzer", "/v1/analyses", key="traced", json=body)

    async def published() -> bool | None:
        events = await stage.ask("GET", "workspace-analyzer", "/v1/events", params={"limit": 1000})
        return any(trace_id in (event["traceparent"] or "") for event in events.body["items"]) or None

    assert await stage.until("the event is published", published)


async def test_a_refusal_names_the_trace_that_the_logs_have(stage: Stage, trace_id: str):
    url = f"{stage.mesh.url('registry')}/v1/agents/0x{'0' * 64}"

    refused = await stage.http.get(url)

    assert refused.json()["trace_id"] == trace_id
    route = "/v1/agents/{agent_id}"
    assert await logged(stage, "registry", trace_id, route) == {route}
