"""The published document is the whole truth: a fuzzer that believes it finds nothing to complain about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_shared.testing import fuzz, served

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI
    from security_gateway import Gateway

    from conftest import MakeApp, Tenant

ROUTES = {
    ("/v1/sdl", "post"): "generate_sdl",
    ("/v1/sdl/validate", "post"): "validate_sdl",
    ("/v1/sdl/from-compose", "post"): "convert_compose",
    ("/v1/sdl/diff", "post"): "diff_sdl",
    ("/v1/deployments", "post"): "create_deployment",
    ("/v1/deployments:precheck", "post"): "precheck_deployment",
    ("/v1/deployments", "get"): "list_deployments",
    ("/v1/deployments/{deployment_id}", "get"): "get_deployment",
    ("/v1/deployments/{deployment_id}/bids", "get"): "list_bids",
    ("/v1/deployments/{deployment_id}/close", "post"): "close_deployment",
    ("/v1/deployments/{deployment_id}/update", "post"): "update_deployment",
    ("/v1/deployments/{deployment_id}/deposit", "post"): "raise_deposit",
    ("/v1/deployments/{deployment_id}/logs", "get"): "stream_logs",
    ("/v1/deployments/{deployment_id}/exec", "post"): "execute_command",
    ("/v1/secure-deployments", "post"): "create_secure_deployment",
    ("/v1/secure-deployments/{deployment_id}", "get"): "get_secure_deployment",
    ("/v1/secure-deployments/{deployment_id}/assessment-results", "get"): "export_assessment",
    ("/v1/prices", "get"): "list_prices",
    ("/v1/cost-comparisons", "post"): "compare_costs",
    ("/actions/GENERATE_SDL", "post"): "invoke_generate_sdl",
    ("/actions/DEPLOY_AGENT", "post"): "invoke_deploy_agent",
    ("/actions/DEPLOY_WITH_SECURITY", "post"): "invoke_deploy_with_security",
}


@pytest.mark.fuzz
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ["--exclude-path-regex=^/actions/", "--include-path-regex=^/actions/"])
async def test_a_fuzzer_finds_no_failure(
    make_app: MakeApp, gateway: Gateway, headers: dict[str, str], tmp_path: Path, part: str
):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "service.key").write_text("the-deployers-key")
    async with served(gateway.app) as gateway_url:
        app = make_app(f"sqlite+aiosqlite:///{tmp_path}/fuzz.db", gateway_url=gateway_url)
        async with served(app) as url:
            complaints = await fuzz(url, headers, part)

    assert complaints == "", complaints


def test_every_route_is_published_under_its_name(sqlite_app: FastAPI):
    paths = sqlite_app.openapi()["paths"]

    assert {route: paths[route[0]][route[1]]["operationId"] for route in ROUTES} == ROUTES


@pytest.mark.parametrize(
    "schema", ["DeploymentRequest", "ConfigModel", "ComparisonRequest", "ComposeRequest", "DifferenceRequest"]
)
async def test_the_documents_own_examples_work(tenant: Tenant, schema: str):
    found = (await tenant.http.get("/openapi.json")).json()["components"]["schemas"][schema]
    fields = found["properties"].items()
    example: dict[str, Any] = (
        found["examples"][0]
        if "examples" in found
        else {name: field["examples"][0] for name, field in fields if "examples" in field}
    )
    path = {
        "ConfigModel": "/v1/sdl",
        "ComparisonRequest": "/v1/cost-comparisons",
        "ComposeRequest": "/v1/sdl/from-compose",
        "DifferenceRequest": "/v1/sdl/diff",
    }.get(schema, "/v1/deployments")

    response = await tenant.http.post(path, json=example, headers={"Idempotency-Key": "k"})

    assert response.is_success, response.text
