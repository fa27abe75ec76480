"""The registry as an agent: the actions that the mesh hires it for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mesh_registry.actions import CAPABILITY, PLUGIN
from mesh_registry.domain import naming
from mesh_shared.agents.registration import metadata
from mesh_shared.testing import Issuer

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain

TOOL = {
    "name": "ANALYZE_WORKSPACE",
    "description": "Analyses a workspace.",
    "capability": "workspace-optimization",
    "parameters": {"type": "object"},
    "price": "250000",
}


async def invoke(caller: Caller, action: str, **parameters: Any) -> Body:
    answer = await caller.post(f"/actions/{action}", json={"parameters": parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_registering_answers_with_the_transaction_hash(caller_lite: Caller, operator: str):
    answer = await invoke(caller_lite, "REGISTER_AGENT", **caller_lite.wish("acme/one", "test-capability"))

    data = answer["content"]["data"]
    assert (answer["handled"], answer["content"]["success"]) == (True, True)
    assert answer["content"]["timestamp"]
    assert re.fullmatch(r"0x[0-9a-fA-F]{64}", data["transactionHash"])
    assert answer["text"] == f"Registering acme/one with {data['transactionHash']}."
    await caller_lite.agent_when("acme/one", lambda agent: agent["owner"] == operator)


async def test_an_agent_registered_with_a_capability_is_discovered_by_it(caller: Caller):
    await caller.registered("acme/one", "test-capability")

    answer = await invoke(caller, "DISCOVER_AGENTS", capability="test-capability")

    (agent,) = answer["content"]["data"]["agents"]
    assert answer["text"] == "Found 1 agent."
    assert agent == (await caller.found("test-capability"))[0]


async def test_tools_for_workspaces_are_found_without_being_asked_for_by_name(caller: Caller):
    other = TOOL | {"name": "SUMMARIZE", "capability": "text.summarize"}
    said = caller.metadata("workspace-optimization", "text.summarize", toolDefinitions=[TOOL, other])
    await caller.registered("acme/one", metadata=said)

    answer = await invoke(caller, "DISCOVER_UNIVERSAL_TOOLS")

    data = answer["content"]["data"]
    assert (answer["text"], data["count"]) == ("Found 1 tool.", 1)
    assert data["tools"] == [
        {
            "agentId": naming.agent_id_of("acme/one"),
            "agent": "Summarizer",
            "endpoint": "http://127.0.0.1:9100",
            "name": "ANALYZE_WORKSPACE",
            "description": "Analyses a workspace.",
            "parameters": {"type": "object"},
            "price": "250000",
        }
    ]


async def test_tools_of_the_best_agent_come_first(caller_lite: Caller, chain: Chain, operator: str):
    await chain.fund(operator, 50)
    for name, stake in (("low", 10), ("high", 40)):
        said = caller_lite.metadata("workspace-optimization", name=name, toolDefinitions=[TOOL])
        await caller_lite.registered(f"acme/{name}", metadata=said, stake=stake)

    answer = await invoke(caller_lite, "DISCOVER_UNIVERSAL_TOOLS", capability="workspace-optimization")

    assert [tool["agent"] for tool in answer["content"]["data"]["tools"]] == ["high", "low"]


async def test_finding_nothing_is_an_answer(caller_lite: Caller):
    agents = await invoke(caller_lite, "DISCOVER_AGENTS", capability="nobody-can")
    tools = await invoke(caller_lite, "DISCOVER_UNIVERSAL_TOOLS", capability="nobody-can")

    assert agents["content"]["data"] == {"agents": [], "count": 0}
    assert tools["content"]["data"] == {"tools": [], "count": 0}


async def test_at_most_as_many_agents_are_named_as_were_asked_for(caller_lite: Caller):
    for name in ("one", "two", "three"):
        await caller_lite.registered(f"acme/{name}")

    answer = await invoke(caller_lite, "DISCOVER_AGENTS", capability="text.summarize", limit=2)

    assert answer["content"]["data"]["count"] == 2


async def test_a_refusal_is_the_action_s_answer(caller_lite: Caller):
    answer = await invoke(caller_lite, "REGISTER_AGENT", **caller_lite.wish("acme/one", stake=2**128))

    assert answer["content"]["success"] is False
    assert answer["content"]["error"]["code"] == "stake-too-large"
    assert answer["content"]["data"] is None


async def test_an_action_needs_its_scope(caller_lite: Caller, issuer: Issuer):
    async def status(action: str, parameters: Body, *scopes: str) -> int:
        headers = issuer.headers(*scopes, audience="registry")
        answer = await caller_lite.post(
            f"/actions/{action}", json={"parameters": parameters}, headers=headers
        )
        return answer.status_code

    wanted, wish = {"capability": "x"}, caller_lite.wish("acme/one")

    assert await status("DISCOVER_AGENTS", wanted, "actions:invoke", "registry:discover") == 200
    assert await status("DISCOVER_AGENTS", wanted, "actions:invoke") == 403
    assert await status("DISCOVER_AGENTS", wanted, "registry:discover") == 403
    assert await status("REGISTER_AGENT", wish, "actions:invoke", "registry:discover") == 403
    assert await status("DELETE_ALL", {}, "actions:invoke") == 404


async def test_the_actions_are_published_with_their_parameters(caller_lite: Caller):
    plugin = (await caller_lite.http.get("/actions")).json()

    actions = {action["name"]: action for action in plugin["actions"]}
    assert actions.keys() == {"REGISTER_AGENT", "DISCOVER_AGENTS", "DISCOVER_UNIVERSAL_TOOLS"}
    assert actions["DISCOVER_UNIVERSAL_TOOLS"]["parameters"]["properties"]["capability"]["default"] == (
        "workspace-optimization"
    )
    assert all(action["examples"] and action["description"] for action in actions.values())


async def test_the_registry_lists_itself_like_any_agent(caller_lite: Caller):
    said = metadata(PLUGIN, "http://127.0.0.1:8371")
    await caller_lite.registered("mesh/registry", metadata=said)

    answer = await invoke(caller_lite, "DISCOVER_UNIVERSAL_TOOLS", capability=CAPABILITY)

    names = [tool["name"] for tool in answer["content"]["data"]["tools"]]
    assert names == ["DISCOVER_AGENTS", "DISCOVER_UNIVERSAL_TOOLS"]
