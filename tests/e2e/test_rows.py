"""The rows A to K of the first system's promises, each over the REST API of a running mesh."""

import re
from typing import Any

import pytest
from eth_utils.crypto import keccak
from mesh_cli.demo.cast import Player
from mesh_cli.demo.chapters.coordination import RESULT_NAMES
from mesh_cli.demo.stage import Answer, Stage
from mesh_shared.content import cid

pytestmark = pytest.mark.xdist_group("mesh")

SERVICES = ("registry", "coordinator", "deployer", "security-gateway", "workspace-analyzer")
TRANSACTION_HASH = r"0x[0-9a-fA-F]{64}"
TEXT = "Agents met on a chain. They agreed on a price. Everyone was paid for good work."
SDL_CONFIG = {
    "name": "web",
    "image": "debian:trixie-slim",
    "env": {"GREETING": "hello"},
    "port": 8080,
    "cpu_millis": 500,
    "memory_bytes": 512 * 2**20,
    "storage_bytes": 2**30,
    "replicas": 2,
    "max_price_uact_per_block": "100",
}


async def act(stage: Stage, service: str, action: str, parameters: dict[str, Any], *, key: str = "") -> Any:
    """The reply of an action."""
    body = {"parameters": parameters}
    return (await stage.ask("POST", service, f"/actions/{action}", key=key, json=body)).body


async def register(stage: Stage, name: str, *capabilities: str) -> Answer:
    metadata = {
        "name": name.rpartition("/")[2],
        "description": "A test's agent.",
        "endpoint": "https://agent.example",
        "capabilities": list(capabilities),
        "toolDefinitions": [],
        "reputationHistory": [],
    }
    body = {"id": name, "metadata": metadata, "stake": "0"}
    return await stage.ask("POST", "registry", "/v1/agents?wait=confirmed", key=f"register:{name}", json=body)


async def discover(stage: Stage, capability: str) -> list[dict[str, Any]]:
    answer = await stage.ask("GET", "registry", "/v1/agents", params={"capability": capability})
    return answer.body["items"]


@pytest.mark.parametrize("service", SERVICES)
async def test_row_a_every_service_is_a_plugin_of_described_actions(stage: Stage, service: str):
    plugin = (await stage.ask("GET", service, "/actions")).body

    assert plugin.keys() == {"name", "description", "actions", "evaluators", "providers"}
    for action in plugin["actions"]:
        assert {"name", "description", "parameters", "examples"} <= action.keys()
        assert action["parameters"]["type"] == "object"
        for user, agent in action["examples"]:
            assert (user["role"], agent["role"]) == ("user", "agent")


async def test_row_a_a_handler_reports_success_and_data(stage: Stage, storefront: str):
    reply = await act(stage, "workspace-analyzer", "ANALYZE_WORKSPACE", {"workspace": storefront})

    assert reply["handled"] is True
    assert reply["content"]["success"] is True
    assert reply["content"]["data"]["totalProjects"] == 10
    assert re.match(r"\d{4}-\d\d-\d\dT", reply["content"]["timestamp"])


async def test_row_a_a_handler_reports_failure_and_its_error(stage: Stage):
    reply = await act(stage, "workspace-analyzer", "ANALYZE_WORKSPACE", {"workspace": "nowhere"})

    assert reply["content"]["success"] is False
    assert reply["content"]["data"] is None
    assert reply["content"]["error"]["code"] == "workspace-not-found"


async def test_row_b_registering_answers_the_transaction_and_makes_the_id_of_the_name(stage: Stage):
    answer = await register(stage, "row-b/registered", "row-b.test")

    assert re.fullmatch(TRANSACTION_HASH, answer.body["transactionHash"])
    assert answer.body["agentId"] == f"0x{keccak(text='row-b/registered').hex()}"


async def test_row_b_metadata_is_in_the_store_under_the_cid_that_is_on_the_chain(stage: Stage):
    registered = await register(stage, "row-b/described", "row-b.store")

    (agent,) = await discover(stage, "row-b.store")
    blob = (await stage.ask("GET", "registry", f"/v1/content/{agent['metadataCid']}")).body

    assert agent["metadataCid"] == registered.body["metadataCid"] == str(cid.of(blob))


async def test_row_b_discovery_gives_entries_with_metadata_reputation_and_stake_best_first(
    stage: Stage, players: list[Player]
):
    found = await discover(stage, "text.summarize")

    assert {agent["name"] for agent in found} >= {player.name for player in players}
    for agent in found:
        assert {"agentId", "did", "capabilities", "toolDefinitions", "reputationHistory"} <= agent.keys()
        assert int(agent["stakeAmount"]) >= 0
    ranks = [agent["why"]["rank"] for agent in found]
    assert ranks == sorted(ranks, reverse=True)


async def test_row_c_stored_bytes_come_back_under_their_cid(stage: Stage):
    data, octets = b"row C \x00\xff" * 1000, {"Content-Type": "application/octet-stream"}

    stored = (await stage.ask("POST", "registry", "/v1/content", content=data, headers=octets)).body
    fetched = (await stage.ask("GET", "registry", f"/v1/content/{stored['cid']}")).body

    assert stored == {"cid": str(cid.of(data)), "size": len(data)}
    assert fetched == data


async def test_row_d_an_analysis_has_the_six_names_and_says_what_it_found(stage: Stage, storefront: str):
    reply = await act(stage, "workspace-analyzer", "ANALYZE_WORKSPACE", {"workspace": storefront})

    assert list(reply["content"]["data"])[:6] == RESULT_NAMES
    assert reply["text"] == "Workspace analysis complete. Found 10 projects, 6 affected by recent changes."


async def test_row_e_without_a_known_base_all_projects_are_affected_with_a_warning(
    stage: Stage, storefront: str
):
    parameters = {"workspace": storefront, "base": "no-such-branch"}

    reply = await act(stage, "workspace-analyzer", "FIND_AFFECTED_PROJECTS", parameters)

    assert len(reply["content"]["data"]["affectedProjects"]) == 10
    assert reply["content"]["data"]["warnings"]


async def test_row_e_the_share_that_is_skipped_is_one_minus_affected_by_total(stage: Stage, storefront: str):
    reply = await act(stage, "workspace-analyzer", "ANALYZE_WORKSPACE", {"workspace": storefront})

    result = reply["content"]["data"]
    expected = round((1 - len(result["affectedProjects"]) / result["totalProjects"]) * 100)
    assert result["costImpact"]["projectsSkippedPct"] == expected == 40


async def test_row_e_building_what_is_affected_reports_success_and_duration(stage: Stage, storefront: str):
    parameters = {"workspace": storefront, "wait_s": 60}

    reply = await act(stage, "workspace-analyzer", "BUILD_AFFECTED", parameters, key="row-e-build")

    assert reply["content"]["data"]["success"] is True
    assert reply["content"]["data"]["duration"] > 0


async def test_row_f_an_sdl_is_generated_as_the_pattern_has_it(stage: Stage):
    sdl = (await stage.ask("POST", "deployer", "/v1/sdl", json=SDL_CONFIG)).body["sdl"]

    checked = (await stage.ask("POST", "deployer", "/v1/sdl/validate", json={"sdl": sdl})).body
    (group,) = checked["groups"]
    (unit,) = group["units"]
    assert checked["ok"] is True
    assert re.search(r"^version: ['\"]?2\.0", sdl, re.MULTILINE)
    assert re.search(r"port: 8080\s+as: 80\s", sdl)
    assert group["name"] == "dcloud"
    assert (unit["service"], unit["count"], unit["public"]) == ("web", 2, True)


async def test_row_f_a_deployment_takes_the_cheapest_trusted_bid_and_computes_what_it_saves(stage: Stage):
    sdl = (await stage.ask("POST", "deployer", "/v1/sdl", json=SDL_CONFIG)).body["sdl"]
    body, wait = {"sdl": sdl, "provider": "simulated"}, {"Prefer": "wait=20"}

    made = (await stage.ask("POST", "deployer", "/v1/deployments", key="row-f", headers=wait, json=body)).body
    bids = (await stage.ask("GET", "deployer", f"/v1/deployments/{made['deploymentId']}/bids")).body["items"]

    trusted = [float(bid["uact_per_block"]) for bid in bids if bid["accepted"]]
    assert made["leaseId"]
    assert made["providerUri"]
    assert float(made["chosen"]["uact_per_block"]) == min(trusted)
    assert made["costReduction"]["percent_like_for_like"]["aws"]
    assert made["costReduction"]["formula"]


async def test_row_g_an_operation_is_performed_with_a_credential_that_the_agent_never_sees(
    stage: Stage, weather: str
):
    parameters = {"connection": "row-g", "method": "GET", "path": "/v1/weather/Oslo"}

    reply = await act(stage, "security-gateway", "SECURE_OPERATION", parameters, key="row-g")

    context = reply["content"]["data"]["context"]
    assert context["authenticated"] is True
    assert context["permissions"] == ["GET /v1/weather/*"]
    assert len(context["auditTrail"]) == 2
    assert reply["content"]["data"]["result"]["body"]["city"] == "Oslo"
    assert weather not in str(reply)


async def test_row_h_a_secure_deployment_comes_with_endpoint_report_and_audit(stage: Stage):
    sdl = (await stage.ask("POST", "deployer", "/v1/sdl", json=SDL_CONFIG)).body["sdl"]
    body = {
        "sdl": sdl,
        "provider": "simulated",
        "cloud_provider": "akash",
        "profile": "zero-trust",
        "framework": "SOC2",
        "data_residency": "eu-west",
    }
    wait = {"Prefer": "wait=20"}

    made = await stage.ask("POST", "deployer", "/v1/secure-deployments", key="row-h", headers=wait, json=body)

    report = made.body["complianceReport"]
    assert made.body["deploymentId"]
    assert made.body["securityEndpoint"] == f"{stage.mesh.url('security-gateway')}/v1/proxy"
    assert (report["profile"], report["framework"], report["data_residency"]) == (
        "zero-trust",
        "SOC2",
        "eu-west",
    )
    assert report["controls"]
    assert made.body["auditLogs"]["entries"]


async def test_row_i_a_task_is_analysed_planned_run_in_parallel_and_put_together(
    stage: Stage, players: list[Player], storefront: str
):
    task = {
        "task": "Analyze the storefront workspace and find tools for workspace-optimization.",
        "wait_s": 60,
    }

    reply = await act(stage, "coordinator", "COORDINATE_AGENTS", task, key="row-i")

    run = reply["content"]["data"]
    assert run["status"] == "succeeded"
    assert run["waves"] == [["workspace-analysis", "tool-discovery"]]
    assert set(run["result"]) == {"workspace-analysis", "tool-discovery"}
    assert run["wall_ms"] < run["steps_ms"]


async def test_row_j_good_work_is_paid_and_raises_the_reputation(stage: Stage, players: list[Player]):
    before = await reputation(stage, "careful")
    call = summarizing("careful", {"at": "/summary", "op": "minLength", "value": 20})

    outcome = (await stage.ask("POST", "coordinator", "/v1/execute", key="row-j-good", json=call)).body

    escrow = (await stage.ask("GET", "coordinator", f"/v1/escrows/{outcome['escrow_id']}")).body
    assert outcome["economicOutcome"] == "success"
    assert outcome["quality"]["score"] > 0.8
    assert escrow["state"] == "released"
    assert await changed(stage, "careful", before) > before


async def test_row_j_poor_work_is_refunded_and_lowers_the_reputation(stage: Stage, players: list[Player]):
    before = await reputation(stage, "sloppy")
    call = summarizing("sloppy", {"at": "/summary", "op": "minLength", "value": 60})

    outcome = (await stage.ask("POST", "coordinator", "/v1/execute", key="row-j-poor", json=call)).body

    escrow = (await stage.ask("GET", "coordinator", f"/v1/escrows/{outcome['escrow_id']}")).body
    assert outcome["economicOutcome"] == "refunded"
    assert outcome["quality"]["score"] <= 0.8
    assert escrow["state"] == "refunded"
    assert await changed(stage, "sloppy", before) < before


async def test_row_k_an_agent_with_test_capability_is_found_by_it(stage: Stage):
    registered = await register(stage, "row-k/agent", "test-capability")

    found = await discover(stage, "test-capability")

    assert [agent["agentId"] for agent in found] == [registered.body["agentId"]]


async def test_row_k_analysis_and_discovery_succeed_together_with_a_tool_found(stage: Stage, storefront: str):
    body = {
        "task": "Both actions in one run.",
        "requirements": [
            {
                "id": "analysis",
                "capability": "workspace.analyze",
                "action": "ANALYZE_WORKSPACE",
                "parameters": {"workspace": storefront},
            },
            {
                "id": "tools",
                "capability": "registry.discover",
                "action": "DISCOVER_UNIVERSAL_TOOLS",
                "parameters": {"capability": "workspace-optimization"},
            },
        ],
    }
    wait = {"Prefer": "wait=30"}

    run = (await stage.ask("POST", "coordinator", "/v1/runs", key="row-k", headers=wait, json=body)).body

    assert run["status"] == "succeeded"
    assert run["result"]["analysis"]["totalProjects"] == 10
    assert run["result"]["tools"]["count"] >= 1


def agent_id(name: str) -> str:
    return f"0x{keccak(text=f'demo/{name}').hex()}"


def summarizing(agent: str, assertion: dict[str, Any]) -> dict[str, Any]:
    return {
        "agent_id": agent_id(agent),
        "capability": "text.summarize",
        "action": "SUMMARIZE",
        "parameters": {"text": TEXT},
        "quality": {"assertions": [assertion]},
        "max_price": "50000",
    }


async def reputation(stage: Stage, name: str) -> float:
    return (await stage.ask("GET", "registry", f"/v1/agents/{agent_id(name)}")).body["reputation"]


async def changed(stage: Stage, name: str, before: float) -> float:
    """The reputation once the registry has read the new rating from the chain."""

    async def look() -> float | None:
        now = await reputation(stage, name)
        return now if now != before else None

    return await stage.until("the rating reaches the index", look)
