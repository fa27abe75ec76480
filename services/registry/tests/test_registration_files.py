"""Agents of ERC-8004 are read in every spelling that is around, and written in the present one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain import catalog, exports, registration_files
from mesh_registry.domain.agents import Agent, Document, DocumentState, Listing, findable
from mesh_registry.domain.chain import Status
from mesh_registry.domain.exports import Here
from mesh_registry.domain.metadata import AgentMetadata, document
from mesh_registry.domain.ranking import rank
from mesh_registry.domain.registration_files import ForeignMetadata, Known
from mesh_registry.domain.reputation import NEWCOMER
from mesh_registry.domain.search import of_protocol
from mesh_registry.errors import ExportNotFound, MetadataInvalid

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller
    from unaided import Chain


HERE = Here("https://registry.example", 31337, "0x" + "aa" * 20)
AGENT = Agent(
    token_id=7,
    transaction_hash="0x" + "00" * 32,
    registered_in=1,
    changed_in=1,
    stated_in=1,
    agent_id="0x" + "ab" * 32,
    did="did:x:y",
)
CARD = "https://agent.example/.well-known/agent-card.json"
SERVICES: list[Body] = [
    {"name": "A2A", "endpoint": CARD, "version": "0.3.0"},
    {"name": "MCP", "endpoint": "https://MCP.agent.example:8443/api", "version": "2025-06-18"},
    {"name": "OASF", "endpoint": "ipfs://x", "skills": ["Text/Summarize", "no skill", "text/translate", 7]},
    {"name": "ENS", "endpoint": "agent.eth"},
]
FILE: Body = {
    "type": "https://eips.ethereum.org/EIPS/eip-8004#registration-v1",
    "name": "Summarizer",
    "description": "Summarizes.",
    "image": "https://agent.example/a.png",
    "services": SERVICES,
    "active": True,
    "x402Support": True,
    "registrations": [{"agentId": 22, "agentRegistry": "eip155:1:0x" + "aa" * 20}],
    "supportedTrust": ["reputation", "tee-attestation"],
    "something": {"else": 1},
}


def read(said: Any) -> ForeignMetadata:
    metadata = registration_files.read(json.dumps(said).encode())
    assert isinstance(metadata, ForeignMetadata)
    return metadata


def spelled(old: str, new: str, value: Any = None, **more: Any) -> Body:
    """The file with a member under another name."""
    said = {name: value for name, value in FILE.items() if name != old}
    return said | {new: FILE[old] if value is None else value} | more


def without(*names: str) -> Body:
    return {name: value for name, value in FILE.items() if name not in names}


def listed(said: Body) -> Listing:
    found = Document(DocumentState.FETCHED, read(said))
    return Listing(agent=AGENT, document=found, status=Status.PENDING, rank=rank(NEWCOMER, 0, 1, 1))


def test_a_registration_file_is_read():
    metadata = read(FILE)

    assert (metadata.name, metadata.description) == ("Summarizer", "Summarizes.")
    assert metadata.endpoint == "https://agent.example"
    assert metadata.protocols == metadata.spoken == ["a2a", "mcp"]
    assert metadata.capabilities == ["text/summarize", "text/translate"]
    assert (metadata.registration.x402Support, metadata.registration.active) == (True, True)
    assert metadata.registration.supportedTrust == ["reputation", "tee-attestation"]


@pytest.mark.parametrize(
    "said",
    [
        spelled("services", "endpoints"),
        spelled("supportedTrust", "supportedTrusts"),
        spelled("x402Support", "x402support"),
        spelled("x402Support", "x402Support", {"enabled": True}),
        spelled("x402Support", "x402support", {"enabled": True}),
        spelled(
            "services", "services", [{"url" if k == "endpoint" else k: s[k] for k in s} for s in SERVICES]
        ),
        spelled("services", "endpoints", type="https://eips.ethereum.org/EIPS/eip-8004#registration-v2"),
        without("type"),
        without("active", "registrations", "something"),
    ],
    ids=["endpoints", "trusts", "x402support", "enabled", "both", "url", "v2", "typeless", "bare"],
)
def test_an_old_spelling_says_the_same(said: Body):
    assert read(said) == read(FILE)


def test_what_a_file_leaves_out_is_not_made_up():
    metadata = read({"name": "Bare", "services": [{"name": "web", "endpoint": "http://agent.example/x"}]})

    assert (metadata.description, metadata.capabilities, metadata.spoken) == ("", [], [])
    assert metadata.registration.image is None
    assert (metadata.registration.x402Support, metadata.registration.supportedTrust) == (False, [])


@pytest.mark.parametrize(
    "said",
    [
        spelled("services", "services", []),
        spelled("services", "services", [{"name": "ENS", "endpoint": "agent.eth"}]),
        spelled("services", "services", [{"name": "A2A", "endpoint": "https://x.example/{agentId}"}]),
        spelled("services", "services", [{"name": "A2A"}]),
        spelled("services", "services", "https://agent.example"),
        spelled("services", "services", [SERVICES[0]] * 65),
        spelled("name", "name", ""),
        spelled("name", "name", "x" * 101),
        spelled("name", "name", "Ac\u200bme"),
        spelled("type", "type", "https://other.example/schema"),
        without("services"),
        [FILE],
    ],
    ids=lambda said: str(said)[-60:],
)
def test_what_names_no_agent_that_can_be_called_is_invalid(said: Any):
    with pytest.raises(MetadataInvalid):
        registration_files.read(json.dumps(said).encode())


def test_json_that_means_two_things_is_invalid():
    twice = json.dumps(FILE)[:-1] + ', "name": "Other"}'

    with pytest.raises(MetadataInvalid):
        registration_files.read(twice.encode())


def test_our_own_document_is_read_as_before():
    said: Body = {
        "name": "Own",
        "description": "",
        "endpoint": "https://agent.example",
        "capabilities": ["text.own"],
        "toolDefinitions": [],
        "reputationHistory": [],
    }
    own = AgentMetadata.model_validate(said)

    assert registration_files.read(document(own)) == own
    assert own.spoken == ["mesh"]


@given(st.sampled_from([FILE, without("type", "image"), spelled("x402Support", "x402support")]))
def test_what_was_kept_is_read_back_as_what_it_was(said: Body):
    metadata = read(said)

    again = Known.validate_json(metadata.model_dump_json())

    assert again == metadata
    assert type(again) is ForeignMetadata


def test_a_file_is_written_in_the_present_spelling():
    said = spelled("services", "endpoints", supportedTrusts=["reputation", "tee-attestation"])
    del said["supportedTrust"]

    written = exports.erc8004(listed(said), HERE)

    assert written.keys() == FILE.keys() - {"something"}
    assert written["services"][:2] == SERVICES[:2]
    assert written["supportedTrust"] == FILE["supportedTrust"]
    assert (written["type"], written["x402Support"], written["image"]) == (
        FILE["type"],
        True,
        FILE["image"],
    )
    assert written["registrations"] == [{"agentId": 7, "agentRegistry": f"eip155:31337:{HERE.contract}"}]


def test_a_file_s_own_endpoints_are_shown_and_none_is_made_up():
    agent = listed(FILE)

    entry = catalog.entry(agent, HERE)

    assert exports.server(agent, HERE)["remotes"][0]["url"] == "https://MCP.agent.example:8443/api"
    assert (entry["type"], entry["url"]) == (catalog.CARD, CARD)
    with pytest.raises(ExportNotFound):
        exports.agent_card(agent)


def test_an_agent_without_a_card_is_in_the_catalog_with_its_file():
    entry = catalog.entry(listed(spelled("services", "services", SERVICES[1:])), HERE)

    assert entry["type"] == "application/json"
    assert entry["url"] == f"{HERE.url}/v1/agents/{AGENT.agent_id}/erc8004.json"


def test_an_agent_that_says_that_it_is_off_is_found_under_no_label():
    off, on = listed(FILE | {"active": False}), listed(FILE)

    assert findable(off.agent, off.document) == {}
    assert of_protocol("mcp") in findable(on.agent, on.document)
    assert exports.erc8004(off, HERE)["active"] is False


async def test_an_agent_of_erc_8004_is_indexed_found_and_a_server(caller_lite: Caller, chain: Chain):
    cid = await caller_lite.store(json.dumps(spelled("services", "endpoints")).encode())

    _, id = await chain.register_plainly(chain.accounts[1], f"ipfs://{cid}")
    agent = await caller_lite.when(f"/v1/agents/{id}", lambda agent: agent["name"] is not None)
    found = await caller_lite.listed(protocol="mcp", text="summarize")
    servers = (await caller_lite.http.get("/v0.1/servers")).json()["servers"]

    assert (agent["name"], agent["protocols"], agent["capabilities"]) == ("Summarizer", ["a2a", "mcp"], [])
    assert [entry["agentId"] for entry in found] == [id]
    assert [entry["server"]["title"] for entry in servers] == ["Summarizer"]
