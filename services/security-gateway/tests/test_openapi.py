"""The published document is the whole truth: a fuzzer that believes it finds nothing to complain about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from mesh_shared.testing import fuzz

if TYPE_CHECKING:
    from conftest import MakeApp, Operator, Origin

ROUTES = {
    ("/.well-known/jwks.json", "get"): "get_jwks",
    ("/v1/sessions", "post"): "open_session",
    ("/v1/agents/{agent_id}/challenge", "post"): "challenge_agent",
    ("/v1/delegations", "post"): "delegate_session",
    ("/.well-known/oauth-protected-resource", "get"): "get_protected_resource",
    ("/v1/api-keys", "post"): "create_api_key",
    ("/v1/api-keys", "get"): "list_api_keys",
    ("/v1/api-keys/{id}/revoke", "post"): "revoke_api_key",
    ("/v1/providers", "post"): "register_provider",
    ("/v1/providers", "get"): "list_providers",
    ("/v1/providers/{name}", "get"): "get_provider",
    ("/v1/connections", "post"): "create_connection",
    ("/v1/connections", "get"): "list_connections",
    ("/v1/connections/{name}", "get"): "get_connection",
    ("/v1/connections/{name}", "delete"): "delete_connection",
    ("/v1/connections/{name}/rotate", "post"): "rotate_connection",
    ("/v1/grants", "post"): "give_grant",
    ("/v1/grants", "get"): "list_grants",
    ("/v1/grants/{id}/revoke", "post"): "revoke_grant",
    ("/v1/policies", "post"): "publish_policies",
    ("/v1/policies", "get"): "list_policies",
    ("/v1/policies/{hash}", "get"): "get_policies",
    ("/v1/policies/simulate", "post"): "simulate_policies",
    ("/v1/leases", "post"): "take_lease",
    ("/v1/leases", "get"): "list_leases",
    ("/v1/leases/{id}/renew", "post"): "renew_lease",
    ("/v1/leases/{id}/revoke", "post"): "revoke_lease",
    ("/v1/leases/revoke-prefix", "post"): "revoke_leases",
    ("/v1/approvals", "get"): "list_approvals",
    ("/v1/approvals/{id}", "get"): "get_approval",
    ("/v1/approvals/{id}/approve", "post"): "approve",
    ("/v1/approvals/{id}/deny", "post"): "deny",
    ("/v1/proxy/{connection}/{path}", "get"): "proxy_get",
    ("/v1/proxy/{connection}/{path}", "post"): "proxy_post",
    ("/v1/proxy/{connection}/{path}", "put"): "proxy_put",
    ("/v1/proxy/{connection}/{path}", "patch"): "proxy_patch",
    ("/v1/proxy/{connection}/{path}", "delete"): "proxy_delete",
    ("/v1/secure-operations", "post"): "perform_secure_operation",
    ("/v1/security-profiles/{profile}/compile", "post"): "compile_security_profile",
    ("/v1/security-profiles/{profile}/assessment-results", "post"): "assess_security_profile",
    ("/v1/audit", "get"): "list_audit_entries",
    ("/v1/audit/verification", "get"): "verify_audit",
    ("/v1/audit/key", "get"): "get_audit_key",
    ("/v1/audit/checkpoint", "get"): "get_audit_checkpoint",
    ("/v1/audit/checkpoints", "get"): "list_audit_checkpoints",
    ("/v1/audit/anchors", "get"): "list_audit_anchors",
    ("/v1/audit/export", "get"): "export_audit",
    ("/v1/audit/proof/inclusion", "get"): "prove_audit_inclusion",
    ("/v1/audit/proof/consistency", "get"): "prove_audit_consistency",
    ("/v1/audit/{id}/explain", "get"): "explain_audit_entry",
    ("/actions/SECURE_OPERATION", "post"): "invoke_secure_operation",
}


@pytest.mark.fuzz
@pytest.mark.timeout(600)
async def test_a_fuzzer_finds_no_failure(operator_live: Operator, origin: Origin):
    operator = operator_live
    await operator.connect(origin.url)
    await operator.grant("admin")
    admin = await operator.admin()

    complaints = await fuzz(str(operator.http.base_url), admin | {"X-API-Key": operator.admin_key})

    assert complaints == "", complaints


@pytest.fixture
def paths(make_app: MakeApp) -> dict[str, Any]:
    app: FastAPI = make_app()
    return app.openapi()["paths"]


def test_every_route_is_published_under_its_name(paths: dict[str, Any]):
    assert {route: paths[route[0]][route[1]]["operationId"] for route in ROUTES} == ROUTES


def test_no_route_gives_a_secret_out(paths: dict[str, Any], make_app: MakeApp):
    """A secret is in two request bodies and in no answer."""
    schemas = make_app().openapi()["components"]["schemas"]

    with_secret = {name for name, schema in schemas.items() if "secret" in schema.get("properties", {})}

    assert with_secret == {"ConnectionRequest", "RotationRequest"}
    for name in with_secret:
        secret = schemas[name]["properties"]["secret"]
        assert (secret["format"], secret["writeOnly"]) == ("password", True)
    answers = str([operation["responses"] for methods in paths.values() for operation in methods.values()])
    assert not [name for name in with_secret if name in answers]
