"""The published document is the whole truth: a fuzzer that believes it finds nothing to complain about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain.operations import OperationStatus
from mesh_shared.testing import fuzz, running, served

if TYPE_CHECKING:
    from unaided import Chain

    from conftest import MakeApp

ROUTES = {
    ("/v1/registrations", "post"): "draft_registration",
    ("/v1/agents", "post"): "register_agent",
    ("/v1/agents/batch", "post"): "register_agents",
    ("/v1/wallet-challenges", "post"): "challenge_wallet",
    ("/v1/agents/{agent_id}/changes", "post"): "change_agent",
    ("/v1/agents", "get"): "list_agents",
    ("/v1/agents/search", "post"): "search_agents",
    ("/v1/agents/{agent_id}", "get"): "get_agent",
    ("/v1/agents/{agent_id}/reputation", "get"): "get_reputation",
    ("/v1/agents/{agent_id}/validations", "get"): "list_validations",
    ("/v1/agents/{agent_id}/did.json", "get"): "get_agent_did",
    ("/v1/agents/{agent_id}/signatures", "post"): "check_signature",
    ("/v1/dids/{did}", "get"): "resolve_did",
    ("/v1/operations/{operation_id}", "get"): "get_operation",
    ("/v1/cards", "post"): "look_at_card",
    ("/v1/agents/from-card", "post"): "register_card",
    ("/v1/agents/{agent_id}/card", "get"): "get_card",
    ("/v1/agents/{agent_id}/erc8004.json", "get"): "export_erc8004",
    ("/v1/agents/{agent_id}/agent-card.json", "get"): "export_agent_card",
    ("/v1/agents/{agent_id}/server.json", "get"): "export_server",
    ("/.well-known/ai-catalog.json", "get"): "get_ai_catalog",
    ("/agents", "get"): "browse_catalog",
    ("/search", "post"): "search_catalog",
    ("/explore", "post"): "explore_catalog",
    ("/v0.1/servers", "get"): "list_servers",
    ("/v0.1/servers/{namespace}/{name}/versions", "get"): "list_server_versions",
    ("/v0.1/servers/{namespace}/{name}/versions/{version}", "get"): "get_server_version",
    ("/v1/content", "post"): "add_content",
    ("/v1/content/{cid}", "get"): "get_content",
    ("/actions/REGISTER_AGENT", "post"): "invoke_register_agent",
    ("/actions/DISCOVER_AGENTS", "post"): "invoke_discover_agents",
    ("/actions/DISCOVER_UNIVERSAL_TOOLS", "post"): "invoke_discover_universal_tools",
}


@pytest.mark.fuzz
@pytest.mark.timeout(900)
async def test_a_fuzzer_finds_no_failure(make_app: MakeApp, operator: str, writer: dict[str, str]):
    async with served(make_app()) as url:
        complaints = await fuzz(url, writer)

    assert complaints == "", complaints


def test_every_route_is_published_under_its_name(make_app: MakeApp, chain: Chain):
    paths = make_app().openapi()["paths"]

    assert {route: paths[route[0]][route[1]]["operationId"] for route in ROUTES} == ROUTES


async def test_the_document_s_own_examples_work(
    make_app: MakeApp, chain: Chain, operator: str, writer: dict[str, str]
):
    async with running(app := make_app(), writer) as http:
        schemas: dict[str, Any] = app.openapi()["components"]["schemas"]
        example = {
            name: field["examples"][0]
            for name, field in schemas["DraftRequest"]["properties"].items()
            if field["examples"][0] is not None
        }
        draft = await http.post("/v1/registrations", json=example)
        own = {name: value for name, value in example.items() if name != "owner"}
        registered = await http.post("/v1/agents", json=own, headers={"Idempotency-Key": "example"})

    assert (draft.status_code, registered.status_code) == (200, 202)


def test_every_answer_of_the_registry_has_an_example_or_a_shape(make_app: MakeApp, chain: Chain):
    paths = make_app().openapi()["paths"]

    bare = [
        f"{method} {path} {status}"
        for (path, method) in ROUTES
        for status, response in paths[path][method]["responses"].items()
        if status < "300" and not response.get("content")
    ]

    assert bare == []


def test_the_states_of_an_operation_are_published(make_app: MakeApp, chain: Chain):
    schemas = make_app().openapi()["components"]["schemas"]

    assert schemas["OperationStatus"]["enum"] == [status.value for status in OperationStatus]
