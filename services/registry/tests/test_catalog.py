"""Agents are found the way of Agentic Resource Discovery, as its conformance tool wants it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mesh_registry.domain import catalog
from mesh_shared.testing import served

if TYPE_CHECKING:
    from callers_of_registry import Body, Caller

    from conftest import MakeApp

URN = re.compile(r"^urn:air:[a-zA-Z0-9.-]+(:[a-zA-Z0-9._-]+)+$")
SPEC = os.environ.get("MESH_ARD_SPEC", "")
ENTRY: Body = {
    "identifier": "urn:air:acme.example:agents:one",
    "trustManifest": {"attestations": [{"type": "ISO27001"}, {"type": "SOC2-Type2"}]},
    "type": "a",
    "capabilities": ["text.summarize", "text.short"],
    "metadata": {"reputation": 0.42},
}


@pytest.fixture
async def listed(caller_lite: Caller) -> Caller:
    metadata = caller_lite.metadata
    weather = metadata("weather.forecast", name="Forecaster", description="Tells the weather of tomorrow.")
    await caller_lite.registered("acme/weather", metadata=weather)
    await caller_lite.registered("acme/summary", metadata=metadata("text.summarize", "text.short"))
    return caller_lite


def assert_is_entry(entry: Body) -> None:
    assert URN.match(entry["identifier"]), entry["identifier"]
    assert entry["displayName"]
    assert entry["type"]
    assert ("url" in entry) != ("data" in entry)
    assert 2 <= len(entry["representativeQueries"]) <= 5


async def test_the_catalog_lists_the_registry_and_its_agents(listed: Caller):
    answer = await listed.http.get("/.well-known/ai-catalog.json")

    found = answer.json()
    for entry in found["entries"]:
        assert_is_entry(entry)
    assert found["specVersion"] == "1.0"
    assert found["host"]["displayName"] == "371 Mesh registry"
    assert [entry["type"] for entry in found["entries"]] == [catalog.REGISTRY, catalog.CARD, catalog.CARD]
    assert answer.headers["etag"]


async def test_the_catalog_is_browsed_in_pages(listed: Caller):
    first = (await listed.http.get("/agents", params={"pageSize": 1})).json()

    last = (await listed.http.get("/agents", params={"pageSize": 2, "pageToken": first["pageToken"]})).json()

    names = [entry["displayName"] for entry in first["items"] + last["items"]]
    assert sorted(names) == ["Forecaster", "Summarizer"]
    assert "pageToken" not in last


async def test_a_foreign_token_leads_to_no_page(listed: Caller):
    answer = await listed.http.get("/agents", params={"pageToken": "abc"})

    assert (answer.status_code, answer.json()["code"]) == (404, "cursor-not-found")


async def test_the_nearest_agent_comes_first(listed: Caller):
    asked = {"query": {"text": "weather tomorrow"}}

    results = (await listed.post("/search", json=asked)).json()["results"]

    assert results[0]["displayName"] == "Forecaster"
    for result in results:
        assert_is_entry(result)
        assert isinstance(result["score"], int)
        assert 0 <= result["score"] <= 100
        assert result["source"] == "http://127.0.0.1:8371"


async def test_a_filter_leaves_what_has_the_values(listed: Caller):
    async def names(**wanted: Any) -> list[str]:
        asked = {"query": {"text": "weather summarizes", "filter": wanted}, "federation": "none"}
        return [r["displayName"] for r in (await listed.post("/search", json=asked)).json()["results"]]

    assert await names(type=["application/mcp-server-card+json"]) == []
    assert await names(capabilities=["text.short", "none.such"]) == ["Summarizer"]
    assert await names(capabilities="weather.forecast", type=catalog.CARD) == ["Forecaster"]
    assert await names(nothing="x") == []


async def test_values_are_counted(listed: Caller):
    asked = {"resultType": {"facets": [{"field": "type"}, {"field": "capabilities", "limit": 2}]}}

    explored = (await listed.post("/explore", json=asked)).json()

    assert explored["resultType"] == "facets"
    assert explored["facets"]["type"] == {"buckets": [{"value": catalog.CARD, "count": 2}], "otherCount": 0}
    assert explored["facets"]["capabilities"] == {
        "buckets": [{"value": "text.short", "count": 1}, {"value": "text.summarize", "count": 1}],
        "otherCount": 1,
    }


async def test_a_search_without_a_text_is_none(listed: Caller):
    answer = await listed.post("/search", json={"query": {}})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, True),
        ({"type": "a"}, True),
        ({"type": ["b", "a"]}, True),
        ({"type": "b"}, False),
        ({"capabilities": "text.short"}, True),
        ({"metadata.reputation": "0.42"}, True),
        ({"metadata.nothing": "1"}, False),
        ({"publisher": "acme.example"}, True),
        ({"publisher": "other.example"}, False),
        ({"trustManifest.attestations.type": "SOC2-Type2"}, True),
        ({"trustManifest.attestations.type": ["HIPAA"]}, False),
        ({"type.deeper": "a"}, False),
        ({"type": "a", "capabilities": "none"}, False),
    ],
)
def test_a_filter_follows_dotted_paths(wanted: Any, expected: bool):
    assert catalog.fits(ENTRY, wanted) is expected


def test_buckets_count_entries_and_not_words():
    entries = [ENTRY, ENTRY | {"capabilities": ["text.short", "text.short"]}]

    assert catalog.buckets(entries, "capabilities") == [("text.short", 2), ("text.summarize", 1)]


@pytest.mark.skipif(not SPEC, reason="MESH_ARD_SPEC names no checkout of ards-project/ard-spec")
async def test_the_conformance_tool_of_ard_is_content(make_app: MakeApp, operator: str, tmp_path: Path):
    tool = Path(SPEC) / "conformance" / "bin" / "conformance-test"
    async with served(make_app()) as url:
        for command in (["manifest", f"{url}/.well-known/ai-catalog.json"], ["registry", url]):
            pipe, same = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(tool), *command, stdout=pipe, stderr=same
            )
            report = (await process.communicate())[0].decode()
            assert process.returncode == 0, report
