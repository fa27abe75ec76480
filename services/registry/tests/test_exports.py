"""An agent is shown as other registries show theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from a2a.client.card_resolver import parse_agent_card
from mesh_registry.domain import exports, naming

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain

TOOL = {
    "name": "SUMMARIZE",
    "description": "One paragraph that says it all.",
    "capability": "text.summarize",
    "parameters": {},
    "price": "0",
}


async def exported(caller: Caller, name: str, file: str) -> Any:
    return await caller.http.get(f"/v1/agents/{naming.agent_id_of(name)}/{file}")


async def registered(caller: Caller, name: str, stake: int = 0, **said: Any) -> None:
    await caller.registered(name, metadata=caller.metadata(**said), stake=str(stake))


async def test_an_agent_is_an_erc_8004_registration_file(caller_lite: Caller, chain: Chain):
    await registered(caller_lite, "acme/one", protocols=["a2a", "mcp"])

    file: Body = (await exported(caller_lite, "acme/one", "erc8004.json")).json()

    id = naming.agent_id_of("acme/one")
    assert file["type"] == "https://eips.ethereum.org/EIPS/eip-8004#registration-v1"
    assert (file["name"], file["description"], file["active"]) == ("Summarizer", "Summarizes.", True)
    assert file["registrations"] == [{"agentId": 1, "agentRegistry": f"eip155:31337:{chain.registry}"}]
    assert [service["name"] for service in file["services"]] == ["web", "DID", "A2A", "MCP"]
    assert file["services"][2]["endpoint"] == f"http://127.0.0.1:8371/v1/agents/{id}/agent-card.json"
    assert all(set(service) <= {"name", "endpoint", "version"} for service in file["services"])
    assert (file["supportedTrust"], file["x402Support"]) == (["reputation"], False)


async def test_the_spellings_that_readers_warn_of_are_not_written(caller_lite: Caller):
    await registered(caller_lite, "acme/one")

    file = (await exported(caller_lite, "acme/one", "erc8004.json")).json()

    assert not {"endpoints", "supportedTrusts", "x402support"} & file.keys()


async def test_stake_is_a_reason_to_trust(caller_lite: Caller, chain: Chain, operator: str):
    await chain.fund(operator, 7)
    await registered(caller_lite, "acme/one", stake=7)

    file = (await exported(caller_lite, "acme/one", "erc8004.json")).json()

    assert file["supportedTrust"] == ["reputation", "crypto-economic"]


async def test_an_agent_has_a_card_that_the_sdk_reads(caller_lite: Caller):
    await registered(caller_lite, "acme/one", protocols=["a2a"], toolDefinitions=[TOOL])

    card = parse_agent_card((await exported(caller_lite, "acme/one", "agent-card.json")).json())

    (interface,) = card.supported_interfaces
    assert (interface.url, interface.protocol_binding) == ("http://127.0.0.1:9100/a2a/", "JSONRPC")
    assert [(skill.id, skill.description) for skill in card.skills] == [
        ("text.summarize", "One paragraph that says it all.")
    ]


async def test_an_agent_that_speaks_no_a2a_does_not_claim_to(caller_lite: Caller):
    await registered(caller_lite, "acme/one", description="")

    card = (await exported(caller_lite, "acme/one", "agent-card.json")).json()

    assert card["supportedInterfaces"][0]["protocolBinding"] == "MESH+REST"
    assert card["description"] == "Summarizer"  # a required member that is empty would not be sent at all


async def test_an_agent_that_speaks_mcp_is_a_remote_server(caller_lite: Caller):
    await registered(caller_lite, "acme/one", protocols=["mcp"], description="x" * 200)

    entry = (await exported(caller_lite, "acme/one", "server.json")).json()

    assert entry["name"] == f"1.0.0.127/{naming.agent_id_of('acme/one')}"
    assert entry["remotes"] == [{"type": "streamable-http", "url": "http://127.0.0.1:9100/mcp"}]
    assert (len(entry["description"]), entry["version"]) == (100, "1.0.0")


async def test_an_agent_without_mcp_is_no_server(caller_lite: Caller):
    await registered(caller_lite, "acme/one")

    answer = await exported(caller_lite, "acme/one", "server.json")

    assert (answer.status_code, answer.json()["code"]) == (404, "export-not-found")


async def test_what_is_not_known_is_not_exported(caller_lite: Caller, chain: Chain):
    _, id = await chain.register_plainly(chain.accounts[1], "https://elsewhere.example/agent.json")
    await caller_lite.when(f"/v1/agents/{id}", lambda agent: agent["name"] is None)

    answers = [
        await caller_lite.http.get(f"/v1/agents/{id}/{file}") for file in ("erc8004.json", "agent-card.json")
    ]
    nobody = await exported(caller_lite, "nobody", "erc8004.json")

    assert [answer.json()["code"] for answer in (*answers, nobody)] == [
        "export-not-found",
        "export-not-found",
        "agent-not-found",
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://registry.acme.example:8443", "example.acme.registry"),
        ("http://[::1]:8371", "--1"),
        ("http://localhost", "localhost"),
    ],
)
def test_a_registry_names_what_it_lists_by_its_own_host(url: str, expected: str):
    assert exports.namespace(url) == expected
