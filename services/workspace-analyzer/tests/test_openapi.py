"""The published document is the whole truth: a fuzzer that believes it finds nothing to complain about."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from mesh_shared.testing import fuzz, running, served

ROUTES = {
    ("/v1/analyses", "post"): "create_analysis",
    ("/v1/webhooks/github", "post"): "receive_github_delivery",
    ("/v1/analyses", "get"): "list_analyses",
    ("/v1/analyses/{analysis_id}", "get"): "get_analysis",
    ("/v1/analyses/{analysis_id}/builds", "post"): "create_build",
    ("/v1/analyses/{analysis_id}/what-if", "post"): "simulate_analysis",
    ("/v1/analyses/{analysis_id}/comparison", "get"): "compare_analyses",
    ("/v1/archives", "post"): "analyze_archive",
    ("/v1/analyses/{analysis_id}/comment", "get"): "export_comment",
    ("/v1/analyses/{analysis_id}/diagram", "get"): "export_diagram",
    ("/v1/analyses/{analysis_id}/graph", "get"): "export_graph",
    ("/v1/analyses/{analysis_id}/picture", "get"): "export_picture",
    ("/v1/analyses/{analysis_id}/timeline", "get"): "export_timeline",
    ("/v1/analyses/{analysis_id}/sarif", "get"): "export_sarif",
    ("/v1/analyses/{analysis_id}/junit", "get"): "export_junit",
    ("/v1/trends", "get"): "get_trend",
    ("/v1/builds/{build_id}", "get"): "get_build",
    ("/v1/builds/{build_id}/log", "get"): "stream_build_log",
    ("/v1/builds/{build_id}/cancel", "post"): "cancel_build",
    ("/v1/analysis-jobs/{job_id}", "get"): "get_analysis_job",
    ("/v1/analysis-jobs/{job_id}/cancel", "post"): "cancel_analysis_job",
    ("/actions/ANALYZE_WORKSPACE", "post"): "invoke_analyze_workspace",
    ("/actions/FIND_AFFECTED_PROJECTS", "post"): "invoke_find_affected_projects",
    ("/actions/BUILD_AFFECTED", "post"): "invoke_build_affected",
}


@pytest.mark.fuzz
@pytest.mark.timeout(600)
async def test_a_fuzzer_finds_no_failure(
    make_app: Callable[..., FastAPI], caller: dict[str, str], storefront: Path, nx: Path
):
    async with served(make_app(allow_builds=False)) as url:
        complaints = await fuzz(url, caller)

    assert complaints == "", complaints


def test_every_route_is_published_under_its_name(app: FastAPI):
    paths = app.openapi()["paths"]

    assert {route: paths[route[0]][route[1]]["operationId"] for route in ROUTES} == ROUTES


async def test_the_document_s_own_example_works(
    make_app: Callable[..., FastAPI], caller: dict[str, str], storefront: Path, nx: Path
):
    async with running(make_app(), caller) as http:
        schemas = (await http.get("/openapi.json")).json()["components"]["schemas"]
        example = {
            name: field["examples"][0]
            for name, field in schemas["AnalysisRequest"]["properties"].items()
            if "examples" in field
        }
        response = await http.post("/v1/analyses", json=example)

    assert response.status_code == 201
