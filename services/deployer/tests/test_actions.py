"""The deployer as an agent: its actions do what its routes do, and say so in the agent's way."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from mesh_deployer.domain.sdl import compile_sdl
from mesh_deployer.schemas.deployments import DeploymentView
from mesh_shared.testing import Issuer, running, served

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI
    from security_gateway import Gateway

    from conftest import MakeApp, Tenant, TenantOf

ACTIONS = {
    "GENERATE_SDL": ["deploy.sdl"],
    "DEPLOY_AGENT": ["deploy.akash"],
    "DEPLOY_WITH_SECURITY": ["deploy.secure"],
}


async def test_the_plugin_lists_its_actions_with_schema_and_example(tenant: Tenant):
    plugin = (await tenant.http.get("/actions")).json()

    assert [action["name"] for action in plugin["actions"]] == list(ACTIONS)
    for action in plugin["actions"]:
        assert action["parameters"]["properties"]
        user, agent = action["examples"][0]
        assert (user["role"], agent["role"], agent["action"]) == ("user", "agent", action["name"])
        assert action["scope"] == "deployer:deploy"


async def test_the_card_says_where_the_agent_is_and_what_it_can_do(tenant: Tenant):
    card = (await tenant.http.get("/.well-known/agent-card.json")).json()

    assert card["name"] == "mesh-deployer"
    assert [skill["id"] for skill in card["skills"]] == list(ACTIONS)


def test_each_action_is_found_under_its_capability(sqlite_app: FastAPI):
    plugin = sqlite_app.state.plugin

    assert {action.name: list(action.capabilities) for action in plugin.actions} == ACTIONS


async def test_generate_sdl_writes_an_sdl_that_compiles(tenant: Tenant):
    reply = await tenant.act("GENERATE_SDL", tenant.config)

    assert (reply["text"], reply["content"]["success"]) == ("SDL for web.", True)
    assert compile_sdl(reply["content"]["data"]["sdl"]).ok
    assert reply["content"]["timestamp"]


async def test_deploy_agent_answers_with_the_deployment(tenant: Tenant):
    parameters = {"sdl": tenant.hello_web, "provider": "simulated", "wait_s": 20}

    reply = await tenant.act("DEPLOY_AGENT", parameters, key="k")

    deployment = reply["content"]["data"]
    assert (reply["handled"], deployment["status"]) == (True, "active")
    assert reply["text"].startswith(f"Deployment {deployment['deploymentId']} is active: ")
    assert DeploymentView.model_validate(await tenant.read(deployment)).leaseId == deployment["leaseId"]
    assert Decimal(deployment["costReduction"]["akash_usd_month"]) > 0


async def test_deploy_agent_takes_a_config_as_well(tenant: Tenant):
    reply = await tenant.act("DEPLOY_AGENT", {"config": tenant.config, "provider": "simulated"}, key="k")

    assert reply["content"]["data"]["status"] == "active"


async def test_the_same_key_acts_once(tenant: Tenant):
    parameters = {"sdl": tenant.hello_web, "provider": "simulated"}

    first = await tenant.act("DEPLOY_AGENT", parameters, key="k")
    second = await tenant.act("DEPLOY_AGENT", parameters, key="k")

    assert first == second
    assert len((await tenant.http.get("/v1/deployments")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("parameters", "key", "code"),
    [
        ({"sdl": "not an sdl"}, "k", "sdl-invalid"),
        ({}, "k", "either-sdl-or-config"),
        ({"sdl": "a"}, "", "idempotency-key-required"),
        ({"sdl": "SDL", "provider": "docker"}, "k", "docker-not-available"),
    ],
)
async def test_what_cannot_be_done_is_an_answer_with_a_name_and_not_a_failed_request(
    tenant: Tenant, parameters: dict[str, Any], key: str, code: str
):
    if parameters.get("sdl") == "SDL":
        parameters = parameters | {"sdl": tenant.hello_web}

    reply = await tenant.act("DEPLOY_AGENT", parameters, key=key)

    assert (reply["handled"], reply["content"]["success"]) == (True, False)
    assert (reply["content"]["error"]["code"], reply["content"]["data"]) == (code, None)
    assert reply["text"]


@pytest.mark.parametrize("parameters", [{"sdl": "a", "config": None}, {"sdl": "a", "wait_s": 31}])
async def test_parameters_that_do_not_fit_the_schema_are_refused(tenant: Tenant, parameters: dict[str, Any]):
    response = await tenant.http.post(
        "/actions/DEPLOY_AGENT", json={"parameters": parameters}, headers={"Idempotency-Key": "k"}
    )

    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")


async def test_deploy_with_security_answers_with_the_report(
    make_app: MakeApp, tenant_of: TenantOf, gateway: Gateway, tmp_path: Path
):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "service.key").write_text("the-deployers-key")
    async with served(gateway.app) as url:
        app = make_app(f"sqlite+aiosqlite:///{tmp_path}/a.db", gateway_url=url)
        async with tenant_of(app) as tenant:
            reply = await tenant.act(
                "DEPLOY_WITH_SECURITY",
                {
                    "sdl": tenant.hello_web,
                    "provider": "simulated",
                    "cloud_provider": "akash",
                    "profile": "zero-trust",
                    "framework": "SOC2",
                    "data_residency": "eu-west",
                },
                key="k",
            )

    data = reply["content"]["data"]
    assert {"deploymentId", "securityEndpoint", "complianceReport", "auditLogs"} <= data.keys()
    assert data["status"] == "active"


async def test_an_action_needs_its_own_scope_beside_the_one_to_invoke(sqlite_app: FastAPI, issuer: Issuer):
    async with running(sqlite_app, issuer.headers("actions:invoke", audience="deployer")) as http:
        refused = await http.post("/actions/GENERATE_SDL", json={"parameters": {}})

    assert (refused.status_code, refused.json()["missing"]) == (403, ["deployer:deploy"])
