"""The document in which an agent says what it is."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_registry.domain import metadata, naming
from mesh_registry.domain.metadata import AgentMetadata
from mesh_registry.errors import MetadataInvalid, ToolUnfit
from mesh_shared.content.errors import ContentTooLarge
from pydantic import ValidationError

TOOL = {
    "name": "SUMMARIZE",
    "description": "One paragraph.",
    "capability": "text.summarize",
    "parameters": {"type": "object"},
    "price": "250000",
}
GOOD: dict[str, Any] = {
    "name": "Summarizer",
    "description": "Summarizes.",
    "endpoint": "https://agent.example:8443",
    "capabilities": ["text.summarize"],
    "toolDefinitions": [TOOL],
    "reputationHistory": [{"source": "elsewhere", "score": 0.93, "at": "2026-01-31T12:00:00Z"}],
}


def parsed(**changes: Any) -> AgentMetadata:
    return AgentMetadata.model_validate(GOOD | changes)


def with_parameters(parameters: Any) -> AgentMetadata:
    return parsed(toolDefinitions=[TOOL | {"parameters": parameters}])


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_equal_metadata_is_one_document_however_it_is_written():
    turned = dict(reversed(GOOD.items()))

    assert metadata.document(parsed()) == metadata.document(AgentMetadata.model_validate(turned))
    assert metadata.document(parsed()) == orjson.dumps(GOOD, option=orjson.OPT_SORT_KEYS)


def test_a_document_reads_as_what_was_written():
    assert metadata.read(metadata.document(parsed())) == parsed()


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://agent.example",
        "http://agent.example:80",
        "http://127.0.0.1:9100",
        "http://localhost:9100",
        "http://workspace-analyzer:8375",
        "http://[::1]:9100",
        "https://xn--bcher-kva.example:65535",
    ],
)
def test_an_endpoint_is_an_origin(endpoint: str):
    assert parsed(endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "agent.example",
        "ftp://agent.example",
        "https://agent.example/",
        "https://agent.example/path",
        "https://agent.example?q=1",
        "https://agent.example#top",
        "https://user@agent.example",
        "https://user:pass@agent.example",
        "https://agent.example:",
        "https://agent.example:0",
        "https://agent.example:65536",
        "https://Agent.example",
        "https://agent.example\n",
        "https://{agentId}.example",
        "https://bücher.example",
        "https://-agent.example",
        "https://agent_one.example",
        "https://" + "a" * 200,
        "javascript:alert(1)",
        *("https://[424]", "https://[:::]", "https://[1.2.3.4]"),
    ],
)
def test_what_is_no_origin_is_no_endpoint(endpoint: str):
    with pytest.raises(ValidationError):
        parsed(endpoint=endpoint)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": 7},
        {"description": "x" * 2001},
        {"capabilities": []},
        {"capabilities": ["a"] * 33},
        {"capabilities": ["Text"]},
        {"capabilities": ["text summarize"]},
        {"capabilities": [".text"]},
        {"capabilities": ["a" * 129]},
        {"capabilities": "text.summarize"},
        {"toolDefinitions": [TOOL] * 65},
        {"toolDefinitions": [TOOL | {"name": "../escrow"}]},
        {"toolDefinitions": [TOOL | {"name": ""}]},
        {"toolDefinitions": [TOOL | {"price": 5}]},
        {"toolDefinitions": [TOOL | {"price": "-5"}]},
        {"toolDefinitions": [TOOL | {"price": "1.5"}]},
        {"toolDefinitions": [TOOL | {"parameters": []}]},
        {"toolDefinitions": [TOOL | {"secret": "x"}]},
        {"reputationHistory": [{"source": "x", "score": 1.1, "at": "2026-01-31T12:00:00Z"}]},
        {"reputationHistory": [{"source": "x", "score": float("nan"), "at": "2026-01-31T12:00:00Z"}]},
        {"reputationHistory": [{"source": "x", "score": 1, "at": "yesterday"}]},
        {"reputationHistory": [{"source": "x", "score": 1, "at": 1700000000}]},
        {"reputationHistory": [{"source": "x", "score": 1, "at": "2026-01-31T12:00:00Z"}] * 101},
        {"owner": "me"},
    ],
    ids=str,
)
def test_what_does_not_fit_the_schema_is_no_metadata(changes: dict[str, Any]):
    with pytest.raises(ValidationError):
        parsed(**changes)
    with pytest.raises(MetadataInvalid):
        metadata.read(orjson.dumps(GOOD | changes))


def test_parameters_may_have_32_kib_and_no_byte_more():
    overhead = len(orjson.dumps({"a": ""}))

    metadata.document(with_parameters({"a": "x" * (32_768 - overhead)}))
    with pytest.raises(ToolUnfit) as refused:
        metadata.document(with_parameters({"a": "x" * (32_769 - overhead)}))

    assert refused.value.members == {"tool": "SUMMARIZE"}


@pytest.mark.parametrize("depth", [33, 300, 900])
def test_parameters_may_be_nested_32_levels_deep_and_no_more(depth: int):
    metadata.document(with_parameters(nested(32)))

    with pytest.raises(ToolUnfit):
        metadata.document(with_parameters(nested(depth)))


def test_lists_count_as_levels_too():
    value: list[Any] = []
    for _ in range(40):
        value = [value]

    with pytest.raises(ToolUnfit):
        metadata.document(with_parameters({"a": value}))


def test_a_document_has_256_kib_at_most():
    tools = [TOOL | {"parameters": {"a": "x" * 8000}}] * 40

    with pytest.raises(ContentTooLarge):
        metadata.document(parsed(toolDefinitions=tools))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"name": NaN}',
        b"[" * 5000,
        orjson.dumps(GOOD).replace(b"Summarizes.", b"Summa\\u0000rizes."),
        orjson.dumps(GOOD).replace(b"Summarizes.", b"Summa\\ud800rizes."),
    ],
)
def test_what_a_stranger_stored_can_be_anything_and_is_read_as_nothing(data: bytes):
    with pytest.raises(MetadataInvalid):
        metadata.read(data)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_make_reading_fail_otherwise(data: bytes):
    with pytest.raises(MetadataInvalid):
        metadata.read(data)


seen_texts = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | seen_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(seen_texts, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(seen_texts, json_values, max_size=4))
def test_whatever_parameters_a_tool_has_they_come_back(parameters: dict[str, Any]):
    written = with_parameters(parameters)

    assert metadata.read(metadata.document(written)) == written


def test_an_agent_s_id_is_the_hash_of_its_name():
    # Keccak-256, not SHA-3
    assert naming.agent_id_of("") == "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(st.lists(st.from_regex(r"^[a-z0-9][a-z0-9._/-]{0,20}\Z"), max_size=10))
def test_capabilities_go_to_the_chain_once_each_and_ascending(names: list[str]):
    hashes = naming.capability_hashes(names)

    assert list(hashes) == sorted(set(hashes))
    assert len(hashes) == len(set(names))
    assert naming.proven(names, hashes) == sorted(set(names))


def test_a_capability_that_the_chain_does_not_confirm_is_not_proven():
    assert naming.proven(["a", "b"], naming.capability_hashes(["b", "c"])) == ["b"]


def test_the_did_of_an_owner_is_its_account_on_its_chain():
    assert naming.did_of(31337, "0xAb") == "did:pkh:eip155:31337:0xAb"
