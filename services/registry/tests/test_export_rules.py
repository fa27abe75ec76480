"""What becomes of an agent in the words of other registries, whatever it says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_registry.domain import catalog, exports, naming, ranking, search
from mesh_registry.domain.agents import NOWHERE, Agent, Document, DocumentState, Listing, Match
from mesh_registry.domain.chain import Status
from mesh_registry.domain.exports import Here
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.domain.reputation import NEWCOMER, PPM
from mesh_registry.errors import ExportNotFound

HERE = Here("https://registry.example", 31337, "0x" + "aa" * 20)
AGENT = Agent(
    token_id=7,
    transaction_hash="0x" + "00" * 32,
    registered_in=1,
    changed_in=1,
    stated_in=1,
    agent_id=naming.agent_id_of("acme/one"),
    did="did:web:acme.example",
)
UNKNOWN = Listing(agent=AGENT, document=NOWHERE, status=Status.PENDING, rank=ranking.rank(NEWCOMER, 0, 1, 1))
letters = st.text(min_size=1, max_size=300)


def listing(*confirmed: str, agent: Agent = AGENT, match: Match | None = None, **more: Any) -> Listing:
    """An agent that offers two capabilities, of which the chain confirms `confirmed`."""
    said: dict[str, Any] = {
        "name": "Summarizer",
        "description": "Summarizes.",
        "endpoint": "https://agent.example",
        "capabilities": ["text.long", "text.short"],
        "toolDefinitions": [],
        "reputationHistory": [],
    }
    document = Document(DocumentState.FETCHED, AgentMetadata.model_validate(said | more))
    known = replace(agent, capability_hashes=naming.capability_hashes(confirmed))
    return replace(UNKNOWN, agent=known, document=document, match=match)


def tool(name: str, description: str, capability: str = "text.short") -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "capability": capability,
        "parameters": {},
        "price": "0",
    }


def test_an_agent_that_is_off_says_so_in_its_registration_file():
    off = listing(agent=replace(AGENT, is_active=False))

    assert exports.erc8004(off, HERE)["active"] is False
    assert exports.erc8004(listing(), HERE)["active"] is True


def test_a_registration_file_names_no_protocol_that_the_agent_does_not_speak():
    services = exports.erc8004(listing(protocols=["grpc"]), HERE)["services"]

    assert services == [
        {"name": "web", "endpoint": "https://agent.example"},
        {"name": "DID", "endpoint": "did:web:acme.example"},
    ]


def test_a_card_has_the_skills_that_the_chain_confirms():
    confirmed = exports.agent_card(listing("text.short"))
    plain = exports.agent_card(listing())

    assert [skill.id for skill in confirmed.skills] == ["text.short"]
    assert [skill.id for skill in plain.skills] == ["text.long", "text.short"]


def test_a_skill_is_described_by_the_first_tool_behind_it_that_says_something():
    tools = [tool("A", ""), tool("B", "Shortens."), tool("C", "Cuts."), tool("D", "Stretches.", "text.else")]

    card = exports.agent_card(listing("text.short", "text.long", toolDefinitions=tools))

    described = {skill.id: skill.description for skill in card.skills}
    assert described == {"text.short": "Shortens.", "text.long": "Offers text.long."}


@given(letters)
def test_a_server_is_described_in_a_hundred_characters_at_most(text: str):
    said = exports.server(listing(description=text, protocols=["mcp"]), HERE)["description"]

    assert 1 <= len(said) <= exports.SHORT
    assert said == text or (said[-1] == "…" and text.startswith(said[:-1]))


def test_a_server_without_a_description_is_described_by_its_name():
    entry = exports.server(listing(description="", protocols=["mcp"]), HERE)

    assert entry["description"] == "Summarizer"


@pytest.mark.parametrize("version", [1, 12])
def test_every_export_has_the_version_of_the_agent(version: int):
    one = listing(agent=replace(AGENT, version=version), protocols=["mcp"])

    versions = [
        exports.agent_card(one).version,
        exports.server(one, HERE)["version"],
        catalog.entry(one, HERE)["version"],
    ]

    assert versions == [f"{version}.0.0"] * 3


def test_nothing_is_made_up_for_an_agent_whose_document_is_unknown():
    with pytest.raises(ExportNotFound):
        exports.erc8004(UNKNOWN, HERE)
    with pytest.raises(ExportNotFound):
        exports.agent_card(UNKNOWN)
    with pytest.raises(ExportNotFound):
        exports.server(UNKNOWN, HERE)


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=5))
def test_a_host_in_reverse_is_the_same_names_the_other_way_round(parts: list[str]):
    assert exports.namespace(f"https://{'.'.join(parts)}:8443/x").split(".") == parts[::-1]


@given(st.integers(0, 32))
def test_a_catalog_entry_has_two_to_five_questions(count: int):
    offered = [f"text.kind{n}" for n in range(count)]

    entry = catalog.entry(listing(*offered, capabilities=offered or ["other"]), HERE)

    assert 2 <= len(entry["representativeQueries"]) <= catalog.MOST_QUERIES
    assert entry["capabilities"] == sorted(offered)


def test_a_catalog_entry_leads_to_the_card_here_and_to_the_agent_s_identity():
    entry = catalog.entry(listing(protocols=["a2a"]), HERE)

    id = AGENT.agent_id
    assert entry["identifier"] == f"urn:air:example.registry:agents:{id}"
    assert entry["url"] == f"https://registry.example/v1/agents/{id}/agent-card.json"
    assert entry["trustManifest"] == {"identity": "did:web:acme.example", "identityType": "did"}
    assert entry["tags"] == ["a2a", "mesh"]


@given(st.integers(0, 3 * PPM), st.integers(0, 3 * PPM))
def test_a_nearer_result_has_no_lower_score_and_none_is_above_a_hundred(one: int, other: int):
    far, near = sorted((one, other))

    scores = [catalog.result(listing(match=Match(ppm, 1, 1)), HERE)["score"] for ppm in (far, near)]

    assert 0 <= scores[0] <= scores[1] <= catalog.FULL


def test_what_is_first_in_every_ranking_has_the_full_score():
    first = search.fuse([1, 2], [1], [1, 2])[1]

    assert catalog.result(listing(match=Match(first, 1, 1)), HERE)["score"] == catalog.FULL


values = st.text("abc", min_size=1, max_size=2)
entries = st.lists(st.fixed_dictionaries({"type": values, "tags": st.lists(values, max_size=4)}), max_size=8)


@given(entries, values)
def test_a_bucket_counts_the_entries_that_a_filter_for_it_leaves(found: list[dict[str, Any]], value: str):
    counted = dict(catalog.buckets(found, "tags"))

    assert counted.get(value, 0) == sum(catalog.fits(entry, {"tags": value}) for entry in found)


@given(entries)
def test_the_fullest_bucket_comes_first_and_equals_are_in_order_of_value(found: list[dict[str, Any]]):
    buckets = catalog.buckets(found, "type")

    assert buckets == sorted(buckets, key=lambda bucket: (-bucket[1], bucket[0]))
    assert sum(count for _, count in buckets) == len(found)


@given(entries, st.lists(values, max_size=3), values)
def test_wanting_one_more_field_never_finds_more(found: list[dict[str, Any]], tags: list[str], kind: str):
    def left(wanted: Any) -> list[int]:
        return [number for number, entry in enumerate(found) if catalog.fits(entry, wanted)]

    assert set(left({"tags": tags, "type": kind})) <= set(left({"tags": tags}))
    assert left({"tags": []}) == []
